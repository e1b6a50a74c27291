//! A message, and what SQS says of one.

use md5::{Digest as _, Md5};

/// The place of a message in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// The message group id.
    pub group: String,
    /// The deduplication id.
    pub deduplication: String,
    /// The sequence number, once it is in the queue.
    pub number: u64,
}

impl Ordered {
    /// The place of a message that is not in a queue yet.
    #[must_use]
    pub fn new(group: String, deduplication: String) -> Self {
        Self {
            group,
            deduplication,
            number: 0,
        }
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// Its body.
    pub body: String,
    /// When it was sent.
    pub sent_ms: u64,
    /// How often it was received.
    pub receives: u32,
    /// When it was received first.
    pub first_received_ms: Option<u64>,
    /// Its place, in a FIFO queue.
    pub ordered: Option<Ordered>,
}

impl Message {
    /// A message that was not received yet.
    #[must_use]
    pub fn new(id: String, body: String, sent_ms: u64) -> Self {
        Self {
            id,
            body,
            sent_ms,
            receives: 0,
            first_received_ms: None,
            ordered: None,
        }
    }
}

/// MD5 in lower-case hex, as SQS returns it.
#[must_use]
pub fn body_digest(body: &str) -> String {
    hex::encode(Md5::digest(body))
}

/// A sequence number as SQS returns it: 20 digits.
#[must_use]
pub fn sequence_number(number: u64) -> String {
    format!("{number:020}")
}
