//! What fails on our side.

use std::error::Error as StdError;

/// Something that failed on our side. The caller is told a constant; the source is for the log.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// DynamoDB did not do what was asked, or its answer was lost: the write may have happened.
    #[error("the table failed: {operation}")]
    Table {
        /// Which operation of ours.
        operation: &'static str,
        /// What the client says.
        source: Box<dyn StdError + Send + Sync>,
        /// Whether DynamoDB refused for want of capacity, or because of a transaction that was under
        /// way: then it did nothing.
        throttled: bool,
    },
    /// A row does not have the shape that this code writes.
    #[error("a row cannot be read: {operation}")]
    Row {
        /// Which operation of ours.
        operation: &'static str,
        /// What is wrong with it.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// `@connections` could not be reached or answered what cannot be understood.
    #[error("@connections failed: {operation}")]
    Gateway {
        /// Which operation of ours.
        operation: &'static str,
        /// What the client says.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// Lambda did not take an invocation.
    #[error("the invocation failed")]
    Invoke(#[source] Box<dyn StdError + Send + Sync>),
    /// SQS did not take a message, or its answer was lost: the message may be in the queue.
    #[error("the message was not queued")]
    Queue(#[source] Box<dyn StdError + Send + Sync>),
    /// A message of a queue does not have the shape that this code writes.
    #[error("a queued task cannot be read")]
    Task(#[source] Box<dyn StdError + Send + Sync>),
    /// Secrets Manager did not give a secret, or what it gave cannot be read.
    #[error("a secret could not be read")]
    Secret(#[source] Box<dyn StdError + Send + Sync>),
    /// API Gateway refused posts for want of capacity for as long as they are repeated.
    #[error("@connections refuses posts")]
    Throttled,
    /// A delivery took longer than it may. It goes on where it was when it is handed out again.
    #[error("a delivery is not done yet")]
    Overdue,
    /// The operating system gave no random bytes.
    #[error("no random bytes")]
    Random(#[source] getrandom::Error),
    /// A client's row names a protocol that this version does not speak.
    #[error("a client speaks a protocol that is not known here")]
    Voice,
    /// A publication lost its serial to a reader as often as it may.
    #[error("no serial could be kept for a publication")]
    SerialLost,
}

/// Shown to callers in place of every [`Fault`].
pub const FAULT_MESSAGE: &str = "something failed on our side and it is not known whether the request was carried out; try again";

/// Shown when the table refused for want of capacity.
pub const BUSY_MESSAGE: &str =
    "too much at once for this channel or table; try again a little later";

impl Fault {
    /// Whether it was for want of capacity, so that coming back later is the cure.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        matches!(
            self,
            Self::Throttled
                | Self::Table {
                    throttled: true,
                    ..
                }
        )
    }
}
