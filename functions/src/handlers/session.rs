//! `POST /pusher/app/{key}/{server}/{session}/{xhr|xhr_streaming|xhr_send}`: pusher-js's own HTTP
//! transports.

use std::process::ExitCode;
use std::time::Duration;

use crate::http::browsers::{open, preflight};
use crate::http::origin::Origin;
use crate::http::request::{origin, received_at};
use crate::http::response::respond;
use crate::http::serve::run_streaming;
use crate::http::streaming::{Streamed, body, headers, whole};
use crate::runtime::log;
use crate::runtime::start::deployment;
use lambda_http::http::{HeaderValue, Method, StatusCode};
use lambda_http::{Body, Error, Request, RequestExt as _, Response, service_fn};
use shared::config::variable::{FANOUT_QUEUE_URL, LATER_QUEUE_URL, OWN_KEY, WEBHOOK_QUEUE_URL};
use shared::deployment::Deployment;
use shared::deployment::secret_cache::Kept;
use shared::model::app::Apps;
use shared::model::error::Rejection;
use shared::model::secret::OwnKey;
use shared::pusher::session::{self, LINES};
use shared::sessions::answer::{self, SessionAnswer};
use shared::sessions::stream;

/// What its responses are made of.
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

struct Sessions {
    deployment: Deployment,
    key: Kept<OwnKey>,
    origin: Origin,
    life: Duration,
}

impl Sessions {
    async fn receive(
        &self,
        request: &Request,
    ) -> Result<Response<Streamed>, shared::model::error::Error> {
        if request.method() != Method::POST {
            return Err(Rejection::NotFound.into());
        }
        let query = request.uri().query().unwrap_or_default();
        let asked = session::parse(request.raw_http_path(), query)?;
        let (sent, at) = (request.body(), received_at(request));
        self.origin.admit(request, at).await?;
        let knows = |apps: &Apps| apps.by_key(&asked.app_key).is_some();
        let services = &self.deployment.services_where(at, knows).await?;
        let key = self.key.value(at).await?;
        if let Some(app) = services.apps.by_key(&asked.app_key) {
            log::about(&asked.connection_id(app, &key));
        }
        let answer =
            answer::answer(services, &LINES, &key, asked, sent, origin(request), at).await?;
        let mut response = match answer {
            SessionAnswer::Taken => {
                let mut taken = Response::new(Body::Empty);
                *taken.status_mut() = StatusCode::NO_CONTENT;
                return Ok(whole(taken));
            }
            SessionAnswer::Lines(lines) => whole(Response::new(Body::Text(lines))),
            SessionAnswer::Stream(reader) => {
                Response::new(body(stream::chunks(*reader, self.life)))
            }
        };
        response.headers_mut().extend(headers(CONTENT_TYPE));
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

/// Runs the function until its runtime ends.
#[must_use]
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> ExitCode {
    let config = crate::runtime::start::start_with(&[
        FANOUT_QUEUE_URL,
        LATER_QUEUE_URL,
        OWN_KEY,
        WEBHOOK_QUEUE_URL,
    ]);
    let sessions = &Sessions {
        deployment: deployment(&config),
        key: crate::runtime::start::own_key(&config),
        origin: Origin::new(&config),
        life: config.stream_life,
    };
    let handler = service_fn(|request| sessions.answer(request));
    run_streaming(&sessions.deployment, handler).await
}
