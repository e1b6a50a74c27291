//! Errors as the services of AWS answer them in JSON.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::responses;

/// An error of an AWS service: its status, its name and its message.
pub struct AwsError(pub StatusCode, pub &'static str, pub &'static str);

impl IntoResponse for AwsError {
    fn into_response(self) -> Response {
        let Self(status, name, message) = self;
        let mut response = responses::json(status, &json!({ "message": message }));
        let name = HeaderValue::from_static(name);
        response.headers_mut().insert("x-amzn-errortype", name);
        response
    }
}
