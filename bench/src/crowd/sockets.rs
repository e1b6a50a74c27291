//! A socket that joins a channel and counts the events that it receives.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::runtime::Problem;
use crate::system::APP_KEY;

/// Bytes that each socket reads at once: what it receives is short, and there are thousands.
const READ_BYTES: usize = 4_096;
/// How long it is waited before it is looked again whether all is there.
const LOOK: Duration = Duration::from_millis(2);

/// What all sockets have received.
#[derive(Default)]
pub(super) struct Received {
    events: AtomicUsize,
    last: Mutex<Option<Instant>>,
}

impl Received {
    fn add(&self) {
        let now = Instant::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(now);
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits for so many events since the start, and answers when the last of them came.
    pub(super) async fn all(
        &self,
        expected: usize,
        patience: Duration,
    ) -> Result<Instant, Problem> {
        let began = Instant::now();
        while self.events.load(Ordering::Relaxed) < expected {
            if began.elapsed() > patience {
                let came = self.events.load(Ordering::Relaxed);
                return Err(format!("{came} of {expected} events came").into());
            }
            tokio::time::sleep(LOOK).await;
        }
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(last.ok_or("nothing was received")?)
    }

    /// That nobody got anything twice.
    pub(super) fn exactly(&self, expected: usize) -> Result<(), Problem> {
        let came = self.events.load(Ordering::Relaxed);
        if came == expected {
            Ok(())
        } else {
            Err(format!("{came} events came, and {expected} were due").into())
        }
    }
}

/// A socket on a channel.
pub(super) struct CountingSocket(WebSocketStream<TcpStream>);

impl CountingSocket {
    /// Connects, and joins a channel as pusher-js does.
    pub(super) async fn join(base: &str, channel: String) -> Result<Self, Problem> {
        let address = base.strip_prefix("http://").ok_or("no such base")?;
        let url = format!("ws://{address}/app/{APP_KEY}?protocol=7&client=bench&version=1");
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let config = WebSocketConfig::default().read_buffer_size(READ_BYTES);
        let (stream, _) = tokio_tungstenite::client_async_with_config(
            url.into_client_request()?,
            tcp,
            Some(config),
        )
        .await?;
        let mut socket = Self(stream);
        socket.expect("pusher:connection_established").await?;
        let subscribe = json!({ "event": "pusher:subscribe", "data": { "channel": channel } });
        socket.0.send(Message::text(subscribe.to_string())).await?;
        socket
            .expect("pusher_internal:subscription_succeeded")
            .await?;
        Ok(socket)
    }

    /// The name of the next frame's event; `None` at the end.
    async fn event(&mut self) -> Option<String> {
        loop {
            if let Message::Text(text) = self.0.next().await?.ok()? {
                let frame: Value = serde_json::from_str(&text).ok()?;
                return Some(frame["event"].as_str()?.to_owned());
            }
        }
    }

    async fn expect(&mut self, expected: &str) -> Result<(), Problem> {
        match self.event().await {
            Some(event) if event == expected => Ok(()),
            other => Err(format!("{other:?} came in place of {expected}").into()),
        }
    }

    /// Counts what is published, until the end.
    pub(super) async fn read(mut self, received: Arc<Received>) {
        while let Some(event) = self.event().await {
            if event == "tick" {
                received.add();
            }
        }
    }
}
