//! A reader of server-sent events, as a browser reads them.

use serde_json::Value;

use crate::patience::PATIENCE;
use crate::system::System;

/// A stream that was answered.
pub struct Stream {
    response: reqwest::Response,
    /// The status.
    pub status: u16,
    buffer: String,
    /// The last `id`: what a browser sends when it comes back.
    pub last_event_id: String,
    /// How often nothing but an `id` came.
    pub heartbeats: usize,
}

impl Stream {
    /// Asks the default app for a stream, coming back behind a cursor if there is one.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn open(system: &System, query: &str, last_event_id: Option<&str>) -> Self {
        let url = format!("{}/stream/local-key?{query}", system.base);
        let mut request = system
            .client()
            .get(url)
            .header("accept", "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.expect("an answer");
        Self {
            status: response.status().as_u16(),
            response,
            buffer: String::new(),
            last_event_id: last_event_id.unwrap_or_default().to_owned(),
            heartbeats: 0,
        }
    }

    /// The same, taking the first message.
    ///
    /// # Panics
    /// When the stream does not begin as it should.
    pub async fn connected(system: &System, query: &str, last_event_id: Option<&str>) -> Self {
        let mut stream = Self::open(system, query, last_event_id).await;
        assert_eq!(stream.status, 200, "{query}");
        let first = stream.message().await.expect("a message");
        assert_eq!(first, serde_json::json!({"type": "connected"}));
        stream
    }

    /// A header, as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// The next message; `None`: the stream has ended as it should.
    ///
    /// # Panics
    /// When none comes, or the stream breaks off.
    pub async fn message(&mut self) -> Option<Value> {
        match self.try_message().await {
            Ok(message) => message,
            Err(error) => panic!("{error}: {:?}", self.buffer),
        }
    }

    /// The same, where it may break off.
    ///
    /// # Errors
    /// It broke off.
    ///
    /// # Panics
    /// When nothing comes.
    pub async fn try_message(&mut self) -> Result<Option<Value>, reqwest::Error> {
        loop {
            while let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.buffer = rest;
                if let Some(message) = self.take(&block) {
                    return Ok(Some(message));
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk());
            match chunk.await.expect("something comes")? {
                Some(chunk) => self.buffer.push_str(&String::from_utf8_lossy(&chunk)),
                None => return Ok(None),
            }
        }
    }

    /// Waits for a heartbeat.
    ///
    /// # Panics
    /// When something else comes.
    pub async fn heartbeat(&mut self) {
        let before = self.heartbeats;
        while self.heartbeats == before {
            while let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.buffer = rest;
                assert_eq!(self.take(&block), None);
            }
            if self.heartbeats == before {
                let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
                let chunk = chunk.expect("something comes").expect("it goes on");
                let chunk = chunk.expect("it has not ended");
                self.buffer.push_str(&String::from_utf8_lossy(&chunk));
            }
        }
    }

    fn take(&mut self, block: &str) -> Option<Value> {
        let mut data = Vec::new();
        for line in block.lines() {
            let (field, value) = line.split_once(':').expect("a field");
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => value.clone_into(&mut self.last_event_id),
                "data" => data.push(value),
                "retry" => assert_eq!(value, "1000"),
                "" => self.heartbeats += 1,
                other => panic!("{other}"),
            }
        }
        let text = data.join("\n");
        (!data.is_empty()).then(|| serde_json::from_str(&text).expect("JSON"))
    }

    /// What follows, as text: a refusal's body.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn text(self) -> String {
        self.response.text().await.expect("a body")
    }
}
