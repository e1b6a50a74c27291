//! Responses that the servers here have in common.

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::Value;

/// A response without a body.
#[must_use]
pub fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A response in JSON.
#[must_use]
pub fn json(status: StatusCode, body: &Value) -> Response {
    let mut response = json_bytes(body.to_string().into());
    *response.status_mut() = status;
    response
}

/// A response whose body is JSON already.
#[must_use]
pub fn json_bytes(body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// A response of API Gateway itself: `{"message": …}`.
#[must_use]
pub fn message(status: StatusCode, message: &str) -> Response {
    json(status, &serde_json::json!({ "message": message }))
}
