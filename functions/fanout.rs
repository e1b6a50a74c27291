//! The queue of delayed messages: does what each of them asks for.

use functions::queue::{Answer, QueueEvent};
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
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
async fn main() -> Result<(), Error> {
    let deployment = &Deployment::new(&functions::start_with(&[
        LATER_QUEUE_URL,
        WEBHOOK_QUEUE_URL,
    ]));
    let handler = |event: LambdaEvent<QueueEvent>| perform(deployment, event.payload);
    lambda_runtime::run(service_fn(handler)).await
}
