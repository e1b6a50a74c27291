//! `$default`: one frame from a client in, its answer posted back.

use std::process::ExitCode;

use crate::events::websocket::{Answer, WebSocketEvent};
use crate::runtime::log;
use crate::runtime::run::run;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use shared::config::variable::{FANOUT_QUEUE_URL, LATER_QUEUE_URL, WEBHOOK_QUEUE_URL};
use shared::connections::receive::{self, Message};
use shared::deployment::Deployment;

async fn receive(deployment: &Deployment, event: WebSocketEvent) -> Result<Answer, Diagnostic> {
    log::about(&event.request_context.connection_id);
    let message = Message {
        id: event.request_context.connection_id,
        at: event.request_context.request_time_epoch,
        text: event.body.unwrap_or_default(),
    };
    let services = crate::runtime::start::services(deployment).await?;
    receive::receive(&services, message).await;
    Ok(Answer::OK)
}

/// Runs the function until its runtime ends.
#[must_use]
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> ExitCode {
    let deployment = &Deployment::new(&crate::runtime::start::start_with(&[
        FANOUT_QUEUE_URL,
        LATER_QUEUE_URL,
        WEBHOOK_QUEUE_URL,
    ]));
    let handler = |event: LambdaEvent<WebSocketEvent>| receive(deployment, event.payload);
    run(deployment, service_fn(handler)).await
}
