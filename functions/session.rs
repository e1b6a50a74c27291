//! `POST /pusher/app/{key}/{server}/{session}/{xhr|xhr_streaming|xhr_send}`: pusher-js's own HTTP
//! transports.

use std::process::ExitCode;
use std::time::Duration;

use functions::browsers::{open, preflight};
use functions::http::{origin, received_at, respond, run_streaming};
use functions::log;
use functions::origin::Origin;
use functions::streaming::{Streamed, body, whole};
use lambda_http::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use lambda_http::{Body, Error, Request, RequestExt as _, Response, service_fn};
use shared::app::Apps;
use shared::config::variable::{FANOUT_QUEUE_URL, LATER_QUEUE_URL, OWN_KEY, WEBHOOK_QUEUE_URL};
use shared::deployment::Deployment;
use shared::error::Rejection;
use shared::kept::Kept;
use shared::pickup::{self, Answer};
use shared::secret::OwnKey;
use shared::session;

/// Lines, and nothing on the way may keep them or hold them back.
const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
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

struct Sessions {
    deployment: Deployment,
    key: Kept<OwnKey>,
    origin: Origin,
    life: Duration,
}

impl Sessions {
    async fn receive(&self, request: &Request) -> Result<Response<Streamed>, shared::error::Error> {
        if request.method() != Method::POST {
            return Err(Rejection::NotFound.into());
        }
        let query = request.uri().query().unwrap_or_default();
        let asked = session::Request::parse(request.raw_http_path(), query)?;
        let (sent, at) = (request.body(), received_at(request));
        self.origin.admit(request, at).await?;
        let knows = |apps: &Apps| apps.by_key(&asked.app_key).is_some();
        let services = &self.deployment.services_where(at, knows).await?;
        let key = self.key.value(at).await?;
        if let Some(app) = services.apps.by_key(&asked.app_key) {
            log::about(&asked.connection_id(app, &key));
        }
        let answer = pickup::answer(services, &key, asked, sent, origin(request), at).await?;
        let mut response = match answer {
            Answer::Taken => {
                let mut taken = Response::new(Body::Empty);
                *taken.status_mut() = StatusCode::NO_CONTENT;
                return Ok(whole(taken));
            }
            Answer::Lines(lines) => whole(Response::new(Body::Text(lines))),
            Answer::Stream(reader) => Response::new(body(reader.chunks(self.life))),
        };
        response.headers_mut().extend(HEADERS);
        Ok(response)
    }

    async fn answer(&self, request: Request) -> Result<Response<Streamed>, Error> {
        let response = if request.method() == Method::OPTIONS {
            whole(preflight())
        } else {
            let received = self.receive(&request).await;
            received.unwrap_or_else(|error| whole(respond(&self.deployment, Err(error))))
        };
        Ok(open(response))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let config = functions::start_with(&[
        FANOUT_QUEUE_URL,
        LATER_QUEUE_URL,
        OWN_KEY,
        WEBHOOK_QUEUE_URL,
    ]);
    let sessions = &Sessions {
        deployment: Deployment::new(&config),
        key: functions::own_key(&config),
        origin: Origin::new(&config),
        life: config.stream_life,
    };
    let handler = service_fn(|request| sessions.answer(request));
    run_streaming(&sessions.deployment, handler).await
}
