//! pusher-js's HTTP transports, spoken request by request: a request that receives, again and again or bit by bit, and
//! requests that send, one after another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc::{self, UnboundedSender};

use super::ear::{BROKEN, Ear};
use crate::storm::history::Step;
use crate::storm::outside::Outside;

/// How long a request to receive may take: longer than a poll waits.
const PATIENCE: Duration = Duration::from_secs(40);
/// Messages in one request to send, at most.
const FRAMES_MAX: usize = 100;

/// A session. Cheap to clone.
#[derive(Clone)]
pub(super) struct Session(Arc<Inner>);

struct Inner {
    outside: Arc<Outside>,
    /// `/pusher/app/{key}/{server}/{session}`.
    path: String,
    token: Option<String>,
    number: AtomicU64,
    sending: UnboundedSender<Vec<String>>,
    ear: Ear,
}

/// Why receiving ends.
enum End {
    /// The other end said so.
    Closed(u16),
    /// Something else than an answer came, or nothing.
    Broken,
}

impl Session {
    pub(super) fn new(
        outside: &Arc<Outside>,
        conn: u32,
        key: &str,
        token: Option<&str>,
        ear: Ear,
    ) -> Self {
        let (sending, mut to_send) = mpsc::unbounded_channel::<Vec<String>>();
        // Whoever knows its name has a session.
        let name = format!("{:08x}", outside.salt.wrapping_add(conn));
        let session = Self(Arc::new(Inner {
            outside: outside.clone(),
            path: format!("/pusher/app/{key}/{}/{name}", conn % 1_000),
            token: token.map(str::to_owned),
            number: AtomicU64::new(0),
            sending,
            ear,
        }));
        outside.recorder.secret(&name);
        let sender = Arc::downgrade(&session.0);
        tokio::spawn(async move {
            while let Some(frames) = to_send.recv().await {
                let Some(inner) = sender.upgrade() else {
                    return;
                };
                Self(inner).send_now(frames).await;
            }
        });
        session
    }

    /// Has frames sent after those before.
    pub(super) fn send(&self, frames: Vec<String>) {
        for some in frames.chunks(FRAMES_MAX) {
            // It ends with the session.
            let _ = self.0.sending.send(some.to_vec());
        }
    }

    async fn send_now(self, frames: Vec<String>) {
        let request = self.request("xhr_send").body(json!(frames).to_string());
        let answer = request.timeout(PATIENCE).send().await;
        if !answer.is_ok_and(|answer| answer.status().as_u16() == 204) {
            // pusher-js would not notice; a client that minds begins anew.
            self.0.ear.step(Step::Closed { code: BROKEN });
        }
    }

    fn request(&self, call: &str) -> reqwest::RequestBuilder {
        let Inner {
            outside,
            path,
            token,
            number,
            ..
        } = &*self.0;
        let number = number.fetch_add(1, Ordering::Relaxed) + 1;
        let token = token
            .as_ref()
            .map(|token| format!("&token={token}"))
            .unwrap_or_default();
        let url = format!(
            "{}{path}/{call}?protocol=7&client=js&t=1&n={number}{token}",
            outside.base
        );
        outside
            .http
            .post(url)
            .header("content-type", "application/json")
    }

    /// Receives until it ends.
    pub(super) async fn read(self, streams: bool) {
        let end = loop {
            let end = if streams {
                self.stream().await
            } else {
                self.poll().await
            };
            if let Some(end) = end {
                break end;
            }
        };
        let code = match end {
            End::Closed(code) => code,
            End::Broken => BROKEN,
        };
        self.0.ear.step(Step::Closed { code });
    }

    async fn poll(&self) -> Option<End> {
        let answer = self.request("xhr").timeout(PATIENCE).send().await;
        let Ok(answer) = answer else {
            return Some(End::Broken);
        };
        if answer.status().as_u16() != 200 {
            return Some(End::Broken);
        }
        let Ok(text) = answer.text().await else {
            return Some(End::Broken);
        };
        text.lines().find_map(|line| self.line(line))
    }

    /// Receives bit by bit. A stream that ends is a session that is broken: that of a client that has read so much that
    /// it opens it anew is longer than any here.
    async fn stream(&self) -> Option<End> {
        let Ok(mut answer) = self.request("xhr_streaming").send().await else {
            return Some(End::Broken);
        };
        if answer.status().as_u16() != 200 {
            return Some(End::Broken);
        }
        let (mut unread, mut read) = (String::new(), 0);
        loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => unread.push_str(&String::from_utf8_lossy(&chunk)),
                Ok(None) if read > REOPENED_CHARS => return None,
                Ok(None) | Err(_) => return Some(End::Broken),
            }
            while let Some((line, rest)) = unread.split_once('\n') {
                read += line.len() + 1;
                if let Some(end) = self.line(line) {
                    return Some(end);
                }
                unread = rest.to_owned();
                // pusher-js opens it anew once it has read so much.
                if read > REOPENED_CHARS {
                    return None;
                }
            }
        }
    }

    /// Takes a line as pusher-js does.
    fn line(&self, line: &str) -> Option<End> {
        let strange = || {
            let text = line.chars().take(300).collect();
            self.0.ear.step(Step::Strange { text });
        };
        let kind = line.get(..1)?;
        match kind {
            "o" | "h" => {}
            "a" => match serde_json::from_str::<Vec<String>>(&line[1..]) {
                Ok(frames) => frames.iter().for_each(|frame| self.0.ear.frame(frame)),
                Err(_) => strange(),
            },
            "c" => match serde_json::from_str::<(u16, String)>(&line[1..]) {
                Ok((code, _)) => return Some(End::Closed(code)),
                Err(_) => strange(),
            },
            _ => strange(),
        }
        None
    }
}

/// What pusher-js reads of one stream (`MAX_BUFFER_LENGTH`, 256 KB).
const REOPENED_CHARS: usize = 256 * 1_024;
