//! Writing down what happens, as it happens, with one clock for everybody.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use super::history::{Entry, Micros, Reading, Step, What};

/// The pen. One for all.
pub(crate) struct Recorder {
    began: Instant,
    entries: Mutex<Vec<Entry>>,
    connections: AtomicU32,
    events: AtomicU32,
    calls: AtomicU32,
    readers: AtomicU32,
    /// What no log may hold: tokens, signatures, cursors.
    secrets: Mutex<Vec<String>>,
    /// Who was greeted last, by socket id.
    greeted: Mutex<Vec<String>>,
}

/// So many of those are kept.
const GREETED_MAX: usize = 8;

impl Recorder {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            entries: Mutex::default(),
            connections: AtomicU32::new(0),
            events: AtomicU32::new(0),
            calls: AtomicU32::new(0),
            readers: AtomicU32::new(0),
            secrets: Mutex::default(),
            greeted: Mutex::default(),
        }
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time since the beginning.
    pub(crate) fn now(&self) -> Micros {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Notes what has just happened, or is about to.
    pub(crate) fn note(&self, what: What) {
        // One after another, so that entries lie in the order of their times.
        let mut entries = self.entries();
        let at = self.now();
        entries.push(Entry { at, what });
    }

    pub(crate) fn step(&self, conn: u32, step: Step) {
        if let Step::Greeted { socket_id } = &step {
            let mut greeted = self.greeted.lock().unwrap_or_else(PoisonError::into_inner);
            greeted.push(socket_id.clone());
            let too_many = greeted.len().saturating_sub(GREETED_MAX);
            greeted.drain(..too_many);
        }
        self.note(What::Connection { conn, step });
    }

    pub(crate) fn reads(&self, reader: u32, step: Reading) {
        self.note(What::Reader { reader, step });
    }

    /// All of it so far.
    pub(crate) fn history(&self) -> Vec<Entry> {
        self.entries().clone()
    }

    pub(crate) fn new_connection(&self) -> u32 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn new_event(&self) -> u32 {
        self.events.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn new_call(&self) -> u32 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn new_reader(&self) -> u32 {
        self.readers.fetch_add(1, Ordering::Relaxed)
    }

    /// Those who were greeted last.
    pub(crate) fn greeted(&self) -> Vec<String> {
        self.greeted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes something that no log may hold.
    pub(crate) fn secret(&self, text: &str) {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.push(text.to_owned());
    }

    pub(crate) fn secrets(&self) -> Vec<String> {
        self.secrets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Unix seconds.
pub(crate) fn unix_secs() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
