//! A standard queue: what becomes of a message from its sending to its deletion or its death. It
//! knows no clock: the time is an argument, in unix milliseconds.
//!
//! A message is waiting, in flight or dead:
//! 1. It waits until it is due.
//! 2. A receiver takes it: it is in flight. The receiver deletes it or gives it back.
//! 3. Given back, it is due again when its visibility timeout has passed since it was received.
//! 4. After the last receive that the queue allows, it moves to the dead-letter queue.
//!
//! Unlike on SQS, a message in flight never comes back by itself. Its receiver here always says
//! what became of it, for every function ends before the timeout does.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::declared::Declaration;
use super::limits::{BATCH_MAX_BYTES, DEAD_MAX, QUEUE_MAX_BYTES};
use super::message::Message;

/// A queue and its dead-letter queue.
#[derive(Debug)]
pub struct Queue {
    declared: &'static Declaration,
    /// By when they are due, and then by when they came.
    waiting: BTreeMap<(u64, u64), Message>,
    /// With when they are due if they are given back. By their ids.
    in_flight: HashMap<String, (u64, Message)>,
    dead: VecDeque<Message>,
    /// Counts what came, and came back.
    came: u64,
    bytes: usize,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(declared: &'static Declaration) -> Self {
        Self {
            declared,
            waiting: BTreeMap::new(),
            in_flight: HashMap::new(),
            dead: VecDeque::new(),
            came: 0,
            bytes: 0,
        }
    }

    /// Takes a message that is due at a time. `false`: there is no room.
    #[must_use]
    pub fn send(&mut self, message: Message, due_ms: u64) -> bool {
        if self.bytes + message.body.len() > QUEUE_MAX_BYTES {
            return false;
        }
        self.bytes += message.body.len();
        self.wait(message, due_ms);
        true
    }

    fn wait(&mut self, message: Message, due_ms: u64) {
        self.waiting.insert((due_ms, self.came), message);
        self.came += 1;
    }

    /// Hands out what is due: a batch at most, and no more bytes than one event holds.
    pub fn receive(&mut self, now_ms: u64) -> Vec<Message> {
        let visibility_ms = u64::try_from(self.declared.visibility.as_millis()).unwrap_or(u64::MAX);
        let due_again_ms = now_ms.saturating_add(visibility_ms);
        let mut batch = Vec::new();
        let mut room = BATCH_MAX_BYTES;
        while let Some(first) = self.waiting.first_entry() {
            let due = first.key().0 <= now_ms;
            if !due || batch.len() == self.declared.batch_size || first.get().body.len() > room {
                break;
            }
            let mut message = first.remove();
            if message.receives >= self.declared.max_receive_count {
                self.bury(message);
                continue;
            }
            room -= message.body.len();
            message.receives += 1;
            message.first_received_ms.get_or_insert(now_ms);
            let id = message.id.clone();
            self.in_flight.insert(id, (due_again_ms, message.clone()));
            batch.push(message);
        }
        batch
    }

    /// Takes a message that was sent to the dead-letter queue itself.
    pub fn send_dead(&mut self, message: Message) {
        self.bytes += message.body.len();
        self.bury(message);
    }

    fn bury(&mut self, message: Message) {
        self.bytes -= message.body.len();
        if self.dead.len() == DEAD_MAX {
            self.dead.pop_front();
        }
        self.dead.push_back(message);
    }

    /// Deletes a message that is in flight.
    pub fn delete(&mut self, id: &str) {
        if let Some((_, message)) = self.in_flight.remove(id) {
            self.bytes -= message.body.len();
        }
    }

    /// Gives back a message that is in flight.
    pub fn give_back(&mut self, id: &str) {
        if let Some((due_ms, message)) = self.in_flight.remove(id) {
            self.wait(message, due_ms);
        }
    }

    /// When the first of those that wait is due.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<u64> {
        self.waiting.keys().next().map(|(due_ms, _)| *due_ms)
    }

    /// How many wait, due or not.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The dead, the oldest first.
    pub fn dead(&self) -> impl Iterator<Item = &Message> {
        self.dead.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    static DECLARED: Declaration = Declaration {
        name: "q",
        function: "f",
        batch_size: 2,
        visibility: Duration::from_millis(100),
        max_receive_count: 2,
        dead_letter_queue: "d",
    };

    fn queue() -> Queue {
        Queue::new(&DECLARED)
    }

    fn send(queue: &mut Queue, id: &str, due_ms: u64) {
        assert!(queue.send(Message::new(id.to_owned(), "body".to_owned(), 0), due_ms));
    }

    fn received(queue: &mut Queue, now_ms: u64) -> Vec<String> {
        let batch = queue.receive(now_ms);
        batch.into_iter().map(|message| message.id).collect()
    }

    #[test]
    fn a_message_is_handed_out_when_it_is_due_and_not_before() {
        let mut queue = queue();
        send(&mut queue, "later", 50);
        send(&mut queue, "now", 0);
        assert_eq!(queue.next_due_ms(), Some(0));
        assert_eq!(received(&mut queue, 49), ["now"]);
        assert_eq!(queue.next_due_ms(), Some(50));
        assert_eq!(received(&mut queue, 50), ["later"]);
        assert_eq!(queue.next_due_ms(), None);
    }

    #[test]
    fn a_batch_has_so_many_messages_and_so_many_bytes() {
        let mut queue = queue();
        for id in ["a", "b", "c"] {
            send(&mut queue, id, 0);
        }
        assert_eq!(received(&mut queue, 0), ["a", "b"]);
        assert_eq!(received(&mut queue, 0), ["c"]);
        let big = "x".repeat(BATCH_MAX_BYTES / 2);
        for id in ["d", "e", "f"] {
            assert!(queue.send(Message::new(id.to_owned(), big.clone(), 0), 0));
        }
        assert_eq!(received(&mut queue, 0), ["d", "e"]);
        assert_eq!(received(&mut queue, 0), ["f"]);
    }

    #[test]
    fn what_is_in_flight_is_handed_to_nobody_else_and_what_is_deleted_to_nobody() {
        let mut queue = queue();
        send(&mut queue, "a", 0);
        assert_eq!(received(&mut queue, 0), ["a"]);
        assert_eq!((queue.waiting(), queue.in_flight()), (0, 1));
        assert!(received(&mut queue, 1_000).is_empty());
        queue.delete("a");
        queue.give_back("a");
        assert_eq!((queue.waiting(), queue.in_flight()), (0, 0));
        assert!(received(&mut queue, 1_000).is_empty());
    }

    #[test]
    fn what_is_given_back_comes_again_after_the_visibility_timeout() {
        let mut queue = queue();
        send(&mut queue, "a", 0);
        assert_eq!(received(&mut queue, 7), ["a"]);
        queue.give_back("a");
        assert!(received(&mut queue, 106).is_empty());
        let again = queue.receive(107);
        assert_eq!(
            (again[0].receives, again[0].first_received_ms),
            (2, Some(7))
        );
    }

    #[test]
    fn what_fails_as_often_as_it_may_is_dead() {
        let mut queue = queue();
        send(&mut queue, "bad", 0);
        for now_ms in [0, 100] {
            assert_eq!(received(&mut queue, now_ms), ["bad"]);
            queue.give_back("bad");
        }
        assert_eq!(queue.dead().count(), 0);
        send(&mut queue, "good", 200);
        assert_eq!(received(&mut queue, 200), ["good"]);
        let dead: Vec<_> = queue
            .dead()
            .map(|dead| (&*dead.id, dead.receives))
            .collect();
        assert_eq!(dead, [("bad", 2)]);
        assert_eq!(queue.waiting(), 0);
        queue.send_dead(Message::new("worse".to_owned(), "body".to_owned(), 0));
        assert_eq!((queue.dead().count(), queue.waiting()), (2, 0));
    }

    #[test]
    fn a_full_queue_takes_nothing_until_something_is_deleted() {
        let mut queue = queue();
        let full = |id: &str| Message::new(id.to_owned(), "x".repeat(QUEUE_MAX_BYTES), 0);
        assert!(queue.send(Message::new("a".to_owned(), "x".to_owned(), 0), 0));
        assert!(!queue.send(full("b"), 0));
        assert_eq!(received(&mut queue, 0), ["a"]);
        assert!(!queue.send(full("b"), 0));
        queue.delete("a");
        assert!(queue.send(full("b"), 0));
    }
}
