//! `$disconnect`: forgets a connection and all its subscriptions.

use functions::websocket::{Answer, WebSocketEvent};
use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use shared::aws::Services;
use shared::lifecycle;

async fn disconnect(services: &Services, event: WebSocketEvent) -> Result<Answer, Diagnostic> {
    let id = event.request_context.connection_id;
    match lifecycle::forget(services, &id, functions::now()).await {
        Ok(()) => Ok(Answer::OK),
        Err(fault) => Err(functions::failed(&fault)),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let services = &Services::new(&functions::start());
    let handler = |event: LambdaEvent<WebSocketEvent>| disconnect(services, event.payload);
    lambda_runtime::run(service_fn(handler)).await
}
