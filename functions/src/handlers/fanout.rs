//! Two queues: does what the messages of `later` ask for, and delivers to large channels what waits in
//! the other one, in its order.

use std::process::ExitCode;

use crate::events::queue::{Answer, QueueEvent};
use crate::runtime::run::run;
use crate::runtime::start::deployment;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use shared::config::variable::{LATER_QUEUE_URL, WEBHOOK_QUEUE_URL};
use shared::deployment::Deployment;
use shared::transport::pacer::Pacer;
use shared::worker;

async fn perform(
    deployment: &Deployment,
    pacer: &Pacer,
    event: QueueEvent,
) -> Result<Answer, Diagnostic> {
    let now = event
        .received_at()
        .unwrap_or_else(crate::runtime::start::now);
    let services = crate::runtime::start::services(deployment).await?;
    let failed = worker::perform_all(&services, pacer, event.messages(), now).await;
    Ok(Answer::failed(failed))
}

/// Runs the function until its runtime ends.
#[must_use]
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> ExitCode {
    let config = crate::runtime::start::start_with(&[LATER_QUEUE_URL, WEBHOOK_QUEUE_URL]);
    let (deployment, pacer) = (&deployment(&config), &Pacer::new(&config));
    let handler = |event: LambdaEvent<QueueEvent>| perform(deployment, pacer, event.payload);
    run(deployment, service_fn(handler)).await
}
