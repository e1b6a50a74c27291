//! The HTTP functions' side of API Gateway: a request as the signature sees it, and a result as a
//! response.

use std::convert::Infallible;
use std::process::ExitCode;

use bytes::Bytes;
use lambda_http::http::{HeaderName, HeaderValue, StatusCode, header};
use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::{Adapter, Body, Request, RequestExt as _, Response, StreamAdapter};
use lambda_runtime::LambdaEvent;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use shared::api::{Answer, SignedRequest};
use shared::deployment::Deployment;
use shared::error::{BUSY_MESSAGE, Error, FAULT_MESSAGE, Rejection, chain};
use shared::time::UnixMillis;
use tower::{Service, ServiceExt as _};

/// Seconds after which to come back when the table is at its limit.
const BUSY_RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// What makes a repeated call known as one.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Where a browser says how far it had come with a stream.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// What CloudFront puts into each request.
pub const ORIGIN_KEY: HeaderName = HeaderName::from_static("x-origin-key");
/// The headers that are read.
const READ: [HeaderName; 5] = [
    IDEMPOTENCY_KEY,
    ORIGIN_KEY,
    LAST_EVENT_ID,
    header::IF_NONE_MATCH,
    header::ORIGIN,
];

/// Runs an HTTP function.
pub async fn run<'a, S>(deployment: &Deployment, handler: S) -> ExitCode
where
    S: Service<Request, Response = Response<Body>, Error = lambda_http::Error> + 'a,
    S::Future: Send + 'a,
{
    let service = Adapter::from(handler).map_request(|mut event: LambdaEvent<LambdaRequest>| {
        strip(&mut event.payload);
        event
    });
    crate::run::run(deployment, service).await
}

/// Has a handler answer one request, in the form that API Gateway takes.
///
/// # Errors
/// Those of the handler.
pub async fn answer<'a, S>(
    handler: S,
    request: LambdaRequest,
    context: lambda_runtime::Context,
) -> Result<Box<RawValue>, lambda_http::Error>
where
    S: Service<Request, Response = Response<Body>, Error = lambda_http::Error> + 'a,
    S::Future: Send + 'a,
{
    let mut event = LambdaEvent::new(request, context);
    strip(&mut event.payload);
    let response = Adapter::from(handler).oneshot(event).await?;
    Ok(to_raw_value(&response)?)
}

/// Runs a function whose responses are streamed.
pub async fn run_streaming<'a, S, B>(deployment: &Deployment, handler: S) -> ExitCode
where
    S: Service<Request, Response = Response<B>, Error = lambda_http::Error> + 'a,
    S::Future: Send + 'a,
    B: http_body::Body<Data = Bytes, Error = Infallible> + Unpin + Send + 'static,
{
    let adapter = StreamAdapter::from(handler);
    let service = adapter.map_request(|mut event: LambdaEvent<LambdaRequest>| {
        strip(&mut event.payload);
        event
    });
    crate::run::run(deployment, service).await
}

/// Takes the headers off a request that no function reads:
/// `lambda_http` builds a URL of some, and panics when a client makes them such that it is none.
fn strip(request: &mut LambdaRequest) {
    // The routes are an HTTP API's, payload format 2.0; the others have no path and get a 404.
    if let LambdaRequest::ApiGatewayV2(request) = request {
        let kept = READ.map(|name| (request.headers.remove(&name), name));
        request.headers.clear();
        for (value, name) in kept {
            request.headers.extend(value.map(|value| (name, value)));
        }
        request.request_context.domain_name = None;
    }
}

/// When the request came, by API Gateway's clock: what comes of it does not depend on how long its
/// function took to start. By this machine's, where the event does not say.
#[must_use]
pub fn received_at(request: &Request) -> UnixMillis {
    let at = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => u64::try_from(context.time_epoch).ok(),
        Some(_) | None => None,
    };
    match at {
        Some(at @ 1..) => UnixMillis(at),
        Some(0) | None => crate::now(),
    }
}

/// The request as it came over the wire.
#[must_use]
pub fn signed(request: &Request) -> SignedRequest<'_> {
    SignedRequest {
        method: request.method().as_str(),
        path: request.raw_http_path(),
        query: request.uri().query().unwrap_or_default(),
        body: request.body(),
    }
}

/// The key in the header `Idempotency-Key`; an empty one, which is none, when it is no text.
#[must_use]
pub fn idempotency_key(request: &Request) -> Option<&str> {
    text(request, &IDEMPOTENCY_KEY)
}

/// What CloudFront has put into it.
#[must_use]
pub fn origin_key(request: &Request) -> Option<&str> {
    text(request, &ORIGIN_KEY)
}

/// The cursor in the header `Last-Event-ID`.
#[must_use]
pub fn last_event_id(request: &Request) -> Option<&str> {
    text(request, &LAST_EVENT_ID)
}

/// What a header says; an empty text when it is none.
fn text<'a>(request: &'a Request, name: &HeaderName) -> Option<&'a str> {
    let value = request.headers().get(name)?;
    Some(value.to_str().unwrap_or_default())
}

/// The page's origin.
#[must_use]
pub fn origin(request: &Request) -> Option<&str> {
    text(request, &header::ORIGIN)
}

/// The tag of what the caller has already.
#[must_use]
pub fn if_none_match(request: &Request) -> Option<&str> {
    text(request, &header::IF_NONE_MATCH)
}

/// Whether a path is `/apps/{app_id}/{call}`.
///
/// # Errors
/// [`Rejection::NotFound`] for any other path.
pub fn is_call(path: &str, call: &str) -> Result<(), Rejection> {
    let mut segments = path.split('/').skip(1);
    match (
        segments.next(),
        segments.next(),
        segments.next(),
        segments.next(),
    ) {
        (Some("apps"), Some(_), Some(last), None) if last == call => Ok(()),
        _ => Err(Rejection::NotFound),
    }
}

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
pub fn answered(answer: Answer) -> Response<Body> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_one_path() {
        assert_eq!(is_call("/apps/1001/tokens", "tokens"), Ok(()));
        for path in [
            "",
            "/",
            "/apps/1001",
            "/apps/1001/events",
            "/apps/1001/tokens/",
            "//apps/1001/tokens",
        ] {
            assert_eq!(is_call(path, "tokens"), Err(Rejection::NotFound), "{path}");
        }
    }
}
