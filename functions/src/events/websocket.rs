//! The events of API Gateway's WebSocket API, as far as the functions read them.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use shared::model::socket_id::ConnectionId;
use shared::model::time::UnixMillis;

/// An event of `$connect`, `$disconnect` or `$default`. No `Debug`: its query holds tokens.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebSocketEvent {
    /// What is known of the connection and the request.
    pub request_context: RequestContext,
    /// The decoded query, at `$connect` only.
    #[serde(default)]
    pub query_string_parameters: Option<HashMap<String, String>>,
    /// The headers, as the client wrote their names.
    #[serde(default)]
    pub headers: Option<HashMap<String, String>>,
    /// The text frame, at `$default` only.
    #[serde(default)]
    pub body: Option<String>,
}

/// The part of the request context that is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestContext {
    /// The connection.
    pub connection_id: ConnectionId,
    /// When it was opened.
    pub connected_at: UnixMillis,
    /// When this request came.
    pub request_time_epoch: UnixMillis,
}

impl WebSocketEvent {
    /// A header, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let mut headers = self.headers.as_ref()?.iter();
        let found = headers.find(|(written, _)| written.eq_ignore_ascii_case(name))?;
        Some(found.1.clone())
    }

    /// Takes a parameter out of the query.
    pub fn take_parameter(&mut self, name: &str) -> Option<String> {
        self.query_string_parameters.as_mut()?.remove(name)
    }
}

/// What API Gateway is answered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// 200 lets a `$connect` in.
    pub status_code: u16,
}

impl Answer {
    /// Success.
    pub const OK: Self = Self { status_code: 200 };
}
