//! `GET /stream/{key}?channels=…`: server-sent events.

use std::time::Duration;

use functions::browsers::{open, preflight};
use functions::http::{last_event_id, origin, received_at, respond, run_streaming};
use functions::streaming::{Body, UNBUFFERED, body, whole};
use futures_util::StreamExt as _;
use lambda_http::http::{HeaderValue, Method, header};
use lambda_http::{Error, Request, RequestExt as _, Response, service_fn};
use shared::aws::Services;
use shared::config::Config;
use shared::config::variable::CURSOR_KEY;
use shared::cursor::CursorKey;
use shared::error::Rejection;
use shared::follow::{self, Beginning};
use shared::reading::Asked;

const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

struct Streams {
    services: Services,
    config: Config,
    key: CursorKey,
}

impl Streams {
    async fn begin(&self, request: &Request) -> Result<Response<Body>, shared::error::Error> {
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
        let life: Duration = self.config.stream_life;
        let chunks = shared::stream::chunks(services.clone(), follower, life);
        let mut response = Response::new(body(chunks.boxed()));
        response.headers_mut().insert(header::CONTENT_TYPE, EVENTS);
        response.headers_mut().extend(UNBUFFERED);
        Ok(response)
    }

    async fn answer(&self, request: Request) -> Result<Response<Body>, Error> {
        let response = if request.method() == Method::OPTIONS {
            whole(preflight())
        } else {
            let begun = self.begin(&request).await;
            begun.unwrap_or_else(|error| whole(respond(Err(error))))
        };
        Ok(open(response))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = functions::start_with(&[CURSOR_KEY]);
    let key = config.cursor_key.clone().ok_or("no key for cursors")?;
    let streams = &Streams {
        services: Services::new(&config),
        config,
        key,
    };
    run_streaming(service_fn(|request| streams.answer(request))).await
}
