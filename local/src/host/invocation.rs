//! What goes into an invocation, what comes out of it, and what an environment says on the way.

use bytes::Bytes;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

/// A part of a response that comes bit by bit; an error where its function ended in the middle.
pub type Chunk = Result<Bytes, Broken>;

/// A response ended before it was whole.
#[derive(Clone, Copy, Debug)]
pub struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the function ended in the middle of its response")
    }
}

impl std::error::Error for Broken {}

/// A response as it begins: all of it, or its first bit with more to come.
#[derive(Debug)]
pub enum FunctionResponse {
    /// All of it, or why there is none.
    Whole(Outcome),
    /// Chunks, as the function sends them.
    Stream(mpsc::Receiver<Chunk>),
}

/// Lambda's error object.
#[must_use]
pub fn error_body(error_type: &str, message: &str) -> Bytes {
    json!({ "errorType": error_type, "errorMessage": message })
        .to_string()
        .into()
}

/// What an invocation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The function's response.
    Answered(Bytes),
    /// The function failed: its error as JSON, as the Invoke API shows it.
    Failed(Bytes),
    /// No environment, and too many waiting already.
    Throttled,
}

/// An invocation that waits to be run.
pub struct Job {
    /// Names it, in the event's headers and in the log.
    pub request_id: String,
    /// The event.
    pub payload: Bytes,
    /// Who wants to know.
    pub reply: oneshot::Sender<FunctionResponse>,
}

/// What an environment says.
#[derive(Debug)]
pub enum RuntimeCall {
    /// It is ready for an invocation.
    Next(oneshot::Sender<Invocation>),
    /// The response to one.
    Response {
        /// Which.
        request_id: String,
        /// The response.
        body: FunctionResponse,
    },
    /// One has failed.
    Error {
        /// Which.
        request_id: String,
        /// Lambda's error object.
        body: Bytes,
    },
    /// It cannot start.
    InitError(Bytes),
    /// Not its own word: it is to be killed.
    Kill,
}

/// An invocation on its way into an environment.
#[derive(Debug)]
pub struct Invocation {
    /// Names it.
    pub request_id: String,
    /// When its time is up, in unix milliseconds.
    pub deadline_ms: u128,
    /// The function's name in full.
    pub arn: String,
    /// The event.
    pub payload: Bytes,
}
