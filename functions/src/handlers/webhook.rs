//! The queue of webhooks: tells apps' own servers what has happened.

use std::process::ExitCode;

use crate::events::queue::{Answer, QueueEvent};
use crate::runtime::run::run;
use crate::runtime::start::deployment;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use shared::config::variable::{WEBHOOK_DEAD_QUEUE_URL, WEBHOOK_QUEUE_URL};
use shared::deployment::Deployment;
use shared::pusher;
use shared::webhooks::notifier::Notifier;

async fn deliver(
    deployment: &Deployment,
    notifier: &Notifier,
    event: QueueEvent,
) -> Result<Answer, Diagnostic> {
    let services = crate::runtime::start::services(deployment).await?;
    let failed = notifier.deliver_all(&services, event.messages()).await;
    Ok(Answer::failed(failed))
}

/// Runs the function until its runtime ends.
#[must_use]
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> ExitCode {
    let config = crate::runtime::start::start_with(&[WEBHOOK_QUEUE_URL, WEBHOOK_DEAD_QUEUE_URL]);
    let notifier =
        &Notifier::new(&config, pusher::webhook::request).expect("both queues were asked for");
    let deployment = &deployment(&config);
    let handler = |event: LambdaEvent<QueueEvent>| deliver(deployment, notifier, event.payload);
    run(deployment, service_fn(handler)).await
}
