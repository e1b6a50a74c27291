//! The Pusher HTTP API: publishing, and asking what is published to. It publishes from inside AWS, too.

use std::process::ExitCode;

use crate::events::invocation::{Invocation, Publication};
use crate::http::request::{idempotency_key, received_at, signed};
use crate::http::response::{answered, respond};
use crate::http::serve;
use crate::runtime::run::run;
use crate::runtime::start::deployment;
use lambda_http::{Body, Request, Response, service_fn};
use lambda_runtime::{Diagnostic, Error, LambdaEvent};
use serde_json::value::RawValue;
use shared::aws::Services;
use shared::calls::answer;
use shared::config::variable::{FANOUT_QUEUE_URL, LATER_QUEUE_URL, WEBHOOK_QUEUE_URL};
use shared::deployment::Deployment;
use shared::model::app::Apps;
use shared::pusher::api::{self, ApiRequest};

async fn call(
    services: &Services,
    request: Request,
) -> Result<Response<Body>, shared::model::error::Error> {
    let now = received_at(&request);
    let signed = signed(&request);
    let admitted = api::authenticate(&services.apps, signed, now)?;
    let asked = ApiRequest {
        method: signed.method,
        path: &admitted.path,
        parameters: &admitted.parameters,
        body: signed.body,
        idempotency_key: idempotency_key(&request),
    };
    let call = api::parse(asked, admitted.app.settings())?;
    let answer = answer::answer(services, admitted.app, call, api::print, now).await?;
    Ok(answered(answer))
}

async fn publish(
    services: &Services,
    publication: &Publication,
) -> Result<Box<RawValue>, shared::model::error::Error> {
    let (app, call) = publication.direct().parse(&services.apps)?;
    let answer = answer::answer(
        services,
        app,
        call,
        api::print,
        crate::runtime::start::now(),
    )
    .await?;
    Ok(RawValue::from_string(answer.body).expect("an answer is JSON"))
}

async fn requested(
    deployment: &Deployment,
    request: Request,
) -> Result<Response<Body>, shared::model::error::Error> {
    let (now, signed) = (received_at(&request), signed(&request));
    let knows = |apps: &Apps| api::knows(apps, signed);
    let services = deployment.services_where(now, knows).await?;
    let answered = call(&services, request).await;
    services.tell_webhooks().await;
    answered
}

async fn published(
    deployment: &Deployment,
    publication: &Publication,
) -> Result<Box<RawValue>, shared::model::error::Error> {
    let services = deployment.services(crate::runtime::start::now()).await?;
    let published = publish(&services, publication).await;
    services.tell_webhooks().await;
    published
}

async fn invoked(
    deployment: &Deployment,
    event: LambdaEvent<Invocation>,
) -> Result<Box<RawValue>, Diagnostic> {
    match event.payload {
        Invocation::Request(request) => {
            let handler = service_fn(|request| async move {
                Ok::<_, Error>(respond(deployment, requested(deployment, request).await))
            });
            serve::answer(handler, *request, event.context)
                .await
                .map_err(Diagnostic::from)
        }
        Invocation::Publication(publication) => published(deployment, &publication)
            .await
            .map_err(|error| crate::runtime::start::not_done(deployment, &error)),
    }
}

/// Runs the function until its runtime ends.
#[must_use]
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> ExitCode {
    let config =
        crate::runtime::start::start_with(&[FANOUT_QUEUE_URL, LATER_QUEUE_URL, WEBHOOK_QUEUE_URL]);
    let deployment = &deployment(&config);
    let handler = |event: LambdaEvent<Invocation>| invoked(deployment, event);
    run(deployment, service_fn(handler)).await
}
