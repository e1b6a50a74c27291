//! A schedule, every minute: finishes what nobody else has finished.

use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::IgnoredAny;
use shared::config::variable::{LATER_QUEUE_URL, WEBHOOK_QUEUE_URL};
use shared::deployment::Deployment;
use shared::reap::{self, Reaped};

/// For whoever invokes it by hand.
#[derive(Serialize)]
struct Answer {
    done: u64,
    failed: u64,
}

async fn run(deployment: &Deployment) -> Result<Answer, Diagnostic> {
    let services = functions::services(deployment).await?;
    // By this machine's clock: a schedule that comes late means what is due by now.
    let Reaped { done, failed } = reap::reap(&services, functions::now()).await;
    tracing::info!(done, failed, "reaped");
    Ok(Answer { done, failed })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let deployment = &Deployment::new(&functions::start_with(&[
        LATER_QUEUE_URL,
        WEBHOOK_QUEUE_URL,
    ]));
    // What a schedule says of itself is not needed.
    let handler = |_: LambdaEvent<IgnoredAny>| run(deployment);
    lambda_runtime::run(service_fn(handler)).await
}
