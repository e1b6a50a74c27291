//! `$default`: one frame from a client in, its answer posted back.

use functions::websocket::{Answer, WebSocketEvent};
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use shared::config::variable::{FANOUT_QUEUE_URL, LATER_QUEUE_URL, WEBHOOK_QUEUE_URL};
use shared::deployment::Deployment;
use shared::message::{self, Message};

async fn receive(deployment: &Deployment, event: WebSocketEvent) -> Result<Answer, Diagnostic> {
    let message = Message {
        id: event.request_context.connection_id,
        at: event.request_context.request_time_epoch,
        text: event.body.unwrap_or_default(),
    };
    let services = functions::services(deployment).await?;
    message::receive(&services, message).await;
    Ok(Answer::OK)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let deployment = &Deployment::new(&functions::start_with(&[
        FANOUT_QUEUE_URL,
        LATER_QUEUE_URL,
        WEBHOOK_QUEUE_URL,
    ]));
    let handler = |event: LambdaEvent<WebSocketEvent>| receive(deployment, event.payload);
    lambda_runtime::run(service_fn(handler)).await
}
