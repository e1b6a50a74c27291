//! How far a long task has come, published to a channel that keeps its last event, so that a page that
//! opens late sees it at once.
//!
//! ```no_run
//! # async fn task() -> Result<(), progress::Error> {
//! let app = progress::App {
//!     url: "http://127.0.0.1:6001".to_owned(),
//!     id: "1001".to_owned(),
//!     key: "local-key".to_owned(),
//!     secret: "local-secret".to_owned(),
//! };
//! let progress = progress::Progress::new(app, "cache-task-7")?;
//! for percent in 0..=100 {
//!     progress.set(percent);
//! }
//! progress.complete().await
//! # }
//! ```
//!
//! Whoever reads the channel gets `progress` events with `{"value": 30}` as their data, and at the end
//! `complete` or `failed`. However often a task says how far it has come, it is published at most four
//! times a second, and the last word counts.

mod publishing;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

pub use crate::publishing::{App, Error};
use crate::publishing::{Publishing, must_keep};

/// The least time between two events that say how far the task has come.
const PAUSE: Duration = Duration::from_millis(250);

/// A task's progress. It publishes in the background; dropped without a last word, it has failed.
pub struct Progress {
    value: watch::Sender<Option<Value>>,
    /// The last word, and whoever waits for it to be published.
    last: mpsc::Sender<(Last, oneshot::Sender<Result<(), Error>>)>,
}

/// How a task ends.
enum Last {
    Complete,
    Failed(String),
}

impl Progress {
    /// The progress of a task on a channel that keeps its last event: its name begins with `cache-`,
    /// `private-cache-` or `presence-cache-`. It needs a runtime of tokio to publish in.
    ///
    /// # Errors
    /// [`Error::Channel`]: the channel keeps nothing, so that a page that opens late would see nothing.
    pub fn new(app: App, channel: &str) -> Result<Self, Error> {
        must_keep(channel)?;
        let publishing = Publishing::new(app, channel);
        let (value, values) = watch::channel(None);
        let (last, lasts) = mpsc::channel(1);
        tokio::spawn(run(publishing, values, lasts));
        Ok(Self { value, last })
    }

    /// Says how far the task has come: what a `<progress>` shows, a number for one. It never waits, and
    /// what comes too fast is left out.
    pub fn set(&self, value: impl Into<Value>) {
        self.value.send_replace(Some(value.into()));
    }

    /// Says that the task is done, once how far it had come is published.
    ///
    /// # Errors
    /// [`Error`]: it may not be published.
    pub async fn complete(self) -> Result<(), Error> {
        self.end(Last::Complete).await
    }

    /// Says that the task has failed, and why, to everybody who may read the channel.
    ///
    /// # Errors
    /// [`Error`]: it may not be published.
    pub async fn fail(self, reason: &str) -> Result<(), Error> {
        self.end(Last::Failed(reason.to_owned())).await
    }

    async fn end(self, last: Last) -> Result<(), Error> {
        let (told, published) = oneshot::channel();
        if self.last.send((last, told)).await.is_err() {
            return Err(Error::Stopped);
        }
        published.await.unwrap_or(Err(Error::Stopped))
    }
}

async fn run(
    publishing: Publishing,
    mut values: watch::Receiver<Option<Value>>,
    mut lasts: mpsc::Receiver<(Last, oneshot::Sender<Result<(), Error>>)>,
) {
    let mut next_at = Instant::now();
    let mut said = None;
    let last = loop {
        let changed = async {
            // Without a task there is a last word to wait for, or its end.
            if values.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep_until(next_at).await;
        };
        tokio::select! {
            last = lasts.recv() => break last,
            () = changed => {}
        }
        next_at = Instant::now() + PAUSE;
        say(&publishing, &values, &mut said).await;
    };
    // What waited for its turn when the last word came.
    say(&publishing, &values, &mut said).await;
    let (name, data, told) = match last {
        Some((Last::Complete, told)) => ("complete", json!({}), Some(told)),
        Some((Last::Failed(reason), told)) => ("failed", json!({"reason": reason}), Some(told)),
        // It was dropped: its task has panicked, or was ended.
        None => (
            "failed",
            json!({"reason": "the task ended without a word"}),
            None,
        ),
    };
    let published = publishing.publish(name, &data).await;
    if let Some(told) = told {
        let _ = told.send(published);
    }
}

/// Publishes how far the task has come, unless that was the last thing to be published. One that is not
/// published does not matter: another one follows.
async fn say(
    publishing: &Publishing,
    values: &watch::Receiver<Option<Value>>,
    said: &mut Option<Value>,
) {
    let value = values.borrow().clone();
    if value == *said {
        return;
    }
    let data = json!({ "value": value });
    if publishing.publish("progress", &data).await.is_ok() {
        *said = value;
    }
}
