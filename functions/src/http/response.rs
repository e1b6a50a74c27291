//! A result as an HTTP response.

use lambda_http::http::{HeaderName, HeaderValue, StatusCode, header};
use lambda_http::{Body, Response};
use serde::Serialize;
use shared::deployment::Deployment;
use shared::model::call::CallAnswer;
use shared::model::error::{BUSY_MESSAGE, Error, FAULT_MESSAGE, chain};

/// Seconds after which to come back when the table is at its limit.
const BUSY_RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");
/// A JSON response.
#[must_use]
pub fn json(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    let body = serde_json::to_string(body).expect("answers are strings, numbers and lists of them");
    json_text(status, body)
}

/// A JSON response whose body is printed already.
#[must_use]
pub fn json_text(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::Text(body));
    *response.status_mut() = status;
    with(
        response,
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    )
}

/// What a call of the HTTP API is answered.
#[must_use]
pub fn answered(answer: CallAnswer) -> Response<Body> {
    json_text(
        StatusCode::from_u16(answer.status).unwrap_or_default(),
        answer.body,
    )
}

/// The response with one header more.
#[must_use]
pub fn with(mut response: Response<Body>, name: HeaderName, value: HeaderValue) -> Response<Body> {
    response.headers_mut().insert(name, value);
    response
}

/// What the caller is told: its own mistake in words, ours as a constant. Either is logged.
#[must_use]
pub fn respond(deployment: &Deployment, result: Result<Response<Body>, Error>) -> Response<Body> {
    #[derive(Serialize)]
    struct Refusal<'a> {
        error: &'a str,
    }
    match result {
        Ok(response) => response,
        Err(Error::Rejected(rejection)) => {
            deployment.refused(&rejection);
            let status = StatusCode::from_u16(rejection.status());
            let refusal = json(
                status.unwrap_or(StatusCode::BAD_REQUEST),
                &Refusal {
                    error: &rejection.to_string(),
                },
            );
            match rejection.retry_after_secs() {
                Some(secs) => with(refusal, header::RETRY_AFTER, HeaderValue::from(secs)),
                None => refusal,
            }
        }
        Err(Error::Fault(fault)) => {
            tracing::error!(
                error_type = fault.error_type(),
                error = chain(&fault),
                "failed"
            );
            if fault.is_throttled() {
                let busy = Refusal {
                    error: BUSY_MESSAGE,
                };
                with(
                    json(StatusCode::SERVICE_UNAVAILABLE, &busy),
                    header::RETRY_AFTER,
                    BUSY_RETRY_AFTER,
                )
            } else {
                json(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    &Refusal {
                        error: FAULT_MESSAGE,
                    },
                )
            }
        }
    }
}
