//! Lambda's event source mapping. It receives messages from a queue and invokes the function with
//! them; it deletes those that succeeded, and gives back those that failed.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::events::queue::{event, failed};
use crate::host::dispatch::Host;
use crate::host::invocation::Outcome;
use crate::queues::live::{Batch, LiveQueue};
use crate::serving::stop::Stop;

/// Invocations of one mapping at once. Lambda begins with five, and adds more under load.
pub(crate) const CONCURRENCY: usize = 4;

/// Works until the system stops. Without the function there is nothing to do.
pub(crate) async fn run(queue: Arc<LiveQueue>, host: Host, mut stop: Stop) {
    if !host.has(queue.declared.function) {
        return;
    }
    let room = Arc::new(Semaphore::new(CONCURRENCY));
    loop {
        let turn = room.clone().acquire_owned();
        let next = async { (turn.await, queue.receive().await) };
        let (turn, batch) = tokio::select! {
            next = next => next,
            () = stop.stopped() => return,
        };
        let (queue, host) = (queue.clone(), host.clone());
        tokio::spawn(async move {
            invoke(&queue, &host, &batch).await;
            drop(turn);
        });
    }
}

async fn invoke(queue: &LiveQueue, host: &Host, batch: &Batch) {
    let messages = &batch.messages;
    let event = event(queue.declared.name, messages).to_string();
    let outcome = host.invoke(queue.declared.function, event.into()).await;
    let failed = match &outcome {
        Outcome::Answered(response) => failed(response, messages),
        Outcome::Failed(_) | Outcome::Throttled => failed(b"", messages),
    };
    queue.settle(batch, &failed);
}
