//! Two queues: does what the messages of `later` ask for, and delivers to large channels what waits in
//! the other one, in its order.

use std::process::ExitCode;

use functions::queue::{Answer, QueueEvent};
use functions::run::run;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use shared::config::variable::{LATER_QUEUE_URL, WEBHOOK_QUEUE_URL};
use shared::deployment::Deployment;
use shared::fanout::Pacer;
use shared::later;

async fn perform(
    deployment: &Deployment,
    pacer: &Pacer,
    event: QueueEvent,
) -> Result<Answer, Diagnostic> {
    let now = event.received_at().unwrap_or_else(functions::now);
    let services = functions::services(deployment).await?;
    let failed = later::perform_all(&services, pacer, event.messages(), now).await;
    Ok(Answer::failed(failed))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let config = functions::start_with(&[LATER_QUEUE_URL, WEBHOOK_QUEUE_URL]);
    let (deployment, pacer) = (&Deployment::new(&config), &Pacer::new(&config));
    let handler = |event: LambdaEvent<QueueEvent>| perform(deployment, pacer, event.payload);
    run(deployment, service_fn(handler)).await
}
