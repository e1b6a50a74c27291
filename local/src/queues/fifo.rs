//! A FIFO queue: what becomes of a message from its sending to its deletion or its death. It knows
//! no clock: the time is an argument, in unix milliseconds.
//!
//! - The messages of a group are delivered in the order in which they came.
//! - A group waits while one of its messages is in flight, and while the visibility timeout of one
//!   that was given back runs. A batch may hold several messages of a group, and several groups.
//! - A message with the deduplication id of one that came to its group in the last five minutes is
//!   the same message, even if the first was deleted meanwhile.
//! - As in a standard queue here, a message in flight never comes back by itself.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::declared::Declaration;
use super::limits::{BATCH_MAX_BYTES, DEAD_MAX, QUEUE_MAX_BYTES};
use super::message::{Message, Ordered};

/// For how long a message is known.
const KNOWN_MILLIS: u64 = 300_000;

/// What became of a message that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is in the queue, with this number.
    Taken(u64),
    /// It was known: this message is in the queue, or was, with this number.
    Known(String, u64),
    /// There is no room.
    NoRoom,
}

/// The messages of a group, in their order.
#[derive(Debug, Default)]
struct Group {
    /// Those in flight come first.
    messages: VecDeque<Message>,
    in_flight: usize,
    /// When those that were given back may be handed out again.
    due_ms: u64,
}

/// A queue and its dead-letter queue.
#[derive(Debug)]
pub struct FifoQueue {
    declared: &'static Declaration,
    groups: BTreeMap<String, Group>,
    /// With when they came, and their numbers. By their groups and names.
    known: HashMap<(String, String), (u64, String, u64)>,
    dead: VecDeque<Message>,
    came: u64,
    bytes: usize,
    /// The group that was served last: the next one has its turn before it.
    served: String,
}

impl FifoQueue {
    /// An empty queue.
    #[must_use]
    pub fn new(declared: &'static Declaration) -> Self {
        Self {
            declared,
            groups: BTreeMap::new(),
            known: HashMap::new(),
            dead: VecDeque::new(),
            came: 0,
            bytes: 0,
            served: String::new(),
        }
    }

    /// Takes a message of a group, unless it is known.
    pub fn send(&mut self, mut message: Message, ordered: Ordered, now_ms: u64) -> Sent {
        self.known
            .retain(|_, (came_ms, _, _)| came_ms.saturating_add(KNOWN_MILLIS) > now_ms);
        let name = (ordered.group.clone(), ordered.deduplication.clone());
        if let Some((_, id, number)) = self.known.get(&name) {
            return Sent::Known(id.clone(), *number);
        }
        if self.bytes + message.body.len() > QUEUE_MAX_BYTES {
            return Sent::NoRoom;
        }
        self.bytes += message.body.len();
        self.came += 1;
        let number = self.came;
        self.known
            .insert(name, (now_ms, message.id.clone(), number));
        let group = self.groups.entry(ordered.group.clone()).or_default();
        message.ordered = Some(Ordered { number, ..ordered });
        group.messages.push_back(message);
        Sent::Taken(number)
    }

    /// Hands out what is first in groups none of whose messages are in flight: a batch at most, and no
    /// more bytes than one event holds.
    pub fn receive(&mut self, now_ms: u64) -> Vec<Message> {
        let mut batch = Vec::new();
        let mut room = BATCH_MAX_BYTES;
        let ready = |(name, group): (&String, &Group)| {
            (group.in_flight == 0 && group.due_ms <= now_ms).then(|| name.clone())
        };
        let mut names: Vec<String> = self.groups.iter().filter_map(ready).collect();
        // Every group has its turn.
        let turn = names.partition_point(|name| *name <= self.served);
        names.rotate_left(turn);
        for name in names {
            let left = self.declared.batch_size - batch.len();
            let taken = self.take(&name, left, &mut room, now_ms);
            if !taken.is_empty() {
                self.served = name;
            }
            batch.extend(taken);
            if batch.len() == self.declared.batch_size || room == 0 {
                break;
            }
        }
        batch
    }

    /// Hands out the first of a group, so many at most.
    fn take(&mut self, name: &str, left: usize, room: &mut usize, now_ms: u64) -> Vec<Message> {
        let mut taken = Vec::new();
        let Some(group) = self.groups.get_mut(name) else {
            return taken;
        };
        while group.in_flight < left {
            let Some(message) = group.messages.get_mut(group.in_flight) else {
                break;
            };
            if message.receives >= self.declared.max_receive_count {
                let dead = group.messages.remove(group.in_flight);
                self.bytes -= dead.as_ref().map_or(0, |dead| dead.body.len());
                self.dead.extend(dead);
                continue;
            }
            if message.body.len() > *room {
                // The next one is another event's.
                *room = 0;
                break;
            }
            *room -= message.body.len();
            message.receives += 1;
            message.first_received_ms.get_or_insert(now_ms);
            group.in_flight += 1;
            taken.push(message.clone());
        }
        if group.messages.is_empty() {
            self.groups.remove(name);
        }
        while self.dead.len() > DEAD_MAX {
            self.dead.pop_front();
        }
        taken
    }

    /// Says what became of a batch: those that have failed are due again when the visibility timeout
    /// has passed since they were received, the others are deleted.
    pub fn settle(&mut self, batch: &[Message], failed: &[&str], received_ms: u64) {
        let visibility_ms = u64::try_from(self.declared.visibility.as_millis()).unwrap_or(u64::MAX);
        for message in batch {
            let Some(name) = message.ordered.as_ref().map(|ordered| &ordered.group) else {
                continue;
            };
            let Some(group) = self.groups.get_mut(name) else {
                continue;
            };
            group.in_flight = group.in_flight.saturating_sub(1);
            if failed.contains(&&*message.id) {
                group.due_ms = received_ms.saturating_add(visibility_ms);
                continue;
            }
            group.messages.retain(|other| other.id != message.id);
            self.bytes -= message.body.len();
            if group.messages.is_empty() {
                self.groups.remove(name);
            }
        }
    }

    /// Takes a message that was sent to the dead-letter queue itself.
    pub fn send_dead(&mut self, message: Message) {
        if self.dead.len() == DEAD_MAX {
            self.dead.pop_front();
        }
        self.dead.push_back(message);
    }

    /// When the first of those that wait is due.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<u64> {
        let waiting = self.groups.values().filter(|group| group.in_flight == 0);
        waiting.map(|group| group.due_ms).min()
    }

    /// How many wait, due or not.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let waiting = |group: &Group| group.messages.len() - group.in_flight;
        self.groups.values().map(waiting).sum()
    }

    /// How many are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.groups.values().map(|group| group.in_flight).sum()
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
        name: "q.fifo",
        function: "f",
        batch_size: 3,
        visibility: Duration::from_millis(100),
        max_receive_count: 2,
        dead_letter_queue: "d.fifo",
    };

    fn queue() -> FifoQueue {
        FifoQueue::new(&DECLARED)
    }

    /// A message whose name is its group and its place: `a1`.
    fn send(queue: &mut FifoQueue, name: &str, now_ms: u64) -> Sent {
        let ordered = Ordered::new(name[..1].to_owned(), name.to_owned());
        let message = Message::new(name.to_owned(), "body".to_owned(), now_ms);
        queue.send(message, ordered, now_ms)
    }

    fn send_all(queue: &mut FifoQueue, names: &[&str]) {
        for name in names {
            assert!(matches!(send(queue, name, 0), Sent::Taken(_)), "{name}");
        }
    }

    fn ids(batch: &[Message]) -> Vec<&str> {
        batch.iter().map(|message| &*message.id).collect()
    }

    #[test]
    fn a_group_is_handed_out_in_its_order_and_one_batch_of_it_at_a_time() {
        let mut queue = queue();
        send_all(&mut queue, &["a1", "a2", "a3", "a4", "b1"]);
        let first = queue.receive(0);
        assert_eq!(ids(&first), ["a1", "a2", "a3"]);
        // The other group goes on.
        let other = queue.receive(0);
        assert_eq!(ids(&other), ["b1"]);
        assert!(queue.receive(0).is_empty());
        assert_eq!((queue.waiting(), queue.in_flight()), (1, 4));
        queue.settle(&first, &[], 0);
        assert_eq!(ids(&queue.receive(0)), ["a4"]);
    }

    #[test]
    fn what_has_failed_comes_again_before_what_comes_after_it() {
        let mut queue = queue();
        send_all(&mut queue, &["a1", "a2", "a3", "a4"]);
        let first = queue.receive(7);
        queue.settle(&first, &["a2", "a3"], 7);
        assert!(queue.receive(106).is_empty());
        assert_eq!(queue.next_due_ms(), Some(107));
        let again = queue.receive(107);
        assert_eq!(ids(&again), ["a2", "a3", "a4"]);
        let receives: Vec<u32> = again.iter().map(|message| message.receives).collect();
        assert_eq!(receives, [2, 2, 1]);
    }

    #[test]
    fn every_group_has_its_turn() {
        let mut queue = queue();
        send_all(&mut queue, &["a1", "a2", "a3", "a4", "a5", "b1", "c1"]);
        let first = queue.receive(0);
        assert_eq!(ids(&first), ["a1", "a2", "a3"]);
        queue.settle(&first, &[], 0);
        let next = queue.receive(0);
        assert_eq!(ids(&next), ["b1", "c1", "a4"]);
    }

    #[test]
    fn a_message_that_is_known_is_taken_once_in_five_minutes() {
        let mut queue = queue();
        assert_eq!(send(&mut queue, "a1", 0), Sent::Taken(1));
        let known = Sent::Known("a1".to_owned(), 1);
        assert_eq!(send(&mut queue, "a1", 1), known);
        let batch = queue.receive(2);
        queue.settle(&batch, &[], 2);
        assert_eq!((queue.waiting(), queue.in_flight()), (0, 0));
        assert_eq!(send(&mut queue, "a1", KNOWN_MILLIS - 1), known);
        assert_eq!(send(&mut queue, "a1", KNOWN_MILLIS), Sent::Taken(2));
        // In another group it is another one.
        let ordered = Ordered::new("b".to_owned(), "a1".to_owned());
        let message = Message::new("b1".to_owned(), "body".to_owned(), 0);
        let sent = queue.send(message, ordered, KNOWN_MILLIS);
        assert_eq!(sent, Sent::Taken(3));
    }

    #[test]
    fn what_fails_as_often_as_it_may_is_dead_and_the_next_one_goes_on() {
        let mut queue = queue();
        send_all(&mut queue, &["a1"]);
        for now_ms in [0, 100] {
            let batch = queue.receive(now_ms);
            assert_eq!(ids(&batch), ["a1"]);
            queue.settle(&batch, &["a1"], now_ms);
        }
        send_all(&mut queue, &["a2"]);
        assert_eq!(ids(&queue.receive(200)), ["a2"]);
        let dead: Vec<_> = queue
            .dead()
            .map(|dead| (&*dead.id, dead.receives))
            .collect();
        assert_eq!(dead, [("a1", 2)]);
    }

    #[test]
    fn a_full_queue_takes_nothing_until_something_is_deleted() {
        let mut queue = queue();
        send_all(&mut queue, &["a1"]);
        let full = |queue: &mut FifoQueue| {
            let ordered = Ordered::new("b".to_owned(), "b".to_owned());
            let message = Message::new("b".to_owned(), "x".repeat(QUEUE_MAX_BYTES), 0);
            queue.send(message, ordered, 0)
        };
        assert_eq!(full(&mut queue), Sent::NoRoom);
        let batch = queue.receive(0);
        queue.settle(&batch, &[], 0);
        assert_eq!(full(&mut queue), Sent::Taken(2));
    }
}
