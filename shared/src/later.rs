//! Doing what was left to be done later.

use std::collections::HashMap;

use futures_util::{StreamExt as _, stream};

use crate::aws::Services;
use crate::aws::table::ChannelKey;
use crate::error::{Fault, chain};
use crate::limits::TABLE_CONCURRENCY;
use crate::subscription_count;
use crate::task::Task;
use crate::time::UnixMillis;

/// A message of the queue.
#[derive(Debug)]
pub struct Message {
    /// The queue's name for it.
    pub id: String,
    /// What it says.
    pub body: String,
}

/// Does what messages ask for, what several ask for once, and gives the ids of those that have
/// failed: they are handed out again.
pub async fn perform_all(
    services: &Services,
    messages: Vec<Message>,
    now: UnixMillis,
) -> Vec<String> {
    let mut failed = Vec::new();
    let mut asked: HashMap<Task, Vec<String>> = HashMap::new();
    for Message { id, body } in messages {
        match Task::parse(&body) {
            Ok(task) => asked.entry(task).or_default().push(id),
            Err(fault) => {
                tracing::error!(
                    message_id = id,
                    error_type = fault.error_type(),
                    error = chain(&fault),
                    "not understood"
                );
                failed.push(id);
            }
        }
    }
    let done: Vec<Vec<String>> = stream::iter(asked)
        .map(|(task, ids)| async move {
            match perform(services, &task, now).await {
                Ok(()) => Vec::new(),
                Err(fault) => {
                    tracing::error!(message_ids = ?ids, error_type = fault.error_type(), error = chain(&fault), "not done");
                    ids
                }
            }
        })
        .buffer_unordered(TABLE_CONCURRENCY)
        .collect()
        .await;
    services.tell_webhooks().await;
    failed.extend(done.into_iter().flatten());
    failed
}

async fn perform(services: &Services, task: &Task, now: UnixMillis) -> Result<(), Fault> {
    match task {
        Task::SubscriptionCount {
            app_id,
            channel,
            put_off,
        } => {
            let of = ChannelKey::new(app_id, channel);
            subscription_count::announce(services, &of, put_off.as_deref(), now).await
        }
    }
}
