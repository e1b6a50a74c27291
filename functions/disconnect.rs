//! `$disconnect`: forgets a connection and all its subscriptions.

use functions::websocket::{Answer, WebSocketEvent};
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use shared::config::variable::{LATER_QUEUE_URL, WEBHOOK_QUEUE_URL};
use shared::deployment::Deployment;
use shared::lifecycle;

async fn disconnect(deployment: &Deployment, event: WebSocketEvent) -> Result<Answer, Diagnostic> {
    let context = event.request_context;
    let now = context.request_time_epoch;
    let services = functions::services(deployment).await?;
    let forgotten = lifecycle::forget(&services, &context.connection_id, now).await;
    services.tell_webhooks().await;
    match forgotten {
        Ok(()) => Ok(Answer::OK),
        Err(fault) => Err(functions::failed(&fault)),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let deployment = &Deployment::new(&functions::start_with(&[
        LATER_QUEUE_URL,
        WEBHOOK_QUEUE_URL,
    ]));
    let handler = |event: LambdaEvent<WebSocketEvent>| disconnect(deployment, event.payload);
    lambda_runtime::run(service_fn(handler)).await
}
