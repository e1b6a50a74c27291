//! What the calls of the HTTP API are answered.

use serde::Serialize;

/// What a call is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status: 200, or 202.
    pub status: u16,
    /// JSON.
    pub body: String,
}

impl Answer {
    /// A body as JSON, with a status.
    pub(crate) fn new(status: u16, body: &impl Serialize) -> Self {
        Self {
            status,
            body: serde_json::to_string(body).expect("strings and numbers always print"),
        }
    }

    /// The same with 200.
    pub(crate) fn ok(body: &impl Serialize) -> Self {
        Self::new(200, body)
    }
}
