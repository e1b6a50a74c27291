//! Which queues there are, and which function the messages of each go to. The template declares
//! the same ones; `tests/template` compares them.

use std::time::Duration;

/// A queue and the function that its messages go to. All but the visibility timeout is as in the
/// template.
#[derive(Debug)]
pub struct Declaration {
    /// Its name.
    pub name: &'static str,
    /// The function that its messages go to.
    pub function: &'static str,
    /// Messages in one invocation, at most.
    pub batch_size: usize,
    /// How long after its delivery a failed message is due again. On AWS it is a multiple of the
    /// function's timeout, which would be too long to wait for here.
    pub visibility: Duration,
    /// How often a message is delivered before it is dead.
    pub max_receive_count: u32,
    /// Where the dead ones go.
    pub dead_letter_queue: &'static str,
}

/// Delayed messages.
pub const LATER: Declaration = Declaration {
    name: "later",
    function: "fanout",
    batch_size: 10,
    visibility: Duration::from_secs(1),
    max_receive_count: 5,
    dead_letter_queue: "later-dead",
};

/// Webhooks.
pub const WEBHOOKS: Declaration = Declaration {
    name: "webhooks",
    function: "webhook",
    batch_size: 10,
    visibility: Duration::from_secs(1),
    max_receive_count: 5,
    dead_letter_queue: "webhooks-dead",
};

/// Publications to large channels, in order.
pub const FANOUT: Declaration = Declaration {
    name: "fanout.fifo",
    function: "fanout",
    batch_size: 1,
    visibility: Duration::from_millis(300),
    max_receive_count: 10,
    dead_letter_queue: "fanout-dead.fifo",
};

/// Every queue.
pub const QUEUES: [&Declaration; 3] = [&LATER, &WEBHOOKS, &FANOUT];

impl Declaration {
    /// Whether it is a FIFO queue: its name says so.
    #[must_use]
    pub fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }
}
