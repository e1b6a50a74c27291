//! The Pusher HTTP API: publishing, and asking what is published to.

use functions::http::{answered, idempotency_key, received_at, respond, signed};
use lambda_http::{Body, Error, Request, Response, service_fn};
use shared::answer;
use shared::api::{self, ApiCall, ApiRequest};
use shared::app::Apps;
use shared::aws::Services;
use shared::config::variable::LATER_QUEUE_URL;

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

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = functions::start_with(&[LATER_QUEUE_URL]);
    let (services, apps) = (&Services::new(&config), &config.apps);
    let handler =
        |request| async move { Ok::<_, Error>(respond(call(services, apps, request).await)) };
    functions::http::run(service_fn(handler)).await
}
