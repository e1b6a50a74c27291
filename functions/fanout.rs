//! The queue of delayed messages: does what each of them asks for.

use std::process::ExitCode;

use functions::queue::{Answer, QueueEvent};
use functions::run::run;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use shared::config::variable::{LATER_QUEUE_URL, WEBHOOK_QUEUE_URL};
use shared::deployment::Deployment;
use shared::later;

async fn perform(deployment: &Deployment, event: QueueEvent) -> Result<Answer, Diagnostic> {
    let now = event.received_at().unwrap_or_else(functions::now);
    let services = functions::services(deployment).await?;
    let failed = later::perform_all(&services, event.messages(), now).await;
    Ok(Answer::failed(failed))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let deployment = &Deployment::new(&functions::start_with(&[
        LATER_QUEUE_URL,
        WEBHOOK_QUEUE_URL,
    ]));
    let handler = |event: LambdaEvent<QueueEvent>| perform(deployment, event.payload);
    run(deployment, service_fn(handler)).await
}
