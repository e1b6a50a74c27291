//! What goes wrong, in two families: [`Rejection`] is the caller's fault and is told to the
//! caller; [`Fault`] is ours and is told to the log.

mod kind;
mod rejection;
mod status;

use std::error::Error as StdError;

pub use self::kind::ErrorType;
pub use self::rejection::Rejection;

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
            Self::Table {
                throttled: true,
                ..
            }
        )
    }
}

/// Either family.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Ours.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// An error and everything that caused it, on one line, for the log. What a parser says of a value is
/// said without the value, which may be anybody's payload.
#[must_use]
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut line = said(error);
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&said(cause));
        source = cause.source();
    }
    line
}

fn said(error: &(dyn StdError + 'static)) -> String {
    if let Some(error) = error.downcast_ref::<serde_json::Error>() {
        return unreadable(error);
    }
    if error.is::<serde_dynamo::Error>() {
        return without_values(&error.to_string());
    }
    error.to_string()
}

/// What is wrong with JSON and where, without repeating any of it.
#[must_use]
pub fn unreadable(error: &serde_json::Error) -> String {
    let problem = without_values(&error.to_string());
    format!(
        "{problem} (line {}, column {})",
        error.line(),
        error.column()
    )
}

/// What a parser says up to the first thing that it repeats. A field that is missing is ours.
fn without_values(problem: &str) -> String {
    let ours = problem.starts_with("missing field");
    let is_quote = |character| character == '"' || (character == '`' && !ours);
    match problem.find(is_quote) {
        Some(at) => format!("{}…", &problem[..at]),
        None => problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_names_every_cause_and_repeats_no_value() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "it is never made")]
        struct Shape {
            count: u64,
        }
        let line = |text: &str| {
            let source = serde_json::from_str::<Shape>(text).expect_err(text);
            chain(&Fault::Task(source.into()))
        };
        for text in [
            r#"{"count":"s3cret"}"#,
            r#"{"count":1,"s3cret"}"#,
            r#"["s3cret"]"#,
            r#""s3cret""#,
        ] {
            let line = line(text);
            assert!(line.starts_with("a queued task cannot be read: "), "{line}");
            assert!(!line.contains("s3cret"), "{line}");
        }
        assert!(line("{}").contains("missing field `count`"));
        assert!(line(r#"{"count":"s3cret"}"#).contains("line 1, column 17"));
    }
}
