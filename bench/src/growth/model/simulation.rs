//! The simulation: one publication to a large channel on AWS, event by event, in simulated time. The model is
//! checked against it.
//!
//! The product's part follows the product's own rules: its pace, posts at once, pages, pauses after a 429, and
//! patience. AWS's part is a token bucket, a queue, and random latencies, the same ones each time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use shared::model::limits::{
    FANOUT_PAGE_MAX, FANOUT_PATIENCE, POST_CONCURRENCY, QUEUE_BATCH_MAX, THROTTLE_PAUSES,
};
use shared::model::pace::Pace;

use super::assumptions::{Account, HAND_OVER, POST, SEND, SENDS_AT_ONCE, TABLE, Workers};
use super::bucket::Bucket;
use super::chance::Chance;
use super::outcome::Outcome;
use crate::figures::micros;

/// How long a message that was taken is hidden, done or not (the template's `VisibilityTimeout`).
const VISIBILITY_MICROS: u64 = 60_000_000;

/// What happens at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A worker begins to take messages.
    Came(usize),
    /// Some messages more are in the queue, up to one.
    Sent(usize),
    /// A message is in the queue again.
    Visible(usize),
    /// A worker is invoked.
    Begun(usize),
    /// A message's first subscribers are read.
    Read(usize),
    /// It is a post's turn: which message's, and how often it was refused.
    Turn(usize, usize),
    /// A post is answered 200.
    Delivered(usize),
    /// A post is answered 429.
    Refused(usize, usize),
    /// The pause after that is over.
    Paused(usize, usize),
    /// It is noted how far a message has come.
    Noted(usize),
}

/// A message to one shard.
struct ShardMessage {
    /// Who has it.
    worker: usize,
    taken_at: u64,
    deadline: u64,
    /// Subscribers on the page that were not begun yet, and on the pages after it.
    on_page: u64,
    after_page: u64,
    /// Whether the page is full, so that another one follows, if only an empty one.
    is_full: bool,
    in_flight: usize,
    /// Whether the next post waits for its turn: one after the other does.
    is_waiting: bool,
    /// Whether there is no time left.
    is_overdue: bool,
}

struct SimulatedWorker {
    pace: Pace,
    batch: Vec<usize>,
    open: usize,
}

struct Simulation {
    now: u64,
    /// By time, and by number where that is the same.
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    number: u64,
    chance: Chance,
    bucket: Bucket,
    batch_size: usize,
    workers: Vec<SimulatedWorker>,
    free: VecDeque<usize>,
    messages: Vec<ShardMessage>,
    queue: VecDeque<usize>,
    sent: usize,
    in_flight: u64,
    outcome: Outcome,
}

/// Publishes once to a channel with so many subscribers in each shard.
pub(crate) fn simulate(
    in_shards: &[u64],
    workers: Workers,
    account: Account,
    seed: u64,
) -> Outcome {
    let count = usize::try_from(workers.count).expect("as many as fit memory");
    let message = |subscribers: &u64| ShardMessage {
        worker: 0,
        taken_at: 0,
        deadline: 0,
        on_page: 0,
        after_page: *subscribers,
        is_full: true,
        in_flight: 0,
        is_waiting: false,
        is_overdue: false,
    };
    let worker = |_| SimulatedWorker {
        pace: workers.pace(),
        batch: Vec::new(),
        open: 0,
    };
    let mut simulation = Simulation {
        now: 0,
        events: BinaryHeap::new(),
        number: 0,
        chance: Chance::new(seed),
        bucket: Bucket::new(account),
        batch_size: workers.batch_size,
        workers: (0..count).map(worker).collect(),
        free: VecDeque::new(),
        messages: in_shards.iter().map(message).collect(),
        queue: VecDeque::new(),
        sent: 0,
        in_flight: 0,
        outcome: Outcome::default(),
    };
    for (number, worker) in (0..workers.count).zip(0..count) {
        let at = micros(workers.coming.secs(number));
        simulation.after(at, Event::Came(worker));
    }
    simulation.publish();
    while let Some(Reverse((at, _, event))) = simulation.events.pop() {
        simulation.now = at;
        simulation.happen(event);
    }
    simulation.outcome
}

impl Simulation {
    fn after(&mut self, micros: u64, event: Event) {
        self.number += 1;
        let at = self.now + micros;
        self.events.push(Reverse((at, self.number, event)));
    }

    /// The publisher's part: a serial, the log, and the messages, some requests at once.
    fn publish(&mut self) {
        let logged = self.chance.draw(TABLE) + self.chance.draw(TABLE);
        let mut lanes = [logged; SENDS_AT_ONCE];
        let mut last = 0;
        while last < self.messages.len() {
            last = (last + QUEUE_BATCH_MAX).min(self.messages.len());
            let lane = lanes.iter_mut().min().expect("there are lanes");
            *lane += self.chance.draw(SEND);
            let at = *lane;
            self.after(at, Event::Sent(last));
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Sent(last) => {
                self.queue.extend(self.sent..last.max(self.sent));
                self.sent = self.sent.max(last);
                self.hand_out();
            }
            Event::Came(worker) => {
                self.free.push_back(worker);
                self.hand_out();
            }
            Event::Visible(message) => {
                self.queue.push_back(message);
                self.hand_out();
            }
            Event::Begun(worker) => {
                for message in std::mem::take(&mut self.workers[worker].batch) {
                    self.messages[message].deadline =
                        self.now + micros(FANOUT_PATIENCE.as_secs_f64());
                    let read = self.chance.draw(TABLE);
                    self.after(read, Event::Read(message));
                }
            }
            // The next page is read while this one is served.
            Event::Read(message) | Event::Noted(message) => self.turn_page(message),
            Event::Turn(message, refused) => {
                if refused == 0 && !self.begin(message) {
                    return;
                }
                self.post(message, refused);
                self.go_on(message);
            }
            Event::Delivered(message) => {
                self.outcome.served += 1;
                self.outcome.micros = self.now;
                self.end(message);
            }
            Event::Refused(message, refused) => match THROTTLE_PAUSES.get(refused) {
                Some(pause) => {
                    let pause = pause.as_secs_f64() * (0.5 + self.chance.part());
                    self.after(micros(pause), Event::Paused(message, refused + 1));
                }
                None => {
                    self.outcome.dropped += 1;
                    self.end(message);
                }
            },
            Event::Paused(message, refused) => {
                let wait = self.take_turn(message);
                self.after(wait, Event::Turn(message, refused));
            }
        }
    }

    /// Gives free workers what waits.
    fn hand_out(&mut self) {
        while !self.queue.is_empty()
            && let Some(worker) = self.free.pop_front()
        {
            let some = self.batch_size.min(self.queue.len());
            let batch: Vec<usize> = self.queue.drain(..some).collect();
            for &message in &batch {
                self.messages[message].worker = worker;
                self.messages[message].taken_at = self.now;
            }
            self.workers[worker].open = batch.len();
            self.workers[worker].batch = batch;
            let handed_over = self.chance.draw(HAND_OVER);
            self.after(handed_over, Event::Begun(worker));
        }
    }

    fn turn_page(&mut self, at: usize) {
        let message = &mut self.messages[at];
        let page = u64::from(FANOUT_PAGE_MAX);
        message.on_page = message.after_page.min(page);
        message.after_page -= message.on_page;
        message.is_full = message.on_page == page;
        self.go_on(at);
    }

    fn take_turn(&mut self, message: usize) -> u64 {
        let worker = self.messages[message].worker;
        self.workers[worker].pace.take(self.now)
    }

    /// Has the next post wait for its turn, if there is room for it, or ends the page.
    fn go_on(&mut self, at: usize) {
        let message = &self.messages[at];
        if message.is_waiting {
            return;
        }
        if message.on_page > 0 && !message.is_overdue {
            if message.in_flight < POST_CONCURRENCY {
                self.messages[at].is_waiting = true;
                let wait = self.take_turn(at);
                self.after(wait, Event::Turn(at, 0));
            }
        } else if message.in_flight == 0 {
            self.end_page(at);
        }
    }

    fn end_page(&mut self, at: usize) {
        let message = &mut self.messages[at];
        if message.is_overdue {
            message.after_page += message.on_page;
            (message.on_page, message.is_overdue) = (0, false);
            let visible = message.taken_at + VISIBILITY_MICROS - self.now;
            self.outcome.given_back += 1;
            self.after(visible, Event::Visible(at));
        } else if message.is_full {
            let noted = self.chance.draw(TABLE);
            self.after(noted, Event::Noted(at));
            return;
        }
        let worker = self.messages[at].worker;
        self.workers[worker].open -= 1;
        if self.workers[worker].open == 0 {
            self.free.push_back(worker);
            self.hand_out();
        }
    }

    /// Begins a post, if there is time for it.
    fn begin(&mut self, at: usize) -> bool {
        let message = &mut self.messages[at];
        message.is_waiting = false;
        message.is_overdue = self.now >= message.deadline;
        if message.is_overdue {
            self.go_on(at);
            return false;
        }
        message.on_page -= 1;
        message.in_flight += 1;
        self.in_flight += 1;
        self.outcome.in_flight = self.outcome.in_flight.max(self.in_flight);
        true
    }

    fn post(&mut self, message: usize, refused: usize) {
        let event = if self.bucket.takes(self.now) {
            Event::Delivered(message)
        } else {
            self.outcome.refused += 1;
            Event::Refused(message, refused)
        };
        let answered = self.chance.draw(POST);
        self.after(answered, event);
    }

    fn end(&mut self, at: usize) {
        self.messages[at].in_flight -= 1;
        self.in_flight -= 1;
        self.go_on(at);
    }
}
