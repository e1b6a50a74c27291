//! The queues in use, with a clock and with waiting. Their messages are in memory, and are gone when
//! the system stops.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::declared::{Declaration, QUEUES};
use super::fifo::{FifoQueue, Sent};
use super::message::{Message, Ordered};
use super::standard::Queue;
use crate::time::Time;

/// A queue of either kind.
enum AnyQueue {
    Standard(Queue),
    Fifo(FifoQueue),
}

impl AnyQueue {
    fn receive(&mut self, now_ms: u64) -> Vec<Message> {
        match self {
            Self::Standard(queue) => queue.receive(now_ms),
            Self::Fifo(queue) => queue.receive(now_ms),
        }
    }

    fn next_due_ms(&self) -> Option<u64> {
        match self {
            Self::Standard(queue) => queue.next_due_ms(),
            Self::Fifo(queue) => queue.next_due_ms(),
        }
    }

    fn send_dead(&mut self, message: Message) {
        match self {
            Self::Standard(queue) => queue.send_dead(message),
            Self::Fifo(queue) => queue.send_dead(message),
        }
    }

    fn settle(&mut self, batch: &[Message], failed: &[&str], received_ms: u64) {
        match self {
            Self::Standard(queue) => {
                for Message { id, .. } in batch {
                    if failed.contains(&&**id) {
                        queue.give_back(id);
                    } else {
                        queue.delete(id);
                    }
                }
            }
            Self::Fifo(queue) => queue.settle(batch, failed, received_ms),
        }
    }

    /// How many wait, how many are in flight, and the dead.
    fn state(&self) -> (usize, usize, Vec<&Message>) {
        match self {
            Self::Standard(queue) => (queue.waiting(), queue.in_flight(), queue.dead().collect()),
            Self::Fifo(queue) => (queue.waiting(), queue.in_flight(), queue.dead().collect()),
        }
    }
}

/// A batch that was received.
pub struct Batch {
    /// Its messages.
    pub messages: Vec<Message>,
    received_ms: u64,
}

/// A queue in use.
pub struct LiveQueue {
    /// What it is.
    pub declared: &'static Declaration,
    queue: Mutex<AnyQueue>,
    /// A message came, or came back. One receiver waits for it.
    came: Notify,
}

impl LiveQueue {
    fn new(declared: &'static Declaration) -> Self {
        let queue = if declared.is_fifo() {
            AnyQueue::Fifo(FifoQueue::new(declared))
        } else {
            AnyQueue::Standard(Queue::new(declared))
        };
        Self {
            declared,
            queue: Mutex::new(queue),
            came: Notify::new(),
        }
    }

    fn queue(&self) -> MutexGuard<'_, AnyQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message that is due after a delay, or has its place in an order.
    #[must_use]
    pub fn send(&self, id: String, body: String, when: When) -> Sent {
        let now_ms = Time::now().epoch_ms;
        let message = Message::new(id, body, now_ms);
        let sent = match (&mut *self.queue(), when) {
            (AnyQueue::Standard(queue), When::After(delay)) => {
                let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                if queue.send(message, now_ms.saturating_add(delay_ms)) {
                    Sent::Taken(0)
                } else {
                    Sent::NoRoom
                }
            }
            (AnyQueue::Fifo(queue), When::InOrder(ordered)) => queue.send(message, ordered, now_ms),
            (AnyQueue::Standard(_), When::InOrder(_)) | (AnyQueue::Fifo(_), When::After(_)) => {
                Sent::NoRoom
            }
        };
        self.came.notify_one();
        sent
    }

    /// The next messages, as soon as one is due: a batch at most.
    pub async fn receive(&self) -> Batch {
        loop {
            let received_ms = Time::now().epoch_ms;
            let (messages, due_ms) = {
                let mut queue = self.queue();
                let messages = queue.receive(received_ms);
                (messages, queue.next_due_ms())
            };
            if !messages.is_empty() {
                return Batch {
                    messages,
                    received_ms,
                };
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
    pub fn settle(&self, batch: &Batch, failed: &[&str]) {
        let Batch {
            messages,
            received_ms,
        } = batch;
        self.queue().settle(messages, failed, *received_ms);
        self.came.notify_one();
    }

    /// What is in it, and what is dead.
    fn shown(&self) -> Value {
        let queue = self.queue();
        let (waiting, in_flight, dead) = queue.state();
        let dead = dead.into_iter().map(|message| {
            json!({
                "id": message.id,
                "body": message.body,
                "sent_ms": message.sent_ms,
                "receives": message.receives,
            })
        });
        json!({
            "name": self.declared.name,
            "waiting": waiting,
            "in_flight": in_flight,
            "dead_letter_queue": self.declared.dead_letter_queue,
            "dead": dead.collect::<Vec<_>>(),
        })
    }
}

/// When a message is to be handed out.
pub enum When {
    /// By a standard queue, after a delay.
    After(Duration),
    /// By a FIFO queue, when it is its turn.
    InOrder(Ordered),
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
    /// Whether the queue keeps an order.
    #[must_use]
    pub fn is_fifo(self) -> bool {
        match self {
            Self::Queue(of) | Self::DeadLetters(of) => of.declared.is_fifo(),
        }
    }

    /// Takes a message; nobody is handed a dead one.
    #[must_use]
    pub fn send(self, id: String, body: String, when: When) -> Sent {
        match self {
            Self::Queue(queue) => queue.send(id, body, when),
            Self::DeadLetters(of) => {
                let message = Message::new(id, body, Time::now().epoch_ms);
                of.queue().send_dead(message);
                Sent::Taken(0)
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
