//! The queues that there are. Their messages are in memory and end with the system.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::events::Time;
use crate::queue::{Declaration, Message, QUEUES, Queue};

/// A queue in use.
pub struct LiveQueue {
    /// What it is.
    pub declared: &'static Declaration,
    queue: Mutex<Queue>,
    /// Something came, or came back. One waits for it.
    came: Notify,
}

impl LiveQueue {
    fn new(declared: &'static Declaration) -> Self {
        Self {
            declared,
            queue: Mutex::new(Queue::new(declared)),
            came: Notify::new(),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message that is due after a delay. `false`: there is no room.
    #[must_use]
    pub fn send(&self, id: String, body: String, delay: Duration) -> bool {
        let now_ms = Time::now().epoch_ms;
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        let message = Message::new(id, body, now_ms);
        let taken = self.queue().send(message, now_ms.saturating_add(delay_ms));
        self.came.notify_one();
        taken
    }

    /// The next messages, as soon as one is due: a batch at most.
    pub async fn receive(&self) -> Vec<Message> {
        loop {
            let (batch, due_ms) = {
                let mut queue = self.queue();
                let batch = queue.receive(Time::now().epoch_ms);
                (batch, queue.next_due_ms())
            };
            if !batch.is_empty() {
                return batch;
            }
            let due = async {
                match due_ms {
                    Some(due_ms) => {
                        let left_ms = due_ms.saturating_sub(Time::now().epoch_ms);
                        sleep(Duration::from_millis(left_ms)).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.came.notified() => {}
            }
        }
    }

    /// Says what became of messages that were received.
    pub fn settle(&self, messages: &[Message], failed: &[&str]) {
        let mut queue = self.queue();
        for Message { id, .. } in messages {
            if failed.contains(&&**id) {
                queue.give_back(id);
            } else {
                queue.delete(id);
            }
        }
        drop(queue);
        self.came.notify_one();
    }

    /// What is in it, and what is dead.
    fn shown(&self) -> Value {
        let queue = self.queue();
        let dead = queue.dead().map(|message| {
            json!({
                "id": message.id,
                "body": message.body,
                "sent_ms": message.sent_ms,
                "receives": message.receives,
            })
        });
        json!({
            "name": self.declared.name,
            "waiting": queue.waiting(),
            "in_flight": queue.in_flight(),
            "dead_letter_queue": self.declared.dead_letter_queue,
            "dead": dead.collect::<Vec<_>>(),
        })
    }
}

/// What a queue's name stands for.
#[derive(Clone, Copy)]
pub enum Destination<'a> {
    /// The queue.
    Queue(&'a LiveQueue),
    /// The dead-letter queue of one.
    DeadLetters(&'a LiveQueue),
}

impl Destination<'_> {
    /// Takes a message that is due after a delay; nobody is handed a dead one. `false`: there is no
    /// room.
    #[must_use]
    pub fn send(self, id: String, body: String, delay: Duration) -> bool {
        match self {
            Self::Queue(queue) => queue.send(id, body, delay),
            Self::DeadLetters(of) => {
                let message = Message::new(id, body, Time::now().epoch_ms);
                of.queue().send_dead(message);
                true
            }
        }
    }
}

/// All queues. Cheap to clone.
#[derive(Clone)]
pub struct Queues(Arc<[Arc<LiveQueue>]>);

impl Queues {
    /// All of them, empty.
    #[must_use]
    pub fn new() -> Self {
        let live = QUEUES.map(|declared| Arc::new(LiveQueue::new(declared)));
        Self(Arc::new(live))
    }

    /// Where messages go that are sent to a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Destination<'_>> {
        self.0.iter().find_map(|queue| {
            if queue.declared.name == name {
                Some(Destination::Queue(queue))
            } else if queue.declared.dead_letter_queue == name {
                Some(Destination::DeadLetters(queue))
            } else {
                None
            }
        })
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<LiveQueue>> {
        self.0.iter()
    }

    /// What is in them, and what is dead.
    #[must_use]
    pub fn shown(&self) -> Value {
        self.0.iter().map(|queue| queue.shown()).collect()
    }
}

impl Default for Queues {
    fn default() -> Self {
        Self::new()
    }
}
