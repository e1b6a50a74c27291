//! `POST /apps/{app_id}/tokens`: issues a token that admits one connection to what it names.

use std::process::ExitCode;

use crate::http::request::{is_call, received_at, signed};
use crate::http::response::{json, respond, with};
use crate::runtime::start::deployment;
use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::{Body, Error, Request, Response, service_fn};
use serde::Serialize;
use shared::deployment::Deployment;
use shared::model::app::Apps;
use shared::model::token::TokenRequest;
use shared::pusher::api;
use shared::tokens::issue;

#[derive(Serialize)]
struct Answer {
    token: String,
    /// Unix seconds, rounded down: a token is never promised longer than it lasts.
    expires_at: u64,
}

async fn issue(
    deployment: &Deployment,
    request: Request,
) -> Result<Response<Body>, shared::model::error::Error> {
    let now = received_at(&request);
    let signed = signed(&request);
    is_call(signed.path, "tokens")?;
    let knows = |apps: &Apps| api::knows(apps, signed);
    let services = &deployment.services_where(now, knows).await?;
    let admitted = api::authenticate(&services.apps, signed, now)?;
    let request = TokenRequest::parse(signed.body)?;
    let issued = issue::issue(services, admitted.app, &request, now).await?;
    let answer = Answer {
        token: issued.token.reveal(),
        expires_at: issued.expires_at.secs(),
    };
    let response = json(StatusCode::CREATED, &answer);
    Ok(with(
        response,
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-store"),
    ))
}

/// Runs the function until its runtime ends.
#[must_use]
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> ExitCode {
    let config = crate::runtime::start::start();
    let deployment = &deployment(&config);
    let handler = |request| async move {
        Ok::<_, Error>(respond(deployment, issue(deployment, request).await))
    };
    crate::http::serve::run(deployment, service_fn(handler)).await
}
