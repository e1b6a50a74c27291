//! The open sockets, and how a post or a close reaches one. A socket is listed once its upgrade is
//! done: until then a post finds nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Frames that may wait for a slow client.
const OUTGOING_MAX_FRAMES: usize = 1_024;
/// Bytes that may wait for a slow client.
const OUTGOING_MAX_BYTES: usize = 1_048_576;
/// Random bytes in a connection id. With padding it is then as long as API Gateway's.
const ID_BYTES: usize = 11;

/// A new connection id: 15 characters of base64 and `=`.
#[must_use]
pub fn new_id() -> String {
    let mut bytes = [0; ID_BYTES];
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    URL_SAFE.encode(bytes)
}

/// Whether an id has the form of one. Another gets 400, not 410.
#[must_use]
pub fn is_id(text: &str) -> bool {
    URL_SAFE
        .decode(text)
        .is_ok_and(|bytes| bytes.len() == ID_BYTES)
}

/// What became of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It will be sent.
    Queued,
    /// There is no such connection.
    Gone,
    /// The client takes nothing in.
    Full,
}

/// Who is at the other end.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub source_ip: String,
    /// What it calls itself.
    pub user_agent: String,
    /// When it came, in unix milliseconds.
    pub connected_at_ms: u64,
}

/// The way to one open socket.
#[derive(Clone)]
pub struct Handle {
    frames: mpsc::Sender<Utf8Bytes>,
    waiting_bytes: Arc<AtomicUsize>,
    closing: watch::Sender<bool>,
    last_active_ms: Arc<AtomicU64>,
    /// Who is at the other end.
    pub peer: Arc<Peer>,
}

/// The socket's end of a [`Handle`].
pub struct Outgoing {
    /// What is to be sent.
    pub frames: mpsc::Receiver<Utf8Bytes>,
    /// Whether it is to be closed after that.
    pub closing: watch::Receiver<bool>,
    waiting_bytes: Arc<AtomicUsize>,
    last_active_ms: Arc<AtomicU64>,
}

impl Outgoing {
    /// Notes that a frame was sent.
    pub fn sent(&self, bytes: usize) {
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The time of the last traffic, either way.
    #[must_use]
    pub fn last_active(&self) -> Arc<AtomicU64> {
        self.last_active_ms.clone()
    }
}

impl Handle {
    /// A new pair.
    #[must_use]
    pub fn new(peer: Peer) -> (Self, Outgoing) {
        let (frames, queued) = mpsc::channel(OUTGOING_MAX_FRAMES);
        let (closing, closed) = watch::channel(false);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let last_active_ms = Arc::new(AtomicU64::new(peer.connected_at_ms));
        let outgoing = Outgoing {
            frames: queued,
            closing: closed,
            waiting_bytes: waiting_bytes.clone(),
            last_active_ms: last_active_ms.clone(),
        };
        (
            Self {
                frames,
                waiting_bytes,
                closing,
                last_active_ms,
                peer: Arc::new(peer),
            },
            outgoing,
        )
    }

    /// When there was traffic last, in unix milliseconds.
    #[must_use]
    pub fn last_active_ms(&self) -> u64 {
        self.last_active_ms.load(Ordering::Relaxed)
    }

    fn post(&self, text: Utf8Bytes, now_ms: u64) -> Posted {
        let bytes = text.len();
        if self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > OUTGOING_MAX_BYTES {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Posted::Full;
        }
        match self.frames.try_send(text) {
            Ok(()) => {
                self.last_active_ms.store(now_ms, Ordering::Relaxed);
                Posted::Queued
            }
            Err(error) => {
                self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
                if matches!(error, mpsc::error::TrySendError::Full(_)) {
                    Posted::Full
                } else {
                    Posted::Gone
                }
            }
        }
    }
}

/// All open sockets.
#[derive(Default)]
pub struct Connections(RwLock<HashMap<String, Handle>>);

impl Connections {
    /// Makes a socket known.
    pub fn insert(&self, id: String, handle: Handle) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, handle);
    }

    /// Forgets a socket.
    pub fn remove(&self, id: &str) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
    }

    /// The way to a socket.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Handle> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }

    /// Queues a frame for a socket.
    #[must_use]
    pub fn post(&self, id: &str, text: Utf8Bytes, now_ms: u64) -> Posted {
        let sockets = self.0.read().unwrap_or_else(PoisonError::into_inner);
        sockets
            .get(id)
            .map_or(Posted::Gone, |handle| handle.post(text, now_ms))
    }

    /// Has a socket closed once what is queued is sent. `false`: there is none.
    #[must_use]
    pub fn close(&self, id: &str) -> bool {
        // From now on it is gone for whoever posts.
        let handle = self
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
        handle.is_some_and(|handle| handle.closing.send(true).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> Peer {
        Peer {
            source_ip: "127.0.0.1".to_owned(),
            user_agent: String::new(),
            connected_at_ms: 0,
        }
    }

    #[test]
    fn an_id_has_the_form_of_api_gateways() {
        let id = new_id();
        assert_eq!((id.len(), id.ends_with('=')), (16, true));
        assert!(is_id(&id) && is_id("L0SM9cOFvHcCIhw="));
        assert!(!is_id("") && !is_id("L0SM9cOFvHcCIhw") && !is_id("1234.5678"));
    }

    #[test]
    fn a_slow_client_is_full_by_frames_or_by_bytes() {
        let connections = Connections::default();
        let (handle, mut outgoing) = Handle::new(peer());
        connections.insert("a".to_owned(), handle);
        for _ in 0..OUTGOING_MAX_FRAMES {
            assert_eq!(connections.post("a", "x".into(), 7), Posted::Queued);
        }
        assert_eq!(connections.post("a", "x".into(), 7), Posted::Full);
        assert_eq!(outgoing.frames.try_recv().expect("a frame").as_str(), "x");
        outgoing.sent(1);
        assert_eq!(
            connections.post("a", "x".repeat(OUTGOING_MAX_BYTES).into(), 7),
            Posted::Full
        );
        assert_eq!(connections.post("a", "x".into(), 7), Posted::Queued);
        assert_eq!(connections.post("b", "x".into(), 7), Posted::Gone);
        assert!(connections.close("a") && !connections.close("a"));
    }
}
