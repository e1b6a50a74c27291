//! `GET /status/{key}?channels=…`: the polling fallback.

use std::process::ExitCode;

use crate::http::browsers::{open, preflight};
use crate::http::request::{if_none_match, origin, received_at};
use crate::http::response::{json, respond, with};
use crate::runtime::start::deployment;
use lambda_http::http::{HeaderValue, Method, StatusCode, header};
use lambda_http::{Body, Error, Request, RequestExt as _, Response, service_fn};
use shared::config::variable::OWN_KEY;
use shared::deployment::Deployment;
use shared::deployment::secret_cache::Kept;
use shared::history::poll::{self, Poll};
use shared::model::app::Apps;
use shared::model::error::Rejection;
use shared::model::reading::Asked;
use shared::model::secret::OwnKey;

/// No cache may keep what is one reader's own.
const OWN: HeaderValue = HeaderValue::from_static("no-store");
/// What is anybody's may be kept for a second: all who ask at once are one.
const ANYBODYS: HeaderValue = HeaderValue::from_static("public, max-age=1");

async fn poll(
    deployment: &Deployment,
    key: &Kept<OwnKey>,
    request: &Request,
) -> Result<Response<Body>, shared::model::error::Error> {
    let app_key = request.raw_http_path().strip_prefix("/status/");
    let app_key = app_key.ok_or(Rejection::NotFound)?;
    let now = received_at(request);
    let knows = |apps: &Apps| apps.by_key(app_key).is_some();
    let services = &deployment.services_where(now, knows).await?;
    let app = services.apps.by_key(app_key);
    let app = app.ok_or(Rejection::UnknownKey)?;
    if !app.settings().admits_origin(origin(request)) {
        return Err(Rejection::OriginRefused.into());
    }
    let asked = Asked::parse(request.uri().query().unwrap_or_default(), None)?;
    let poll = poll::poll(services, app, &key.value(now).await?, asked, now).await?;
    let response = answer(&poll, if_none_match(request));
    Ok(with(
        response,
        header::RETRY_AFTER,
        HeaderValue::from(poll.retry_after_secs),
    ))
}

/// The answer; without a body for whoever has it already.
fn answer(poll: &Poll, has: Option<&str>) -> Response<Body> {
    let mut response = json(StatusCode::OK, poll);
    if poll.cursor.is_some() {
        return response;
    }
    let tag = poll.tag();
    if has.is_some_and(|has| names_tag(has, &tag)) {
        response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let response = with(response, header::CACHE_CONTROL, ANYBODYS);
    match HeaderValue::from_str(&tag) {
        Ok(tag) => with(response, header::ETAG, tag),
        Err(_) => response,
    }
}

/// Whether `If-None-Match` names a tag. CloudFront weakens tags when it compresses, and a poll compares weakly
/// (RFC 9110, 13.1.2).
fn names_tag(has: &str, tag: &str) -> bool {
    let mut named = has.split(',').map(str::trim);
    named.any(|named| named == "*" || named.strip_prefix("W/").unwrap_or(named) == tag)
}

async fn answered(
    deployment: &Deployment,
    key: &Kept<OwnKey>,
    request: Request,
) -> Result<Response<Body>, Error> {
    let mut response = if request.method() == Method::OPTIONS {
        preflight()
    } else {
        respond(deployment, poll(deployment, key, &request).await)
    };
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(OWN);
    Ok(open(response))
}

/// Runs the function until its runtime ends.
#[must_use]
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> ExitCode {
    let config = crate::runtime::start::start_with(&[OWN_KEY]);
    let (deployment, key) = (
        &deployment(&config),
        &crate::runtime::start::own_key(&config),
    );
    let handler = service_fn(|request| answered(deployment, key, request));
    crate::http::serve::run(deployment, handler).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_however_it_is_named() {
        for has in [r#""t""#, r#"W/"t""#, "*", r#""a", "t""#, r#"W/"a",W/"t""#] {
            assert!(names_tag(has, r#""t""#), "{has}");
        }
        for has in ["", "t", r#""a""#, r#"w/"t""#] {
            assert!(!names_tag(has, r#""t""#), "{has}");
        }
    }
}
