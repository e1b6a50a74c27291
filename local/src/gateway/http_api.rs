//! The HTTP API: turns a request into an event, and the function's response into an HTTP response.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::response::Response;
use http::{StatusCode, request};
use uuid::Uuid;

use super::state::Gateway;
use crate::events::http::{self as http_event, HttpContext, HttpResponse, Route};
use crate::host::invocation::Outcome;
use crate::serving::responses::message;
use crate::time::Time;

/// The HTTP API's limit for a function's answer.
const INTEGRATION_PATIENCE: Duration = Duration::from_secs(30);

/// Calls the function of a route.
pub(crate) async fn call(
    gateway: Gateway,
    route: Route,
    peer: SocketAddr,
    parts: request::Parts,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        }
        Err(_) => return message(StatusCode::BAD_REQUEST, "Bad Request"),
    };
    let context = HttpContext {
        route: Some(&route),
        request_id: &Uuid::now_v7().to_string(),
        at: Time::now(),
        domain: &gateway.domain,
        source_ip: &peer.ip().to_string(),
    };
    let event = http_event::event(&context, &parts, &body).to_string();
    let called = gateway.host.invoke(route.function, event.into());
    match tokio::time::timeout(INTEGRATION_PATIENCE, called).await {
        Ok(Outcome::Answered(response)) => answer(&response),
        Ok(Outcome::Failed(_)) => {
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
        Ok(Outcome::Throttled) | Err(_) => {
            message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        }
    }
}

fn answer(response: &Bytes) -> Response {
    let response = serde_json::from_slice::<HttpResponse>(response)
        .ok()
        .and_then(HttpResponse::parts);
    let Some((status, headers, body)) = response else {
        return message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
    };
    let mut answer = Response::new(Body::from(body));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    // Its length is that of what is sent.
    answer.headers_mut().remove(http::header::CONTENT_LENGTH);
    answer
}
