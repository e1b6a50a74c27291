//! The queue of webhooks: tells apps' own servers what has happened.

use std::process::ExitCode;

use functions::queue::{Answer, QueueEvent};
use functions::run::run;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use shared::config::variable::{WEBHOOK_DEAD_QUEUE_URL, WEBHOOK_QUEUE_URL};
use shared::notify::Notifier;

async fn deliver(notifier: &Notifier, event: QueueEvent) -> Result<Answer, Error> {
    let failed = notifier.deliver_all(event.messages()).await;
    Ok(Answer::failed(failed))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let config = functions::start_with(&[WEBHOOK_QUEUE_URL, WEBHOOK_DEAD_QUEUE_URL]);
    let notifier = &Notifier::new(&config).expect("both queues were asked for");
    let handler = |event: LambdaEvent<QueueEvent>| deliver(notifier, event.payload);
    run(notifier.services(), service_fn(handler)).await
}
