//! `$disconnect`: forgets a connection and all its subscriptions.

use std::process::ExitCode;

use functions::log;
use functions::run::run;
use functions::websocket::{Answer, WebSocketEvent};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use shared::aws::Services;
use shared::config::variable::{LATER_QUEUE_URL, WEBHOOK_QUEUE_URL};
use shared::lifecycle;

async fn disconnect(services: &Services, event: WebSocketEvent) -> Result<Answer, Diagnostic> {
    let context = event.request_context;
    log::about(&context.connection_id);
    let now = context.request_time_epoch;
    let forgotten = lifecycle::forget(services, &context.connection_id, now).await;
    services.tell_webhooks().await;
    match forgotten {
        Ok(()) => Ok(Answer::OK),
        Err(fault) => Err(functions::failed(&fault)),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let services = &Services::new(&functions::start_with(&[
        LATER_QUEUE_URL,
        WEBHOOK_QUEUE_URL,
    ]));
    let handler = |event: LambdaEvent<WebSocketEvent>| disconnect(services, event.payload);
    run(services, service_fn(handler)).await
}
