//! The queue of webhooks: tells apps' own servers what has happened.

use std::process::ExitCode;

use functions::queue::{Answer, QueueEvent};
use functions::run::run;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use shared::config::variable::{WEBHOOK_DEAD_QUEUE_URL, WEBHOOK_QUEUE_URL};
use shared::deployment::Deployment;
use shared::notify::Notifier;

async fn deliver(
    deployment: &Deployment,
    notifier: &Notifier,
    event: QueueEvent,
) -> Result<Answer, Diagnostic> {
    let services = functions::services(deployment).await?;
    let failed = notifier.deliver_all(&services, event.messages()).await;
    Ok(Answer::failed(failed))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let config = functions::start_with(&[WEBHOOK_QUEUE_URL, WEBHOOK_DEAD_QUEUE_URL]);
    let notifier = &Notifier::new(&config).expect("both queues were asked for");
    let deployment = &Deployment::new(&config);
    let handler = |event: LambdaEvent<QueueEvent>| deliver(deployment, notifier, event.payload);
    run(deployment, service_fn(handler)).await
}
