//! A client's end of a session over HTTP, request by request: what pusher-js does without a socket.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use crate::http::{Reply, hmac_hex};
use crate::patience::PATIENCE;
use crate::socket::inner;
use crate::system::System;

/// A session.
pub struct Session<'a> {
    system: &'a System,
    /// `/pusher/app/{key}/{server}/{session}`.
    path: String,
    number: u64,
    frames: VecDeque<Value>,
    /// The code that it was closed with, once it was.
    pub closed: Option<u64>,
    /// The protocol's name for it; empty before it was greeted.
    pub socket_id: String,
}

impl<'a> Session<'a> {
    /// A session of an app that has asked for nothing yet.
    #[must_use]
    pub fn new(system: &'a System, app_key: &str) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self {
            system,
            path: format!("/pusher/app/{app_key}/{}/{count:08x}", count % 1_000),
            number: 0,
            frames: VecDeque::new(),
            closed: None,
            socket_id: String::new(),
        }
    }

    /// Opens a session and takes the greeting.
    pub async fn open(system: &'a System) -> Self {
        let mut session = Self::new(system, "local-key");
        session.receive().await;
        session.greeted().await;
        session
    }

    /// The same with a token.
    pub async fn open_with(system: &'a System, token: &str) -> Self {
        let mut session = Self::new(system, "local-key");
        let target = format!("{}&token={token}", session.target("xhr"));
        let reply = system.request("POST", &target, Vec::new()).await;
        session.take(&reply.text);
        session.greeted().await;
        session
    }

    /// Takes the greeting.
    ///
    /// # Panics
    /// When it is anything else.
    pub async fn greeted(&mut self) {
        let greeting = self.expect("pusher:connection_established").await;
        let socket_id = inner(&greeting)["socket_id"].clone();
        self.socket_id = socket_id.as_str().expect("text").to_owned();
    }

    /// The query of the next request.
    fn query(&mut self) -> String {
        self.number += 1;
        self.query_again()
    }

    /// The query of the request before, once more.
    fn query_again(&self) -> String {
        format!("?protocol=7&client=js&t=1&n={}", self.number)
    }

    /// The target of the next request of a kind.
    #[must_use]
    pub fn target(&mut self, call: &str) -> String {
        let query = self.query();
        format!("{}/{call}{query}", self.path)
    }

    /// The target of the request before, once more.
    #[must_use]
    pub fn same_target(&self, call: &str) -> String {
        format!("{}/{call}{}", self.path, self.query_again())
    }

    /// Polls once, and gives the answer as it is.
    pub async fn poll(&mut self) -> Reply {
        let target = self.target("xhr");
        self.system.request("POST", &target, Vec::new()).await
    }

    /// Polls once, and takes what comes.
    ///
    /// # Panics
    /// When it is no answer that pusher-js takes.
    pub async fn receive(&mut self) {
        let reply = self.poll().await;
        assert_eq!(reply.status, 200, "{reply:?}");
        self.take(&reply.text);
    }

    /// Takes lines, as they come to pusher-js.
    ///
    /// # Panics
    /// When one is none that pusher-js takes.
    pub fn take(&mut self, lines: &str) {
        for line in lines.lines() {
            let (kind, rest) = line.split_at(1);
            match kind {
                "o" => assert_eq!(rest, ""),
                "h" => assert_eq!(rest, ""),
                "a" => {
                    let frames: Vec<String> = serde_json::from_str(rest).expect("JSON");
                    let frame = |frame: String| serde_json::from_str(&frame).expect("JSON");
                    self.frames.extend(frames.into_iter().map(frame));
                }
                "c" => {
                    let parting: (u64, String) = serde_json::from_str(rest).expect("JSON");
                    self.closed = Some(parting.0);
                }
                other => panic!("{other}"),
            }
        }
    }

    /// The next frame.
    ///
    /// # Panics
    /// When none comes, or the session is closed.
    pub async fn frame(&mut self) -> Value {
        let started = std::time::Instant::now();
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return frame;
            }
            assert_eq!(self.closed, None);
            assert!(started.elapsed() < PATIENCE, "nothing comes");
            self.receive().await;
        }
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

    /// The code that it is closed with, past whatever comes before.
    pub async fn close_code(&mut self) -> u64 {
        loop {
            self.frames.clear();
            if let Some(code) = self.closed {
                return code;
            }
            self.receive().await;
        }
    }

    /// Sends a body, and gives the answer.
    pub async fn send(&mut self, body: impl Into<Vec<u8>>) -> Reply {
        let target = self.target("xhr_send");
        self.system.request("POST", &target, body.into()).await
    }

    /// Sends events, which must be taken.
    ///
    /// # Panics
    /// When they are not.
    pub async fn say(&mut self, events: &[Value]) {
        let frames: Vec<String> = events.iter().map(Value::to_string).collect();
        let reply = self.send(json!(frames).to_string()).await;
        assert_eq!((reply.status, reply.text.as_str()), (204, ""), "{reply:?}");
    }

    /// Sends an event.
    pub async fn send_event(&mut self, event: &str, data: Value) {
        self.say(&[json!({"event": event, "data": data})]).await;
    }

    /// Joins a public channel.
    ///
    /// # Panics
    /// When it is not acknowledged.
    pub async fn subscribe(&mut self, channel: &str) {
        self.send_event("pusher:subscribe", json!({"channel": channel}))
            .await;
        let frame = self.expect("pusher_internal:subscription_succeeded").await;
        assert_eq!(frame["channel"], channel);
    }

    /// Joins a channel that takes the app's signature.
    ///
    /// # Panics
    /// When it is not acknowledged.
    pub async fn subscribe_private(&mut self, channel: &str) {
        let signature = hmac_hex("local-secret", &format!("{}:{channel}", self.socket_id));
        let data = json!({"channel": channel, "auth": format!("local-key:{signature}")});
        self.send_event("pusher:subscribe", data).await;
        let frame = self.expect("pusher_internal:subscription_succeeded").await;
        assert_eq!(frame["channel"], channel);
    }

    /// What a subscribe to a presence channel carries: signed by the app's server, for a user.
    #[must_use]
    pub fn presence(&self, channel: &str, user_id: &str) -> Value {
        let channel_data = json!({"user_id": user_id}).to_string();
        let signed = format!("{}:{channel}:{channel_data}", self.socket_id);
        let auth = format!("local-key:{}", hmac_hex("local-secret", &signed));
        json!({"channel": channel, "auth": auth, "channel_data": channel_data})
    }

    /// Joins a presence channel as a user, and gives who is there.
    ///
    /// # Panics
    /// When it is not acknowledged.
    pub async fn attend(&mut self, channel: &str, user_id: &str) -> Value {
        let data = self.presence(channel, user_id);
        self.send_event("pusher:subscribe", data).await;
        let frame = self.expect("pusher_internal:subscription_succeeded").await;
        inner(&frame)["presence"].clone()
    }

    /// Signs in.
    ///
    /// # Panics
    /// When the answer is anything else.
    pub async fn sign_in(&mut self, user_data: Value) {
        let user_data = user_data.to_string();
        let signed = format!("{}::user::{user_data}", self.socket_id);
        let auth = format!("local-key:{}", hmac_hex("local-secret", &signed));
        let data = json!({"auth": auth, "user_data": user_data});
        self.send_event("pusher:signin", data).await;
        self.expect("pusher:signin_success").await;
    }

    /// Makes sure that nothing was sent before now: asks, and takes the answer next.
    pub async fn nothing_came(&mut self) {
        self.send_event("pusher:ping", json!({})).await;
        self.expect("pusher:pong").await;
    }
}
