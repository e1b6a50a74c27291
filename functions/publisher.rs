//! The Pusher HTTP API: publishing, and asking what is published to. It publishes from inside AWS, too.

use std::process::ExitCode;

use functions::http::{self, answered, idempotency_key, received_at, respond, signed};
use functions::invocation::{Invocation, Publication};
use functions::run::run;
use lambda_http::{Body, Request, Response, service_fn};
use lambda_runtime::{Diagnostic, Error, LambdaEvent};
use serde_json::value::RawValue;
use shared::answer;
use shared::api::{self, ApiCall, ApiRequest};
use shared::app::Apps;
use shared::aws::Services;
use shared::config::variable::{LATER_QUEUE_URL, WEBHOOK_QUEUE_URL};

async fn call(
    services: &Services,
    apps: &Apps,
    request: Request,
) -> Result<Response<Body>, shared::error::Error> {
    let now = received_at(&request);
    let signed = signed(&request);
    let admitted = api::authenticate(apps, signed, now)?;
    let asked = ApiRequest {
        method: signed.method,
        path: &admitted.path,
        parameters: &admitted.parameters,
        body: signed.body,
        idempotency_key: idempotency_key(&request),
    };
    let call = ApiCall::parse(asked, admitted.app.settings())?;
    let answer = answer::answer(services, admitted.app, call, now).await?;
    Ok(answered(answer))
}

async fn publish(
    services: &Services,
    apps: &Apps,
    publication: &Publication,
) -> Result<Box<RawValue>, shared::error::Error> {
    let (app, call) = publication.direct().parse(apps)?;
    let answer = answer::answer(services, app, call, functions::now()).await?;
    Ok(RawValue::from_string(answer.body).expect("an answer is JSON"))
}

async fn invoked(
    services: &Services,
    apps: &Apps,
    event: LambdaEvent<Invocation>,
) -> Result<Box<RawValue>, Diagnostic> {
    match event.payload {
        Invocation::Request(request) => {
            let handler = service_fn(|request| async move {
                Ok::<_, Error>(respond(services, call(services, apps, request).await))
            });
            http::answer(handler, *request, event.context)
                .await
                .map_err(Diagnostic::from)
        }
        Invocation::Publication(publication) => publish(services, apps, &publication)
            .await
            .map_err(|error| functions::not_done(services, &error)),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let config = functions::start_with(&[LATER_QUEUE_URL, WEBHOOK_QUEUE_URL]);
    let (services, apps) = (&Services::new(&config), &config.apps);
    let handler = |event: LambdaEvent<Invocation>| async move {
        let answered = invoked(services, apps, event).await;
        services.tell_webhooks().await;
        answered
    };
    run(services, service_fn(handler)).await
}
