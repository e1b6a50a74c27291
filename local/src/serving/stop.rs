//! How every task learns that the system stops, and how the system learns that all have ended.

use tokio::sync::{mpsc, watch};

/// Tells that the system stops. Held by everything that runs, so that the end of the last one is
/// seen, too.
#[derive(Clone)]
pub struct Stop {
    stopping: watch::Receiver<bool>,
    _alive: mpsc::Sender<()>,
}

/// What stops the system, and learns when everything has ended.
pub struct Stopper {
    stopping: watch::Sender<bool>,
    ended: mpsc::Receiver<()>,
}

impl Stopper {
    /// Tells everything to stop, and waits until it has.
    pub async fn stop(mut self) {
        let _ = self.stopping.send(true);
        // Nothing is ever sent: it ends with the last one that holds the other side.
        let _ = self.ended.recv().await;
    }
}

impl Stop {
    /// A new pair.
    #[must_use]
    pub fn new() -> (Stopper, Self) {
        let (stopping, stop) = watch::channel(false);
        let (alive, ended) = mpsc::channel(1);
        let stop = Self {
            stopping: stop,
            _alive: alive,
        };
        (Stopper { stopping, ended }, stop)
    }

    /// Waits until the system stops.
    pub async fn stopped(&mut self) {
        // An error means that the system is no more.
        let _ = self.stopping.wait_for(|stopping| *stopping).await;
    }
}
