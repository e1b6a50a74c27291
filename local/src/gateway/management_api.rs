//! `@connections`, through which functions send to sockets and close them. The path is hot: a
//! publication to a thousand sockets is a thousand requests here.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use http::StatusCode;
use serde_json::json;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::connections::{Connections, Posted, is_id};
use crate::serving::aws_error::AwsError;
use crate::serving::responses::{self, empty};
use crate::time::Time;

/// API Gateway's limit for a post.
const POST_MAX_BYTES: usize = 131_072;

/// The methods of one connection's path, which ends with its id.
pub(crate) fn methods(connections: Arc<Connections>) -> MethodRouter {
    post(post_to_connection)
        .get(get_connection)
        .delete(delete_connection)
        .layer(DefaultBodyLimit::max(POST_MAX_BYTES))
        .with_state(connections)
}

const GONE: AwsError = AwsError(StatusCode::GONE, "GoneException", "Gone");

fn bad(message: &'static str) -> AwsError {
    AwsError(StatusCode::BAD_REQUEST, "BadRequestException", message)
}

/// Whether an id has the form of a connection's.
fn check(id: &str) -> Result<(), AwsError> {
    if is_id(id) {
        Ok(())
    } else {
        Err(bad("Invalid connectionId"))
    }
}

/// Sends to a socket.
async fn post_to_connection(
    State(connections): State<Arc<Connections>>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, AwsError> {
    check(&id)?;
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => AwsError(
            StatusCode::PAYLOAD_TOO_LARGE,
            "PayloadTooLargeException",
            "The data is too large",
        ),
        _ => bad("The data did not come"),
    })?;
    let text = Utf8Bytes::try_from(body).map_err(|_| bad("The data is not UTF-8"))?;
    match connections.post(&id, text, Time::now().epoch_ms) {
        Posted::Queued => Ok(empty(StatusCode::OK)),
        Posted::Gone => Err(GONE),
        Posted::Full => Err(AwsError(
            StatusCode::TOO_MANY_REQUESTS,
            "LimitExceededException",
            "The client's buffer is full",
        )),
    }
}

/// Tells when a socket was opened and used.
async fn get_connection(
    State(connections): State<Arc<Connections>>,
    Path(id): Path<String>,
) -> Result<Response, AwsError> {
    check(&id)?;
    let handle = connections.get(&id).ok_or(GONE)?;
    let body = json!({
        "connectedAt": Time { epoch_ms: handle.peer.connected_at_ms }.iso8601(),
        "lastActiveAt": Time { epoch_ms: handle.last_active_ms() }.iso8601(),
        "identity": { "sourceIp": handle.peer.source_ip, "userAgent": handle.peer.user_agent },
    });
    Ok(responses::json(StatusCode::OK, &body))
}

/// Closes a socket.
async fn delete_connection(
    State(connections): State<Arc<Connections>>,
    Path(id): Path<String>,
) -> Result<Response, AwsError> {
    check(&id)?;
    if connections.close(&id) {
        Ok(empty(StatusCode::NO_CONTENT))
    } else {
        Err(GONE)
    }
}
