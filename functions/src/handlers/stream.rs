//! `GET /stream/{key}?channels=…`: server-sent events.

use std::process::ExitCode;
use std::time::Duration;

use crate::http::browsers::{open, preflight};
use crate::http::origin::Origin;
use crate::http::request::{last_event_id, origin, received_at};
use crate::http::response::respond;
use crate::http::serve::run_streaming;
use crate::http::streaming::{Streamed, body, headers, whole};
use crate::runtime::start::deployment;
use lambda_http::http::{HeaderValue, Method};
use lambda_http::{Error, Request, RequestExt as _, Response, service_fn};
use shared::config::variable::OWN_KEY;
use shared::deployment::Deployment;
use shared::deployment::secret_cache::Kept;
use shared::history::follow::{self, Beginning};
use shared::model::app::Apps;
use shared::model::error::Rejection;
use shared::model::reading::Asked;
use shared::model::secret::OwnKey;

/// What its responses are made of.
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("text/event-stream");

struct Streams {
    deployment: Deployment,
    key: Kept<OwnKey>,
    origin: Origin,
    life: Duration,
}

impl Streams {
    async fn begin(
        &self,
        request: &Request,
    ) -> Result<Response<Streamed>, shared::model::error::Error> {
        let app_key = request.raw_http_path().strip_prefix("/stream/");
        let app_key = app_key.ok_or(Rejection::NotFound)?;
        let now = received_at(request);
        self.origin.admit(request, now).await?;
        let knows = |apps: &Apps| apps.by_key(app_key).is_some();
        let services = &self.deployment.services_where(now, knows).await?;
        let app = services.apps.by_key(app_key);
        let app = app.ok_or(Rejection::UnknownKey)?;
        if request.method() != Method::GET {
            return Err(Rejection::NotFound.into());
        }
        if !app.settings().admits_origin(origin(request)) {
            return Err(Rejection::OriginRefused.into());
        }
        let query = request.uri().query().unwrap_or_default();
        let asked = Asked::parse(query, last_event_id(request))?;
        let key = self.key.value(now).await?;
        let follower = follow::admit(services, app, &key, asked, Beginning::Now, now).await?;
        let chunks = shared::history::stream::chunks(services.clone(), follower, self.life);
        let mut response = Response::new(body(chunks));
        response.headers_mut().extend(headers(CONTENT_TYPE));
        Ok(response)
    }

    async fn answer(&self, request: Request) -> Result<Response<Streamed>, Error> {
        let answer = if request.method() == Method::OPTIONS {
            whole(preflight())
        } else {
            let begun = self.begin(&request).await;
            begun.unwrap_or_else(|error| whole(respond(&self.deployment, Err(error))))
        };
        Ok(open(answer))
    }
}

/// Runs the function until its runtime ends.
#[must_use]
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> ExitCode {
    let config = crate::runtime::start::start_with(&[OWN_KEY]);
    let streams = &Streams {
        deployment: deployment(&config),
        key: crate::runtime::start::own_key(&config),
        origin: Origin::new(&config),
        life: config.stream_life,
    };
    let handler = service_fn(|request| streams.answer(request));
    run_streaming(&streams.deployment, handler).await
}
