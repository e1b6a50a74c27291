//! What webhooks are to be told, noted until the operation ends.

use std::sync::{Arc, Mutex, PoisonError};

use super::queue::Queue;
use crate::config::Config;
use crate::model::webhook::Happened;

/// What has happened in the operations that are under way, by the apps' ids. Cheap to clone.
#[derive(Clone)]
pub struct Noted {
    /// `None` in a function in which nothing happens.
    pub(super) queue: Option<Queue>,
    noted: Arc<Mutex<Vec<(String, Happened)>>>,
}

impl Noted {
    /// Nothing yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            queue: Queue::webhooks(config),
            noted: Arc::default(),
        }
    }

    pub(super) fn take(&self) -> Vec<(String, Happened)> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut noted)
    }

    /// Notes one thing more.
    pub(super) fn add(&self, app_id: &str, happened: Happened) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.push((app_id.to_owned(), happened));
    }
}
