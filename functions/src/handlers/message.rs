//! `$default`: one frame from a client in, its answer posted back.

use std::process::ExitCode;

use crate::events::websocket::{Answer, WebSocketEvent};
use crate::runtime::log;
use crate::runtime::run::run;
use crate::runtime::start::deployment;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use shared::config::variable::{FANOUT_QUEUE_URL, LATER_QUEUE_URL, WEBHOOK_QUEUE_URL};
use shared::connections::receive;
use shared::deployment::Deployment;
use shared::model::voice::{Client, Voice};

async fn receive(deployment: &Deployment, event: WebSocketEvent) -> Result<Answer, Diagnostic> {
    log::about(&event.request_context.connection_id);
    let context = &event.request_context;
    let client = Client {
        id: &context.connection_id,
        voice: Voice::default(),
    };
    let text = event.body.as_deref().unwrap_or_default();
    let services = crate::runtime::start::services(deployment).await?;
    receive::receive(&services, client, text, context.request_time_epoch).await;
    Ok(Answer::OK)
}

/// Runs the function until its runtime ends.
#[must_use]
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> ExitCode {
    let deployment = &deployment(&crate::runtime::start::start_with(&[
        FANOUT_QUEUE_URL,
        LATER_QUEUE_URL,
        WEBHOOK_QUEUE_URL,
    ]));
    let handler = |event: LambdaEvent<WebSocketEvent>| receive(deployment, event.payload);
    run(deployment, service_fn(handler)).await
}
