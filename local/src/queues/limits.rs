//! The limits of SQS, of a Lambda event, and of the memory here.

/// SQS's limit for a message, and for a batch of them.
pub(crate) const MESSAGE_MAX_BYTES: usize = 1_048_576;
/// SQS's limit for a delay.
pub(crate) const DELAY_MAX_SECS: u64 = 900;
/// SQS's limit for the entries of a batch.
pub(crate) const ENTRIES_MAX: usize = 10;
/// SQS's limit for an entry's id.
pub(crate) const ENTRY_ID_MAX_CHARS: usize = 80;
/// SQS's limit for the names of a group and of a message.
pub(crate) const ORDER_MAX_CHARS: usize = 128;
/// More than any valid request has: a byte of a message may be escaped as six.
pub(crate) const REQUEST_MAX_BYTES: usize = 6 * MESSAGE_MAX_BYTES + 65_536;
/// Bytes of the messages of one queue, dead ones aside.
pub(crate) const QUEUE_MAX_BYTES: usize = 256 * 1_024 * 1_024;
/// Bytes of the messages of one batch: Lambda's limit for an event.
pub(crate) const BATCH_MAX_BYTES: usize = 6 * 1_024 * 1_024;
/// Dead messages that are kept: the latest.
pub(crate) const DEAD_MAX: usize = 100;
