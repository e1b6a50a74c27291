//! A schedule, every minute: finishes what nobody else has finished.

use std::process::ExitCode;

use crate::runtime::run::run;
use crate::runtime::start::deployment;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::IgnoredAny;
use shared::config::variable::{LATER_QUEUE_URL, WEBHOOK_QUEUE_URL};
use shared::connections::reap::{self, Reaped};
use shared::deployment::Deployment;

/// For whoever invokes it by hand.
#[derive(Serialize)]
struct Answer {
    done: u64,
    failed: u64,
}

async fn reap(deployment: &Deployment) -> Result<Answer, Diagnostic> {
    let services = crate::runtime::start::services(deployment).await?;
    // By this machine's clock: a schedule that comes late means what is due by now.
    let Reaped { done, failed } = reap::reap(&services, crate::runtime::start::now()).await;
    tracing::info!(done, failed, "reaped");
    Ok(Answer { done, failed })
}

/// Runs the function until its runtime ends.
#[must_use]
#[tokio::main(flavor = "current_thread")]
pub async fn main() -> ExitCode {
    let deployment = &deployment(&crate::runtime::start::start_with(&[
        LATER_QUEUE_URL,
        WEBHOOK_QUEUE_URL,
    ]));
    // What a schedule says of itself is not needed.
    let handler = |_: LambdaEvent<IgnoredAny>| reap(deployment);
    run(deployment, service_fn(handler)).await
}
