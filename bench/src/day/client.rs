//! The day's clients and servers. They count what passes between them and the system, because API Gateway
//! and CloudFront bill for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::prices::{Meter, SOCKET_MESSAGE_BYTES};
use super::used::Used;
use crate::runtime::Problem;
use crate::system::{APP_ID, APP_KEY, secret, signed};

/// What function URLs know the distribution in front of them by.
pub(crate) const ORIGIN_KEY: &str = "origin-key-of-a-day-that-nobody-lives-through";
/// What is published.
const EVENT: &str = "moved";
/// Characters of an event's data.
pub(crate) const DATA_CHARS: usize = 200;
/// How long anything awaited may take: large channels take a while, on a machine that is shared.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const GIGABYTE: f64 = 1_073_741_824.0;

type Connection = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What passed so far.
#[derive(Default)]
pub(crate) struct Traffic {
    socket_messages: AtomicU64,
    http_requests: AtomicU64,
    sockets: AtomicU64,
    front_requests: AtomicU64,
    bytes_out: AtomicU64,
    delivered: AtomicU64,
}

fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
}

#[expect(clippy::cast_precision_loss, reason = "a day has fewer")]
fn read(counter: &AtomicU64) -> f64 {
    counter.load(Ordering::Relaxed) as f64
}

impl Traffic {
    /// Copies of events that have arrived, over whatever way.
    pub(crate) fn delivered(&self) -> f64 {
        read(&self.delivered)
    }

    /// What is billed for it.
    pub(crate) fn used(&self) -> Used {
        Used::of(Meter::SocketMessages, read(&self.socket_messages))
            + Used::of(Meter::HttpRequests, read(&self.http_requests))
            + Used::of(Meter::FrontRequests, read(&self.front_requests))
            + Used::of(Meter::FrontFunctions, read(&self.sockets))
            + Used::of(Meter::FrontGigabytes, read(&self.bytes_out) / GIGABYTE)
    }

    fn message(&self, bytes: usize) {
        add(&self.socket_messages, bytes.div_ceil(SOCKET_MESSAGE_BYTES));
    }
}

/// The system as the outside sees it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Outside {
    base: String,
    http: reqwest::Client,
    pub(crate) traffic: Arc<Traffic>,
}

/// A frame, as far as the script looks at it.
#[derive(Deserialize)]
struct Frame {
    event: String,
    data: Option<Value>,
}

impl Outside {
    pub(crate) fn new(base: &str) -> Self {
        Self {
            base: base.to_owned(),
            http: reqwest::Client::new(),
            traffic: Arc::default(),
        }
    }

    /// Opens a socket and takes the greeting.
    pub(crate) async fn connect(&self) -> Result<Socket, Problem> {
        let base = self.base.replacen("http", "ws", 1);
        let url = format!("{base}/app/{APP_KEY}?protocol=7&client=js&version=8.4.0");
        let (connection, _) = tokio_tungstenite::connect_async(url).await?;
        add(&self.traffic.sockets, 1);
        add(&self.traffic.front_requests, 1);
        let (sink, stream) = connection.split();
        let (frames, received) = mpsc::unbounded_channel();
        tokio::spawn(receive(stream, frames, self.traffic.clone()));
        let mut socket = Socket {
            sink,
            received,
            traffic: self.traffic.clone(),
            socket_id: String::new(),
        };
        let greeting = socket.expect("pusher:connection_established").await?;
        let data = greeting.as_ref().and_then(Value::as_str);
        let data: Value = serde_json::from_str(data.ok_or("a greeting without data")?)?;
        let socket_id = data["socket_id"]
            .as_str()
            .ok_or("a greeting without an id")?;
        socket_id.clone_into(&mut socket.socket_id);
        Ok(socket)
    }

    /// Publishes an event to a channel, as an app's server does.
    pub(crate) async fn publish(&self, channel: &str) -> Result<(), Problem> {
        let path = format!("/apps/{APP_ID}/events");
        let data = "x".repeat(DATA_CHARS);
        let body = json!({"name": EVENT, "channel": channel, "data": data}).to_string();
        let url = format!("{}{}", self.base, signed(&path, &body)?);
        let request = self
            .http
            .post(url)
            .header("content-type", "application/json");
        self.through_http_api(request.body(body)).await?;
        Ok(())
    }

    /// Polls a channel once. Gives what to send back, and when to come again.
    pub(crate) async fn poll(
        &self,
        channel: &str,
        after: Option<&str>,
    ) -> Result<(String, Duration), Problem> {
        let after = after.map(|after| format!("&after={after}"));
        let after = after.unwrap_or_default();
        let url = format!("{}/status/{APP_KEY}?channels={channel}{after}", self.base);
        let (answer, retry_after) = self.through_http_api(self.http.get(url)).await?;
        let answer: Value = serde_json::from_str(&answer)?;
        let events = answer["events"].as_array().map_or(0, Vec::len);
        add(&self.traffic.delivered, events);
        let after = answer["after"]
            .as_str()
            .ok_or("an answer without `after`")?;
        Ok((after.to_owned(), retry_after))
    }

    async fn through_http_api(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<(String, Duration), Problem> {
        let answer = request.send().await?;
        let status = answer.status();
        let retry_after = answer.headers().get("retry-after");
        let secs = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        let text = answer.text().await?;
        add(&self.traffic.http_requests, 1);
        add(&self.traffic.front_requests, 1);
        add(&self.traffic.bytes_out, text.len());
        if status.is_success() {
            Ok((text, Duration::from_secs(secs.unwrap_or(1))))
        } else {
            Err(format!("{status}: {text}").into())
        }
    }

    /// Reads a stream of a channel until it ends. `begun` is told once it is connected.
    pub(crate) async fn stream(
        &self,
        channel: &str,
        begun: mpsc::UnboundedSender<()>,
    ) -> Result<(), Problem> {
        let url = format!("{}/stream/{APP_KEY}?channels={channel}", self.base);
        let request = self.http.get(url).header("x-origin-key", ORIGIN_KEY);
        let mut answer = request.send().await?.error_for_status()?;
        add(&self.traffic.front_requests, 1);
        let mut unread = String::new();
        while let Some(chunk) = answer.chunk().await? {
            add(&self.traffic.bytes_out, chunk.len());
            unread.push_str(std::str::from_utf8(&chunk)?);
            while let Some((block, rest)) = unread.split_once("\n\n") {
                let data = block.lines().find_map(|line| line.strip_prefix("data: "));
                if let Some(data) = data {
                    let message: Value = serde_json::from_str(data)?;
                    if message["type"] == EVENT {
                        add(&self.traffic.delivered, 1);
                    } else if message["type"] == "connected" {
                        // Who waits for it may have given up.
                        let _ = begun.send(());
                    }
                }
                unread = rest.to_owned();
            }
        }
        Ok(())
    }
}

/// Takes what comes to a socket until it ends: counts it, and hands on what is no event of an app's.
async fn receive(
    mut stream: SplitStream<Connection>,
    frames: mpsc::UnboundedSender<Frame>,
    traffic: Arc<Traffic>,
) {
    while let Some(Ok(message)) = stream.next().await {
        let Message::Text(text) = message else {
            continue;
        };
        traffic.message(text.len());
        add(&traffic.bytes_out, text.len());
        match serde_json::from_str::<Frame>(&text) {
            Ok(frame) if frame.event == EVENT => add(&traffic.delivered, 1),
            Ok(frame) => drop(frames.send(frame)),
            Err(_) => return,
        }
    }
}

/// A connected socket.
pub(crate) struct Socket {
    sink: SplitSink<Connection, Message>,
    received: mpsc::UnboundedReceiver<Frame>,
    traffic: Arc<Traffic>,
    socket_id: String,
}

impl Socket {
    async fn send(&mut self, event: &str, data: &Value) -> Result<(), Problem> {
        let text = json!({"event": event, "data": data}).to_string();
        self.traffic.message(text.len());
        self.sink.send(Message::text(text)).await?;
        Ok(())
    }

    /// The data of the next frame that is this event; others are passed over.
    async fn expect(&mut self, event: &str) -> Result<Option<Value>, Problem> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.received.recv()).await;
            let frame = next.map_err(|_| format!("no {event} comes"))?;
            let frame = frame.ok_or_else(|| format!("the socket ended before {event}"))?;
            if frame.event == event {
                return Ok(frame.data);
            }
            if frame.event == "pusher:error" {
                return Err(format!("{:?} instead of {event}", frame.data).into());
            }
        }
    }

    /// Joins a channel that is anybody's.
    pub(crate) async fn subscribe(&mut self, channel: &str) -> Result<(), Problem> {
        self.join(&json!({"channel": channel})).await
    }

    /// Joins a presence channel as a user of its own.
    pub(crate) async fn attend(&mut self, channel: &str) -> Result<(), Problem> {
        let user = json!({"user_id": self.socket_id}).to_string();
        let signed = format!("{}:{channel}:{user}", self.socket_id);
        let auth = format!("{APP_KEY}:{}", secret().sign(signed.as_bytes()));
        self.join(&json!({"channel": channel, "auth": auth, "channel_data": user}))
            .await
    }

    async fn join(&mut self, data: &Value) -> Result<(), Problem> {
        self.send("pusher:subscribe", data).await?;
        self.expect("pusher_internal:subscription_succeeded")
            .await?;
        Ok(())
    }

    /// Says that it is there, as it does after two minutes of silence, and is answered.
    pub(crate) async fn ping(&mut self) -> Result<(), Problem> {
        self.send("pusher:ping", &json!({})).await?;
        self.expect("pusher:pong").await?;
        Ok(())
    }

    /// Ends as a client does that goes.
    pub(crate) async fn close(mut self) -> Result<(), Problem> {
        self.sink.close().await?;
        let ended = async { while self.received.recv().await.is_some() {} };
        tokio::time::timeout(PATIENCE, ended)
            .await
            .map_err(|_| "a socket does not end")?;
        Ok(())
    }
}
