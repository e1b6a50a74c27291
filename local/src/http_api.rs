//! The HTTP API: a request becomes an event, and a function's response an answer.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use uuid::Uuid;

use crate::events::{self, HttpContext, HttpResponse};
use crate::gateway::{Gateway, now};
use crate::host::Outcome;
use crate::serve::{self, Answer, BodyError, message};

/// Lambda's limit for a synchronous event, nearly all of it body.
const BODY_MAX_BYTES: usize = 6 * 1_024 * 1_024;
/// The HTTP API's limit for a function's answer.
const INTEGRATION_PATIENCE: Duration = Duration::from_secs(30);

/// Calls the function of a route.
pub(crate) async fn call(
    gateway: Gateway,
    request: Request<Incoming>,
    peer: SocketAddr,
    function: &'static str,
    route_key: &'static str,
    path_parameters: Vec<(&'static str, String)>,
) -> Answer {
    let at = now();
    let (parts, body) = request.into_parts();
    let body = match serve::read_body(body, BODY_MAX_BYTES).await {
        Ok(body) => body,
        Err(BodyError::TooLong) => {
            return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        }
        Err(BodyError::Broken) => return message(StatusCode::BAD_REQUEST, "Bad Request"),
    };
    let request_id = Uuid::now_v7().to_string();
    let source_ip = peer.ip().to_string();
    let context = HttpContext {
        route_key,
        path_parameters,
        request_id: &request_id,
        at,
        domain: &gateway.domain,
        source_ip: &source_ip,
    };
    let event = events::http(&context, &parts, &body).to_string();
    match tokio::time::timeout(
        INTEGRATION_PATIENCE,
        gateway.host.invoke(function, event.into()),
    )
    .await
    {
        Ok(Outcome::Answered(response)) => answer(&response),
        Ok(Outcome::Failed(_)) => {
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
        Ok(Outcome::Throttled) | Err(_) => {
            message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        }
    }
}

fn answer(response: &Bytes) -> Answer {
    let response = serde_json::from_slice::<HttpResponse>(response)
        .ok()
        .and_then(HttpResponse::parts);
    let Some((status, headers, body)) = response else {
        return message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
    };
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    // Its length is that of what is sent.
    answer.headers_mut().remove(http::header::CONTENT_LENGTH);
    answer
}
