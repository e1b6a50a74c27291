//! What Lambda's event source mapping does: it takes messages from a queue, invokes the function
//! with them, deletes those that it was done with, and gives back the others.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::events;
use crate::host::dispatch::Host;
use crate::host::function::Outcome;
use crate::queues::live::{Batch, LiveQueue};
use crate::serving::stop::Stop;

/// Invocations of one mapping at once. Lambda begins with five and takes more when there is more to
/// do.
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
    let event = events::queue(queue.declared.name, messages).to_string();
    let outcome = host.invoke(queue.declared.function, event.into()).await;
    let failed = match &outcome {
        Outcome::Answered(response) => events::failed(response, messages),
        Outcome::Failed(_) | Outcome::Throttled => events::failed(b"", messages),
    };
    queue.settle(batch, &failed);
}
