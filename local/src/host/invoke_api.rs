//! The Invoke API, through which functions and tests invoke a function.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::dispatch::Host;
use super::invocation::Outcome;
use crate::serving::aws_error::AwsError;
use crate::serving::responses::{self, empty};

/// Lambda's limit for an asynchronous invocation's payload: 1 MB.
const PAYLOAD_MAX_BYTES: usize = 1_048_576;

/// The methods of one function's path.
pub(crate) fn methods(host: Host) -> MethodRouter {
    post(invoke)
        .layer(DefaultBodyLimit::max(PAYLOAD_MAX_BYTES))
        .with_state(host)
}

/// Runs a function, and waits for its response unless the caller does not.
async fn invoke(
    State(host): State<Host>,
    Path(function): Path<String>,
    headers: HeaderMap,
    payload: Result<Bytes, BytesRejection>,
) -> Result<Response, AwsError> {
    if !host.has(&function) {
        return Err(AwsError(
            StatusCode::NOT_FOUND,
            "ResourceNotFoundException",
            "there is no such function",
        ));
    }
    let Ok(payload) = payload else {
        return Err(AwsError(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestTooLargeException",
            "The payload is too large",
        ));
    };
    if headers
        .get("x-amz-invocation-type")
        .is_some_and(|kind| kind == "Event")
    {
        tokio::spawn(async move { host.invoke_async(&function, payload).await });
        return Ok(empty(StatusCode::ACCEPTED));
    }
    match host.invoke(&function, payload).await {
        Outcome::Answered(body) => Ok(responses::json_bytes(body)),
        Outcome::Failed(body) => {
            let mut response = responses::json_bytes(body);
            response.headers_mut().insert(
                "x-amz-function-error",
                HeaderValue::from_static("Unhandled"),
            );
            Ok(response)
        }
        Outcome::Throttled => Err(AwsError(
            StatusCode::TOO_MANY_REQUESTS,
            "TooManyRequestsException",
            "Rate Exceeded.",
        )),
    }
}
