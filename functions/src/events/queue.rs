//! The events of SQS, as far as the functions read them, and what SQS is answered.

use serde::{Deserialize, Serialize};
use shared::model::task::QueueMessage;
use shared::model::time::UnixMillis;

/// Some messages of a queue. No `Debug`: what they say is not for the log.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct QueueEvent {
    /// The messages.
    pub records: Vec<Record>,
}

/// A message.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    message_id: String,
    body: String,
    attributes: Attributes,
}

/// What the queue knows of a message.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attributes {
    /// Unix milliseconds.
    approximate_first_receive_timestamp: String,
    /// 1 for the first time.
    approximate_receive_count: String,
    /// In a queue that keeps an order.
    #[serde(default)]
    message_group_id: Option<String>,
}

impl QueueEvent {
    /// When the last of the messages was handed out first.
    #[must_use]
    pub fn received_at(&self) -> Option<UnixMillis> {
        let received_at = |record: &Record| {
            let text = &record.attributes.approximate_first_receive_timestamp;
            text.parse().ok().map(UnixMillis)
        };
        self.records.iter().filter_map(received_at).max()
    }

    /// The messages.
    #[must_use]
    pub fn messages(self) -> Vec<QueueMessage> {
        let message = |record: Record| QueueMessage {
            id: record.message_id,
            body: record.body,
            is_repeated: record.attributes.approximate_receive_count != "1",
            group: record.attributes.message_group_id,
        };
        self.records.into_iter().map(message).collect()
    }
}

/// Which of the messages are to be handed out again.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    batch_item_failures: Vec<Failure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

impl Answer {
    /// Those with these ids.
    #[must_use]
    pub fn failed(ids: Vec<String>) -> Self {
        let failure = |item_identifier| Failure { item_identifier };
        Self {
            batch_item_failures: ids.into_iter().map(failure).collect(),
        }
    }
}
