//! `GET /stream/{key}?channels=…`: server-sent events.

use std::process::ExitCode;

use functions::browsers::{open, preflight};
use functions::http::{last_event_id, origin, received_at, respond, run_streaming};
use functions::streaming::{Streamed, body, whole};
use lambda_http::http::{HeaderName, HeaderValue, Method, header};
use lambda_http::{Error, Request, RequestExt as _, Response, service_fn};
use shared::aws::Services;
use shared::config::Config;
use shared::config::variable::CURSOR_KEY;
use shared::cursor::CursorKey;
use shared::error::Rejection;
use shared::follow::{self, Beginning};
use shared::reading::Asked;

/// Nothing on the way may keep it or hold it back.
const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    ),
    (
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-store, no-transform"),
    ),
    (
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    ),
];

struct Streams {
    services: Services,
    config: Config,
    key: CursorKey,
}

impl Streams {
    async fn begin(&self, request: &Request) -> Result<Response<Streamed>, shared::error::Error> {
        let app_key = request.raw_http_path().strip_prefix("/stream/");
        let app = self
            .config
            .apps
            .by_key(app_key.ok_or(Rejection::NotFound)?)
            .ok_or(Rejection::UnknownKey)?;
        if request.method() != Method::GET {
            return Err(Rejection::NotFound.into());
        }
        if !app.settings().admits_origin(origin(request)) {
            return Err(Rejection::OriginRefused.into());
        }
        let query = request.uri().query().unwrap_or_default();
        let asked = Asked::parse(query, last_event_id(request))?;
        let (services, now) = (&self.services, received_at(request));
        let follower = follow::admit(services, app, &self.key, asked, Beginning::Now, now).await?;
        let chunks = shared::stream::chunks(services.clone(), follower, self.config.stream_life);
        let mut response = Response::new(body(chunks));
        response.headers_mut().extend(HEADERS);
        Ok(response)
    }

    async fn answer(&self, request: Request) -> Result<Response<Streamed>, Error> {
        let answer = if request.method() == Method::OPTIONS {
            whole(preflight())
        } else {
            let begun = self.begin(&request).await;
            begun.unwrap_or_else(|error| whole(respond(&self.services, Err(error))))
        };
        Ok(open(answer))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let config = functions::start_with(&[CURSOR_KEY]);
    let key = config.cursor_key.clone().expect("it was asked for");
    let streams = &Streams {
        services: Services::new(&config),
        config,
        key,
    };
    let handler = service_fn(|request| streams.answer(request));
    run_streaming(&streams.services, handler).await
}
