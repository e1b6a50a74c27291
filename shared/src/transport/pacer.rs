//! Waiting for one's turn.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::config::Config;
use crate::model::pace::Pace;

/// What the posts of a worker are paced by, so that all workers together stay below what API Gateway
/// takes from the account.
#[derive(Debug)]
pub struct Pacer {
    started: Instant,
    pace: Mutex<Pace>,
}

impl Pacer {
    /// A worker's share.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            started: Instant::now(),
            pace: Mutex::new(Pace::new(config.large_channels.worker_posts_per_second)),
        }
    }

    /// Waits until it is this post's turn.
    pub(crate) async fn turn(&self) {
        let now_micros = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let wait_micros = {
            let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            pace.take(now_micros)
        };
        if wait_micros > 0 {
            sleep(Duration::from_micros(wait_micros)).await;
        }
    }
}
