//! A connection of the WebSocket API: `$default` for each message, `$disconnect` once at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use uuid::Uuid;

use super::connections::{Handle, Outgoing, Peer};
use super::state::Gateway;
use crate::events::websocket::ConnectionContext;
use crate::faults::rules::SocketEvent;
use crate::host::invocation::Outcome;
use crate::time::Time;

/// API Gateway's limits.
const MESSAGE_MAX_BYTES: usize = 131_072;
const FRAME_MAX_BYTES: usize = 32_768;
/// Bytes that are read at once, and held ready by each socket: there may be twenty thousand.
const READ_BYTES: usize = 4_096;
/// Messages of one connection that are worked on at once; then it is read no further.
const IN_FLIGHT_MAX: usize = 64;
/// Frames that are written before they are flushed together.
const BATCH_FRAMES: usize = 64;
/// How long the other end has to take in a close frame and to answer it.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

type Stream = WebSocketStream<TokioIo<Upgraded>>;

pub(crate) fn request_id() -> String {
    Uuid::now_v7().to_string()
}

/// How a connection ended, in the words of `$disconnect`.
struct Ended {
    code: u16,
    reason: String,
    /// Whether the other end still has to be told.
    tell: bool,
}

impl Ended {
    fn told(code: CloseCode, reason: &str) -> Self {
        Self {
            code: code.into(),
            reason: reason.to_owned(),
            tell: true,
        }
    }

    fn by_client(code: u16, reason: &str) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
            tell: false,
        }
    }

    fn abnormally() -> Self {
        Self::by_client(1006, "Connection closed abnormally")
    }
}

/// Runs a connection from its upgrade to its `$disconnect`.
pub(crate) async fn run(gateway: &Gateway, context: &Arc<ConnectionContext>, upgraded: OnUpgrade) {
    let ended = match upgraded.await {
        Ok(io) => {
            let config = WebSocketConfig::default()
                .read_buffer_size(READ_BYTES)
                .max_message_size(Some(MESSAGE_MAX_BYTES))
                .max_frame_size(Some(FRAME_MAX_BYTES));
            let stream =
                WebSocketStream::from_raw_socket(TokioIo::new(io), Role::Server, Some(config))
                    .await;
            converse(gateway, context, stream).await
        }
        Err(_) => Ended::abnormally(),
    };
    disconnect(gateway, context, &ended).await;
}

/// The `$disconnect` of a client that has left without a word.
pub(crate) async fn abandon(gateway: &Gateway, context: &ConnectionContext) {
    disconnect(gateway, context, &Ended::abnormally()).await;
}

async fn disconnect(gateway: &Gateway, context: &ConnectionContext, ended: &Ended) {
    let event = context.disconnect(&request_id(), Time::now(), ended.code, &ended.reason);
    gateway.disconnect(&context.id, &event).await;
}

async fn converse(gateway: &Gateway, context: &Arc<ConnectionContext>, stream: Stream) -> Ended {
    let (mut sink, mut source) = stream.split();
    let peer = Peer {
        source_ip: context.source_ip.clone(),
        user_agent: context.user_agent.clone(),
        connected_at_ms: context.connected_at.epoch_ms,
    };
    let (handle, mut outgoing) = Handle::new(peer);
    let last_active = outgoing.last_active();
    gateway.connections.insert(context.id.clone(), handle);
    let mut stop = gateway.stop.clone();
    let ended = tokio::select! {
        ended = read(gateway, context, &mut source, &last_active) => ended,
        ended = write(&mut sink, &mut outgoing) => ended,
        ended = expire(gateway, &last_active) => ended,
        () = stop.stopped() => Ended::told(CloseCode::Away, "Going away"),
    };
    gateway.connections.remove(&context.id);
    // A client that takes nothing in cannot hold this up.
    let _ = timeout(
        CLOSE_PATIENCE,
        say_goodbye(sink, source, &mut outgoing, &ended),
    )
    .await;
    ended
}

/// Hands each message on, without waiting for the one before: API Gateway does not, either.
async fn read(
    gateway: &Gateway,
    context: &Arc<ConnectionContext>,
    source: &mut SplitStream<Stream>,
    last_active: &AtomicU64,
) -> Ended {
    let room = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    loop {
        let turn = room
            .clone()
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let next = source.next().await;
        let at = Time::now();
        last_active.store(at.epoch_ms, Ordering::Relaxed);
        match next {
            Some(Ok(Message::Text(text))) => {
                let (gateway, context) = (gateway.clone(), context.clone());
                tokio::spawn(async move {
                    deliver(&gateway, &context, at, &text).await;
                    drop(turn);
                });
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Binary(_))) => {
                return Ended::told(CloseCode::Unsupported, "Binary is not supported");
            }
            Some(Ok(Message::Close(None))) => {
                return Ended::by_client(1005, "Client-side close frame status not set");
            }
            Some(Ok(Message::Close(Some(frame)))) => {
                return Ended::by_client(frame.code.into(), &frame.reason);
            }
            Some(Err(Error::Capacity(_))) => {
                return Ended::told(CloseCode::Size, "Message too big");
            }
            Some(Err(Error::Utf8(_))) => return Ended::told(CloseCode::Invalid, "Not UTF-8"),
            Some(Err(Error::Protocol(
                tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            )))
            | None => return Ended::abnormally(),
            Some(Err(Error::Protocol(_))) => {
                return Ended::told(CloseCode::Protocol, "Protocol error");
            }
            Some(Err(_)) => return Ended::abnormally(),
        }
    }
}

/// Hands one message to the function. Of its failure the client learns in API Gateway's words.
async fn deliver(gateway: &Gateway, context: &ConnectionContext, at: Time, text: &str) {
    let request_id = request_id();
    let event = context.message(&request_id, at, text);
    let invoked = gateway.invoke(SocketEvent::Message, &context.id, &event);
    let said = match invoked.await {
        Some(Outcome::Answered(_)) | None => return,
        Some(Outcome::Failed(_)) => "Internal server error",
        Some(Outcome::Throttled) => "Too Many Requests",
    };
    let frame =
        json!({ "message": said, "connectionId": context.id, "requestId": request_id }).to_string();
    // A client that is gone or full does not miss it.
    let _ = gateway
        .connections
        .post(&context.id, frame.into(), at.epoch_ms);
}

/// Writes what is posted, as much as there is before each flush, until it is told to close.
async fn write(sink: &mut SplitSink<Stream, Message>, outgoing: &mut Outgoing) -> Ended {
    loop {
        let first = tokio::select! {
            biased;
            frame = outgoing.frames.recv() => frame,
            // Only ever closed by DeleteConnection: the handle lives as long as this does.
            _ = outgoing.closing.wait_for(|closing| *closing) => None,
        };
        let Some(first) = first else {
            return Ended::told(CloseCode::Normal, "Connection Closed Normally");
        };
        if let Err(ended) = send(sink, outgoing, first).await {
            return ended;
        }
    }
}

/// Sends a frame and those that wait behind it.
async fn send(
    sink: &mut SplitSink<Stream, Message>,
    outgoing: &mut Outgoing,
    first: Utf8Bytes,
) -> Result<(), Ended> {
    let broken = |_| Ended::abnormally();
    let mut next = Some(first);
    for _ in 0..BATCH_FRAMES {
        let Some(frame) = next else { break };
        let bytes = frame.len();
        sink.feed(Message::Text(frame)).await.map_err(broken)?;
        outgoing.sent(bytes);
        next = outgoing.frames.try_recv().ok();
    }
    if let Some(frame) = next {
        let bytes = frame.len();
        sink.feed(Message::Text(frame)).await.map_err(broken)?;
        outgoing.sent(bytes);
    }
    sink.flush().await.map_err(broken)
}

/// Waits for the end of a connection's time.
async fn expire(gateway: &Gateway, last_active: &AtomicU64) -> Ended {
    let limits = gateway.limits;
    let oldest = Instant::now() + limits.age;
    loop {
        let silent = Duration::from_millis(
            Time::now()
                .epoch_ms
                .saturating_sub(last_active.load(Ordering::Relaxed)),
        );
        if Instant::now() >= oldest {
            return Ended::told(CloseCode::Away, "Going away");
        }
        let Some(left) = limits
            .idle
            .checked_sub(silent)
            .filter(|left| !left.is_zero())
        else {
            return Ended::told(CloseCode::Away, "Going away");
        };
        sleep_until(oldest.min(Instant::now() + left)).await;
    }
}

/// Sends what is still queued and a close frame, and reads on until the other end has closed: to
/// drop a connection with unread bytes would reset it, and the close frame with it.
async fn say_goodbye(
    mut sink: SplitSink<Stream, Message>,
    source: SplitStream<Stream>,
    outgoing: &mut Outgoing,
    ended: &Ended,
) {
    if ended.tell {
        while let Ok(frame) = outgoing.frames.try_recv() {
            if sink.feed(Message::Text(frame)).await.is_err() {
                return;
            }
        }
        let frame = CloseFrame {
            code: ended.code.into(),
            reason: ended.reason.clone().into(),
        };
        if sink.send(Message::Close(Some(frame))).await.is_err() {
            return;
        }
    } else {
        // Answers the client's own close frame, which is queued already. It was the client's last,
        // and the client waits for the connection to end.
        let _ = sink.flush().await;
        return;
    }
    let Ok(mut stream) = sink.reunite(source) else {
        return;
    };
    let mut rest = [0; 4_096];
    while let Ok(1..) = stream.get_mut().read(&mut rest).await {}
}
