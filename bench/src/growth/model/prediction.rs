//! The model: how long one publication to a large channel takes on AWS, what it needs and what it costs.
//!
//! It assumes that every batch is full while enough messages wait (Lambda mixes groups in one: "Configuring
//! scaling behavior for SQS event source mappings"), and that nothing else goes to large channels meanwhile.

use std::cmp::Ordering;

use shared::model::limits::{FANOUT_PAGE_MAX, FANOUT_PATIENCE, POST_CONCURRENCY, QUEUE_BATCH_MAX};
use shared::model::pace::Pace;

use super::assumptions::{
    Account, HAND_OVER, INBOUND_SHARE, POST, SEND, SENDS_AT_ONCE, TABLE, Workers,
};
use crate::figures::{float, micros, wide};

/// Posts a second that one worker is trusted with: a third of what the CPU of 512 MB gives (0.29 of one, some 50 µs a
/// post with TLS: 5,800), and half of what 64 posts at once, those of one message, come to (3,700).
const WORKER_POSTS_PER_SECOND_MAX: u64 = 2_000;
/// Units of DynamoDB's consistent reads for each subscriber: 2,023 were counted for 100,000, whose rows have 83 bytes
/// each (`docs/growth.md`).
const READ_UNITS_EACH: f64 = 0.020_2;

/// What the model says of a publication.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prediction {
    /// From the publisher's start to the last post's answer.
    pub(crate) seconds: f64,
    /// At the workers' pace, if all were busy from the first moment to the last.
    pub(crate) least_seconds: f64,
    /// Posts in flight, on average, while all workers are busy (Little's law).
    pub(crate) in_flight: f64,
    /// Sockets of one worker, at most: Lambda has 1,024 descriptors.
    pub(crate) sockets: usize,
    /// Whether posts and what clients send stay below the account's quota.
    pub(crate) is_within_quota: bool,
    /// Whether no message takes longer than its worker goes on for: it would come again after a minute.
    pub(crate) is_in_time: bool,
    /// Units of DynamoDB's reads.
    pub(crate) read_units: f64,
    /// Requests to SQS that send.
    pub(crate) sends: usize,
    /// What it costs.
    pub(crate) dollars: Dollars,
}

impl Prediction {
    /// Whether the figures are what is to be expected.
    pub(crate) const fn holds(&self) -> bool {
        self.is_within_quota && self.is_in_time
    }
}

/// What one publication costs, in us-east-1, without any free tier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dollars {
    /// API Gateway, a message each for every 32 KB: $1.00 a million.
    pub(crate) posts: f64,
    /// Workers: $0.0000133334 a GB-second on arm64 and $0.20 a million invocations.
    pub(crate) workers: f64,
    /// DynamoDB on demand: $0.125 a million reads, $0.625 a million writes.
    pub(crate) table: f64,
    /// SQS FIFO: $0.50 a million requests to send, to receive and to delete.
    pub(crate) queue: f64,
}

impl Dollars {
    /// All of it.
    pub(crate) fn total(self) -> f64 {
        self.posts + self.workers + self.table + self.queue
    }
}

const POST_DOLLARS: f64 = 1.00e-6;
const GB_SECOND_DOLLARS: f64 = 0.000_013_333_4;
const INVOCATION_DOLLARS: f64 = 0.20e-6;
const READ_DOLLARS: f64 = 0.125e-6;
const WRITE_DOLLARS: f64 = 0.625e-6;
const QUEUE_REQUEST_DOLLARS: f64 = 0.50e-6;
/// As the template has it: 512 MB.
const WORKER_GB: f64 = 0.5;

/// A worker, as the model follows it.
struct PredictedWorker {
    pace: Pace,
    free_at_secs: f64,
    busy_secs: f64,
}

/// What becomes of a publication to a channel with so many subscribers in each shard.
pub(crate) fn predict(in_shards: &[u64], workers: Workers, account: Account) -> Prediction {
    let recipients: u64 = in_shards.iter().sum();
    // Its serial, and the log.
    let published_secs = 2.0 * TABLE.mean_secs();
    let new_worker = |number| PredictedWorker {
        pace: workers.pace(),
        free_at_secs: workers.coming.secs(number),
        busy_secs: 0.0,
    };
    let mut all: Vec<PredictedWorker> = (0..workers.count).map(new_worker).collect();
    let mut done_secs: f64 = published_secs;
    let mut is_in_time = true;
    let mut sent = 0;
    for batch in in_shards.chunks(workers.batch_size) {
        sent += batch.len();
        let rounds = sent.div_ceil(QUEUE_BATCH_MAX).div_ceil(SENDS_AT_ONCE);
        let available_secs = published_secs + float(rounds) * SEND.mean_secs();
        let by_freedom = |one: &&mut PredictedWorker, other: &&mut PredictedWorker| -> Ordering {
            one.free_at_secs.total_cmp(&other.free_at_secs)
        };
        let worker = all
            .iter_mut()
            .min_by(by_freedom)
            .expect("there is a worker");
        let begun_secs = worker.free_at_secs.max(available_secs) + HAND_OVER.mean_secs();
        let first_secs = begun_secs + TABLE.mean_secs();
        let posts: u64 = batch.iter().sum();
        let now_micros = micros(first_secs);
        let waits = (0..posts).map(|_| worker.pace.take(now_micros));
        let last_wait_micros = waits.last().unwrap_or(0);
        let paced_secs = wide(last_wait_micros) / 1e6 + POST.mean_secs();
        let message_secs = batch.iter().map(|&count| least_secs(count));
        let served_secs = message_secs.fold(paced_secs, f64::max);
        is_in_time &= served_secs < FANOUT_PATIENCE.as_secs_f64();
        worker.free_at_secs = first_secs + served_secs;
        worker.busy_secs += worker.free_at_secs - begun_secs;
        done_secs = done_secs.max(worker.free_at_secs);
    }
    let busy_secs: f64 = all.iter().map(|worker| worker.busy_secs).sum();
    let rate = wide(workers.posts_per_second);
    Prediction {
        seconds: done_secs,
        least_seconds: wide(recipients) / rate,
        in_flight: rate * POST.mean_secs(),
        sockets: workers.batch_size * POST_CONCURRENCY,
        is_within_quota: rate + account.inbound_per_second <= account.requests_per_second,
        is_in_time,
        read_units: wide(recipients) * READ_UNITS_EACH,
        sends: in_shards.len().div_ceil(QUEUE_BATCH_MAX),
        dollars: dollars(in_shards, workers, busy_secs),
    }
}

/// What one message takes however fast its worker may be: so many posts at once, page after page.
fn least_secs(count: u64) -> f64 {
    let at_once = float(POST_CONCURRENCY);
    let pages = wide(count.div_ceil(u64::from(FANOUT_PAGE_MAX)));
    wide(count) * POST.mean_secs() / at_once
        + pages * (POST.last_of_secs(at_once) + TABLE.mean_secs())
}

fn dollars(in_shards: &[u64], workers: Workers, busy_secs: f64) -> Dollars {
    let recipients = wide(in_shards.iter().sum());
    let batches = float(in_shards.len().div_ceil(workers.batch_size));
    let sends = float(in_shards.len().div_ceil(QUEUE_BATCH_MAX));
    let reads = recipients * READ_UNITS_EACH;
    let page = u64::from(FANOUT_PAGE_MAX);
    // The serial, the log, and how far each message has come.
    let writes: f64 = 2.0
        + in_shards
            .iter()
            .map(|count| wide(count / page))
            .sum::<f64>();
    Dollars {
        posts: recipients * POST_DOLLARS,
        workers: busy_secs * WORKER_GB * GB_SECOND_DOLLARS + batches * INVOCATION_DOLLARS,
        table: reads * READ_DOLLARS + writes * WRITE_DOLLARS,
        queue: (sends + 2.0 * batches) * QUEUE_REQUEST_DOLLARS,
    }
}

/// The fewest workers, and their lowest pace, by which a publication takes no longer than so many seconds.
/// `None`: not with a thousand workers.
pub(crate) fn needed(in_shards: &[u64], within_secs: f64) -> Option<Workers> {
    let counts = [10, 20, 40, 60, 80, 100, 150, 200, 300, 500, 1_000];
    counts.into_iter().find_map(|count| {
        // In steps that fit a quota.
        let each = (1..=WORKER_POSTS_PER_SECOND_MAX / 100).map(|hundreds| hundreds * 100);
        let fleets = each.map(|each| Workers {
            count,
            posts_per_second: each * count,
            ..Workers::default()
        });
        let fits = |workers: &Workers| {
            let prediction = predict(in_shards, *workers, Account::default());
            prediction.is_in_time && prediction.seconds <= within_secs
        };
        fleets
            .filter(fits)
            .min_by_key(|workers| workers.posts_per_second)
    })
}

/// The quota to ask for, for workers at this pace.
pub(crate) fn quota_for(posts_per_second: u64) -> f64 {
    wide(posts_per_second) / (1.0 - INBOUND_SHARE)
}
