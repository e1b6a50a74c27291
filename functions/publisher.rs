//! `POST /apps/{app_id}/events`: publishes an event and delivers it to every subscriber.

use functions::http::{app_id, json, received_at, respond, signed};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Error, Request, Response, service_fn};
use shared::app::Apps;
use shared::aws::Services;
use shared::config::variable::{LATER_QUEUE_URL, WEBHOOK_QUEUE_URL};
use shared::event::PublishRequest;
use shared::{publish, signature};

async fn publish(
    services: &Services,
    apps: &Apps,
    request: Request,
) -> Result<Response<Body>, shared::error::Error> {
    let now = received_at(&request);
    let signed = signed(&request);
    let app = signature::authenticate(apps, app_id(signed.path, "events")?, signed, now)?;
    let request = PublishRequest::parse(signed.body, app.settings())?;
    publish::publish(services, app, &request, now).await?;
    Ok(json(StatusCode::OK, &serde_json::Map::new()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = functions::start_with(&[LATER_QUEUE_URL, WEBHOOK_QUEUE_URL]);
    let (services, apps) = (&Services::new(&config), &config.apps);
    let handler = |request| async move {
        let published = publish(services, apps, request).await;
        services.tell_webhooks().await;
        Ok::<_, Error>(respond(published))
    };
    functions::http::run(service_fn(handler)).await
}
