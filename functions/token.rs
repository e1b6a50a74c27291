//! `POST /apps/{app_id}/tokens`: issues a token that admits one connection to what it names.

use std::process::ExitCode;

use functions::http::{is_call, json, received_at, respond, signed, with};
use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::{Body, Error, Request, Response, service_fn};
use serde::Serialize;
use shared::app::Apps;
use shared::aws::Services;
use shared::token::TokenRequest;
use shared::{api, issue};

#[derive(Serialize)]
struct Answer {
    token: String,
    /// Unix seconds, rounded down: a token is never promised longer than it lasts.
    expires_at: u64,
}

async fn issue(
    services: &Services,
    apps: &Apps,
    request: Request,
) -> Result<Response<Body>, shared::error::Error> {
    let now = received_at(&request);
    let signed = signed(&request);
    is_call(signed.path, "tokens")?;
    let admitted = api::authenticate(apps, signed, now)?;
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

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let config = functions::start();
    let (services, apps) = (&Services::new(&config), &config.apps);
    let handler = |request| async move {
        Ok::<_, Error>(respond(services, issue(services, apps, request).await))
    };
    functions::http::run(services, service_fn(handler)).await
}
