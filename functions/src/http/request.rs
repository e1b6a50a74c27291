//! A request, as the signature and the handlers see it.

use lambda_http::http::{HeaderName, header};
use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::{Request, RequestExt as _};
use shared::model::error::Rejection;
use shared::model::time::UnixMillis;
use shared::pusher::api::SignedRequest;

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
/// Takes the headers off a request that no function reads:
/// `lambda_http` builds a URL of some, and panics when a client makes them such that it is none.
pub(super) fn strip(request: &mut LambdaRequest) {
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
        Some(0) | None => crate::runtime::start::now(),
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
