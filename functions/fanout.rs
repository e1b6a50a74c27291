//! The queue of delayed messages: does what each of them asks for.

use std::process::ExitCode;

use functions::queue::{Answer, QueueEvent};
use functions::run::run;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use shared::aws::Services;
use shared::config::variable::{LATER_QUEUE_URL, WEBHOOK_QUEUE_URL};
use shared::later;

async fn perform(services: &Services, event: QueueEvent) -> Result<Answer, Error> {
    let now = event.received_at().unwrap_or_else(functions::now);
    let failed = later::perform_all(services, event.messages(), now).await;
    Ok(Answer::failed(failed))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let services = &Services::new(&functions::start_with(&[
        LATER_QUEUE_URL,
        WEBHOOK_QUEUE_URL,
    ]));
    let handler = |event: LambdaEvent<QueueEvent>| perform(services, event.payload);
    run(services, service_fn(handler)).await
}
