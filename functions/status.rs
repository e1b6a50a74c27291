//! `GET /status/{key}?channels=…`: the polling fallback.

use std::process::ExitCode;

use functions::browsers::{open, preflight};
use functions::http::{if_none_match, json, origin, received_at, respond, with};
use lambda_http::http::{HeaderValue, Method, StatusCode, header};
use lambda_http::{Body, Error, Request, RequestExt as _, Response, service_fn};
use shared::app::Apps;
use shared::aws::Services;
use shared::config::variable::CURSOR_KEY;
use shared::cursor::CursorKey;
use shared::error::Rejection;
use shared::follow::{self, Poll};
use shared::reading::Asked;

/// No cache may keep what is one reader's own.
const OWN: HeaderValue = HeaderValue::from_static("no-store");
/// What is anybody's may be kept for a second: all who ask at once are one.
const ANYBODYS: HeaderValue = HeaderValue::from_static("public, max-age=1");

async fn poll(
    services: &Services,
    apps: &Apps,
    key: &CursorKey,
    request: &Request,
) -> Result<Response<Body>, shared::error::Error> {
    let app_key = request.raw_http_path().strip_prefix("/status/");
    let app = apps
        .by_key(app_key.ok_or(Rejection::NotFound)?)
        .ok_or(Rejection::UnknownKey)?;
    if !app.settings().admits_origin(origin(request)) {
        return Err(Rejection::OriginRefused.into());
    }
    let asked = Asked::parse(request.uri().query().unwrap_or_default(), None)?;
    let poll = follow::poll(services, app, key, asked, received_at(request)).await?;
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
    if has.is_some_and(|has| has == tag) {
        response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let response = with(response, header::CACHE_CONTROL, ANYBODYS);
    match HeaderValue::from_str(&tag) {
        Ok(tag) => with(response, header::ETAG, tag),
        Err(_) => response,
    }
}

async fn answered(
    services: &Services,
    apps: &Apps,
    key: &CursorKey,
    request: Request,
) -> Result<Response<Body>, Error> {
    let mut response = if request.method() == Method::OPTIONS {
        preflight()
    } else {
        respond(services, poll(services, apps, key, &request).await)
    };
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(OWN);
    Ok(open(response))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let config = functions::start_with(&[CURSOR_KEY]);
    let key = config.cursor_key.as_ref().expect("it was asked for");
    let (services, apps) = (&Services::new(&config), &config.apps);
    let handler = service_fn(|request| answered(services, apps, key, request));
    functions::http::run(services, handler).await
}
