//! `$disconnect`: forgets a connection and all its subscriptions.

use std::process::ExitCode;

use crate::events::websocket::{Answer, WebSocketEvent};
use crate::runtime::log;
use crate::runtime::run::run;
use crate::runtime::start::deployment;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use shared::config::variable::{LATER_QUEUE_URL, WEBHOOK_QUEUE_URL};
use shared::connections::end;
use shared::deployment::Deployment;

async fn disconnect(deployment: &Deployment, event: WebSocketEvent) -> Result<Answer, Diagnostic> {
    let context = event.request_context;
    log::about(&context.connection_id);
    let now = context.request_time_epoch;
    let services = crate::runtime::start::services(deployment).await?;
    let forgotten = end::disconnected(&services, &context.connection_id, now).await;
    services.tell_webhooks().await;
    match forgotten {
        Ok(()) => Ok(Answer::OK),
        Err(fault) => Err(crate::runtime::start::failed(&fault)),
    }
}

/// Runs the function until its runtime ends.
#[must_use]
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> ExitCode {
    let deployment = &deployment(&crate::runtime::start::start_with(&[
        LATER_QUEUE_URL,
        WEBHOOK_QUEUE_URL,
    ]));
    let handler = |event: LambdaEvent<WebSocketEvent>| disconnect(deployment, event.payload);
    run(deployment, service_fn(handler)).await
}
