//! A client's end of a socket, frame by frame.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::http::hmac_hex;
use crate::patience::PATIENCE;
use crate::system::System;

/// A connected socket.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The protocol's name for it; empty before it was greeted.
    pub socket_id: String,
}

impl Socket {
    /// Opens a socket without waiting for anything.
    ///
    /// # Errors
    /// When the upgrade is refused.
    pub async fn open(system: &System, path: &str) -> Result<Self, Box<Error>> {
        Self::open_as(system, path, None).await
    }

    /// The same as a page of some origin does it.
    ///
    /// # Errors
    /// When the upgrade is refused.
    ///
    /// # Panics
    /// When the origin is no header.
    pub async fn open_as(
        system: &System,
        path: &str,
        origin: Option<&str>,
    ) -> Result<Self, Box<Error>> {
        let url = format!("{}{path}", system.socket_base());
        let mut request = url.into_client_request().map_err(Box::new)?;
        if let Some(origin) = origin {
            let origin = origin.parse().expect("a header");
            request.headers_mut().insert("origin", origin);
        }
        let (stream, _) = tokio_tungstenite::connect_async(request)
            .await
            .map_err(Box::new)?;
        Ok(Self {
            stream,
            socket_id: String::new(),
        })
    }

    /// Opens a socket and takes the greeting.
    pub async fn connect(system: &System) -> Self {
        Self::connect_at(system, "/app/local-key?protocol=7").await
    }

    /// The same at another path.
    ///
    /// # Panics
    /// When it is not greeted.
    pub async fn connect_at(system: &System, path: &str) -> Self {
        let mut socket = Self::open(system, path)
            .await
            .expect("the upgrade succeeds");
        let greeting = socket.expect("pusher:connection_established").await;
        let data: Value =
            serde_json::from_str(greeting["data"].as_str().expect("a string")).expect("JSON");
        socket.socket_id = data["socket_id"].as_str().expect("a string").to_owned();
        socket
    }

    /// Sends a message of any kind.
    pub async fn send(&mut self, message: Message) {
        // What the other end has closed meanwhile shows in what is received.
        let _ = self.stream.send(message).await;
    }

    /// Sends a text frame.
    pub async fn send_text(&mut self, text: impl Into<String>) {
        self.send(Message::text(text.into())).await;
    }

    /// Sends an event.
    pub async fn send_event(&mut self, event: &str, data: Value) {
        self.send_text(json!({"event": event, "data": data}).to_string())
            .await;
    }

    /// The next message; `None` when the connection has ended without a close frame.
    ///
    /// # Panics
    /// When nothing comes.
    pub async fn message(&mut self) -> Option<Message> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.stream.next()).await;
            match next.expect("something comes") {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Some(message),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The next frame. Every one has an event: pusher-js throws on one without.
    ///
    /// # Panics
    /// When it is no such frame.
    pub async fn frame(&mut self) -> Value {
        let message = self.message().await.expect("the connection is open");
        let text = message.to_text().expect("text");
        let frame: Value =
            serde_json::from_str(text).unwrap_or_else(|_| panic!("no JSON: {message:?}"));
        assert!(
            frame["event"].is_string(),
            "a frame without an event: {frame}"
        );
        frame
    }

    /// The next frame, which must be this event.
    ///
    /// # Panics
    /// When it is another.
    pub async fn expect(&mut self, event: &str) -> Value {
        let frame = self.frame().await;
        assert_eq!(frame["event"], event, "{frame}");
        frame
    }

    /// The code of the close frame that ends the connection, past whatever comes before; `None`
    /// when it ends without one.
    pub async fn close_code(&mut self) -> Option<u16> {
        while let Some(message) = self.message().await {
            if let Message::Close(frame) = message {
                return frame.map(|frame| frame.code.into());
            }
        }
        None
    }

    /// Joins a public channel.
    pub async fn subscribe(&mut self, channel: &str) {
        self.send_event("pusher:subscribe", json!({"channel": channel}))
            .await;
        self.acknowledged(channel).await;
    }

    /// Joins a channel that takes the app's signature.
    pub async fn subscribe_private(&mut self, channel: &str) {
        let auth = self.auth(channel);
        self.send_event(
            "pusher:subscribe",
            json!({"channel": channel, "auth": auth}),
        )
        .await;
        self.acknowledged(channel).await;
    }

    /// Takes the acknowledgement of a subscription.
    ///
    /// # Panics
    /// When it is anything else.
    pub async fn acknowledged(&mut self, channel: &str) {
        let frame = self.expect("pusher_internal:subscription_succeeded").await;
        assert_eq!(
            (&frame["channel"], &frame["data"]),
            (&json!(channel), &json!("{}"))
        );
    }

    /// Joins a channel on which others may come and go meanwhile: takes the acknowledgement past
    /// what the subscribers are told of it.
    pub async fn subscribe_counted(&mut self, channel: &str) {
        self.send_event("pusher:subscribe", json!({"channel": channel}))
            .await;
        while self.frame().await["event"] != "pusher_internal:subscription_succeeded" {}
    }

    /// Takes the number of a channel's subscribers, which must be this one.
    ///
    /// # Panics
    /// When it is anything else.
    pub async fn count(&mut self, channel: &str, subscribers: usize) {
        let frame = self.expect("pusher_internal:subscription_count").await;
        let data = json!({ "subscription_count": subscribers }).to_string();
        assert_eq!(
            (&frame["channel"], &frame["data"]),
            (&json!(channel), &json!(data))
        );
    }

    /// The signature that the app's server gives this socket for a channel.
    #[must_use]
    pub fn auth(&self, channel: &str) -> String {
        format!(
            "local-key:{}",
            hmac_hex("local-secret", &format!("{}:{channel}", self.socket_id))
        )
    }

    /// What a subscribe to a presence channel carries: signed by the app's server, for a user.
    #[must_use]
    pub fn presence(&self, channel: &str, user: &Value) -> Value {
        let channel_data = user.to_string();
        let signed = format!("{}:{channel}:{channel_data}", self.socket_id);
        json!({
            "channel": channel,
            "auth": format!("local-key:{}", hmac_hex("local-secret", &signed)),
            "channel_data": channel_data,
        })
    }

    /// Asks to join a presence channel as a user.
    pub async fn attend(&mut self, channel: &str, user_id: Value) {
        let subscribe = self.presence(channel, &json!({"user_id": user_id}));
        self.send_event("pusher:subscribe", subscribe).await;
    }

    /// Takes the acknowledgement of a presence channel, and gives who is there.
    ///
    /// # Panics
    /// When it is anything else.
    pub async fn roster(&mut self, channel: &str) -> Value {
        let frame = self.expect("pusher_internal:subscription_succeeded").await;
        assert_eq!(frame["channel"], channel);
        inner(&frame)["presence"].clone()
    }

    /// The signature that the app's server gives this socket for a user.
    #[must_use]
    pub fn user_auth(&self, user_data: &str) -> String {
        let signed = format!("{}::user::{user_data}", self.socket_id);
        format!("local-key:{}", hmac_hex("local-secret", &signed))
    }

    /// Asks to sign in with the app's signature.
    pub async fn ask_to_sign_in(&mut self, user_data: &Value) {
        let user_data = user_data.to_string();
        let data = json!({"auth": self.user_auth(&user_data), "user_data": user_data});
        self.send_event("pusher:signin", data).await;
    }

    /// Signs in.
    ///
    /// # Panics
    /// When the answer is anything else.
    pub async fn sign_in(&mut self, user_data: Value) {
        self.ask_to_sign_in(&user_data).await;
        let frame = self.expect("pusher:signin_success").await;
        assert_eq!(frame["data"], json!({"user_data": user_data.to_string()}));
    }

    /// The next frame, which must be about those that this socket watches: who of them has come
    /// online, and who has gone.
    ///
    /// # Panics
    /// When it is another, or has another form.
    pub async fn watched(&mut self) -> (Vec<String>, Vec<String>) {
        let frame = self.expect("pusher_internal:watchlist_events").await;
        assert_eq!(frame.get("channel"), None, "{frame}");
        let data = inner(&frame);
        let (mut online, mut offline) = (Vec::new(), Vec::new());
        for event in data["events"].as_array().expect("a list") {
            let ids = event["user_ids"].as_array().expect("a list").iter();
            let ids = ids.map(|id| id.as_str().expect("text").to_owned());
            match event["name"].as_str() {
                Some("online") => online.extend(ids),
                Some("offline") => offline.extend(ids),
                other => panic!("{other:?}: {frame}"),
            }
        }
        assert!(!online.is_empty() || !offline.is_empty(), "{frame}");
        (online, offline)
    }

    /// Makes sure that nothing was sent before now: asks, and takes the answer next.
    pub async fn nothing_came(&mut self) {
        self.send_event("pusher:ping", json!({})).await;
        self.expect("pusher:pong").await;
    }

    /// Waits until a channel that this socket has left reaches it no more: an unsubscription has
    /// no answer.
    ///
    /// # Panics
    /// When it still does after a while.
    pub async fn left(&mut self, system: &System, channel: &str) {
        for attempt in 0..200 {
            let name = format!("left-{attempt}");
            system
                .publish(json!({"name": name, "channel": channel, "data": ""}))
                .await;
            self.send_event("pusher:ping", json!({})).await;
            if self.frame().await["event"] == "pusher:pong" {
                return;
            }
            self.expect("pusher:pong").await;
        }
        panic!("still on {channel}");
    }

    /// Ends the connection without a word, as a client does that loses its network.
    pub fn vanish(self) {
        let MaybeTlsStream::Plain(stream) = self.stream.get_ref() else {
            return;
        };
        // With nothing left to linger for, the other end sees a reset.
        let _ = stream.set_zero_linger();
    }

    /// Ends the connection as a client does.
    pub async fn close(mut self) {
        let _ = self.stream.close(None).await;
        while self.message().await.is_some() {}
    }
}

/// The data of a frame, which is JSON in a string.
///
/// # Panics
/// When it is none.
#[must_use]
pub fn inner(frame: &Value) -> Value {
    let data = frame["data"].as_str();
    let data = data.unwrap_or_else(|| panic!("no string: {frame}"));
    serde_json::from_str(data).unwrap_or_else(|_| panic!("no JSON: {frame}"))
}
