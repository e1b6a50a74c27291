//! `$default`: one frame from a client in, its answer posted back.

use std::process::ExitCode;

use functions::log;
use functions::run::run;
use functions::websocket::{Answer, WebSocketEvent};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use shared::aws::Services;
use shared::config::variable::{LATER_QUEUE_URL, WEBHOOK_QUEUE_URL};
use shared::message::{self, Message};

async fn receive(services: &Services, event: WebSocketEvent) -> Result<Answer, Error> {
    log::about(&event.request_context.connection_id);
    let message = Message {
        id: event.request_context.connection_id,
        at: event.request_context.request_time_epoch,
        text: event.body.unwrap_or_default(),
    };
    message::receive(services, message).await;
    Ok(Answer::OK)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let services = &Services::new(&functions::start_with(&[
        LATER_QUEUE_URL,
        WEBHOOK_QUEUE_URL,
    ]));
    let handler = |event: LambdaEvent<WebSocketEvent>| receive(services, event.payload);
    run(services, service_fn(handler)).await
}
