//! `GET /status/{key}?channels=…&after=…`: the polling fallback.

use functions::http::{json, received_at, respond, with};
use lambda_http::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use lambda_http::{Body, Error, Request, RequestExt as _, Response, service_fn};
use shared::app::Apps;
use shared::aws::Services;
use shared::error::Rejection;
use shared::{cursor, replay};

/// What every answer carries: any page may poll, and no cache may keep what it reads.
const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    ),
    (
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Retry-After"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// What a browser is told that asks first.
const PREFLIGHT: [(HeaderName, HeaderValue); 3] = [
    (
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, OPTIONS"),
    ),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("*"),
    ),
    (
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("86400"),
    ),
];

async fn poll(
    services: &Services,
    apps: &Apps,
    request: &Request,
) -> Result<Response<Body>, shared::error::Error> {
    let key = request
        .raw_http_path()
        .strip_prefix("/status/")
        .ok_or(Rejection::NotFound)?;
    let app = apps.by_key(key).ok_or(Rejection::UnknownKey)?;
    let positions = cursor::parse(request.uri().query().unwrap_or_default())?;
    let poll = replay::poll(services, app, positions, received_at(request)).await?;
    let response = json(StatusCode::OK, &poll);
    Ok(with(
        response,
        header::RETRY_AFTER,
        HeaderValue::from(poll.retry_after_secs),
    ))
}

async fn answer(
    services: &Services,
    apps: &Apps,
    request: Request,
) -> Result<Response<Body>, Error> {
    let response = if request.method() == Method::OPTIONS {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::NO_CONTENT;
        response.headers_mut().extend(PREFLIGHT);
        response
    } else {
        respond(poll(services, apps, &request).await)
    };
    Ok(HEADERS
        .into_iter()
        .fold(response, |response, (name, value)| {
            with(response, name, value)
        }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = functions::start();
    let (services, apps) = (&Services::new(&config), &config.apps);
    functions::http::run(service_fn(|request| answer(services, apps, request))).await
}
