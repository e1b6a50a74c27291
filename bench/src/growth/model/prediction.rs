//! A model of one publication to a large channel on AWS: how long it takes, what it needs and what it costs.
//! Values only: no clock, nothing random.
//!
//! What it takes for granted: every batch that workers take is full while enough waits (Lambda mixes groups in one:
//! "Configuring scaling behavior for SQS event source mappings"), and nothing else goes to large channels meanwhile.

use std::cmp::Ordering;

use shared::limits::{
    FANOUT_CONCURRENCY_DEFAULT, FANOUT_PAGE_MAX, FANOUT_PATIENCE, POST_CONCURRENCY,
    POSTS_PER_SECOND_DEFAULT, QUEUE_BATCH_MAX, SUBSCRIBERS_PER_SHARD_DEFAULT,
};
use shared::pace::Pace;

/// How long something takes: at least so long, and on average so much longer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    /// Milliseconds that it always takes.
    pub(crate) least_millis: f64,
    /// Milliseconds that it takes beyond that, on average; exponentially distributed in the simulation.
    pub(crate) more_millis: f64,
}

impl Latency {
    /// On average, in seconds.
    pub(crate) fn mean_secs(self) -> f64 {
        (self.least_millis + self.more_millis) / 1e3
    }

    /// Of so many at once, until the last one is done, on average, in seconds.
    fn last_of_secs(self, count: f64) -> f64 {
        // The expected maximum of so many exponentials.
        let harmonic = count.max(1.0).ln() + 0.577;
        (self.least_millis + self.more_millis * harmonic) / 1e3
    }
}

/// A post to `@connections`: 10 to 30 ms for nine of ten. No series of measurements is public; an
/// assumption.
pub(crate) const POST: Latency = Latency {
    least_millis: 10.0,
    more_millis: 7.0,
};
/// A request to DynamoDB ("single-digit milliseconds").
pub(crate) const TABLE: Latency = Latency {
    least_millis: 4.0,
    more_millis: 2.0,
};
/// A request to SQS. An assumption.
pub(crate) const SEND: Latency = Latency {
    least_millis: 8.0,
    more_millis: 4.0,
};
/// From a worker's being free, and a message's being there, to its invocation: 16 ms in the middle and
/// 105 ms for one of a hundred (bitesizedserverless.com, SQS to Lambda).
pub(crate) const HAND_OVER: Latency = Latency {
    least_millis: 5.0,
    more_millis: 20.0,
};
/// Requests to SQS that one publisher has under way (`shared/src/aws/queue.rs`).
pub(crate) const SENDS_AT_ONCE: usize = 4;

/// Messages that one invocation of a worker is given, as the template has it.
pub(crate) const BATCH_SIZE: usize = 1;
/// The share of an account's requests that is left to what clients send: the default pace leaves 2,000 of 10,000.
const INBOUND_SHARE: f64 = 0.2;
/// Posts a second that one worker is trusted with: a third of what the CPU of 512 MB gives (0.29 of one, some 50 µs a
/// post with TLS: 5,800), and half of what 64 posts at once, those of one message, come to (3,700).
const WORKER_POSTS_PER_SECOND_MAX: u64 = 2_000;
/// Units of DynamoDB's consistent reads for each subscriber: 2,023 were counted for 100,000, whose rows have 83 bytes
/// each (`docs/growth.md`).
const READ_UNITS_EACH: f64 = 0.020_2;

/// What an account's API Gateway takes: a bucket of tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    /// Tokens that come back in a second: requests of all clients, and posts.
    pub(crate) requests_per_second: f64,
    /// How many tokens there are at most.
    pub(crate) burst: f64,
    /// Requests of clients a second, which take tokens, too.
    pub(crate) inbound_per_second: f64,
}

impl Account {
    /// With a quota; the burst that AWS gives with it is half of it (10,000 and 5,000, 2,500 and 1,250).
    pub(crate) fn with_quota(requests_per_second: f64) -> Self {
        Self {
            requests_per_second,
            burst: requests_per_second / 2.0,
            inbound_per_second: requests_per_second * INBOUND_SHARE,
        }
    }
}

impl Default for Account {
    fn default() -> Self {
        Self::with_quota(10_000.0)
    }
}

/// The workers that deliver to large channels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workers {
    /// How many at once (`FanoutConcurrency`).
    pub(crate) count: u64,
    /// What they share (`PostsPerSecond`).
    pub(crate) posts_per_second: u64,
    /// Messages in one invocation.
    pub(crate) batch_size: usize,
    /// When they begin to take messages.
    pub(crate) coming: Coming,
}

/// When workers begin to take messages of a queue in which nothing was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coming {
    /// All at once. What Lambda does with FIFO queues its documents do not say.
    AtOnce,
    /// Five at once and 300 more a minute: what they say of standard queues.
    OneByOne,
}

impl Coming {
    /// The seconds after which the worker of this number comes.
    pub(crate) fn secs(self, number: u64) -> f64 {
        match self {
            Self::AtOnce => 0.0,
            Self::OneByOne => wide(number.saturating_sub(4)) / 5.0,
        }
    }
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            count: FANOUT_CONCURRENCY_DEFAULT,
            posts_per_second: POSTS_PER_SECOND_DEFAULT,
            batch_size: BATCH_SIZE,
            coming: Coming::AtOnce,
        }
    }
}

impl Workers {
    /// One worker's pace: the product's own, which knows no clock.
    pub(crate) fn pace(&self) -> Pace {
        Pace::new((self.posts_per_second / self.count).max(1))
    }
}

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
struct Worker {
    pace: Pace,
    free_at_secs: f64,
    busy_secs: f64,
}

/// What becomes of a publication to a channel with so many subscribers in each shard.
pub(crate) fn predict(in_shards: &[u64], workers: Workers, account: Account) -> Prediction {
    let recipients: u64 = in_shards.iter().sum();
    // Its serial, and the log.
    let published_secs = 2.0 * TABLE.mean_secs();
    let new_worker = |number| Worker {
        pace: workers.pace(),
        free_at_secs: workers.coming.secs(number),
        busy_secs: 0.0,
    };
    let mut all: Vec<Worker> = (0..workers.count).map(new_worker).collect();
    let mut done_secs: f64 = published_secs;
    let mut is_in_time = true;
    let mut sent = 0;
    for batch in in_shards.chunks(workers.batch_size) {
        sent += batch.len();
        let rounds = sent.div_ceil(QUEUE_BATCH_MAX).div_ceil(SENDS_AT_ONCE);
        let available_secs = published_secs + float(rounds) * SEND.mean_secs();
        let by_freedom = |one: &&mut Worker, other: &&mut Worker| -> Ordering {
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

/// Subscribers in one shard.
pub(crate) const PER_SHARD: u64 = SUBSCRIBERS_PER_SHARD_DEFAULT;

/// Seconds in microseconds, which the product's pace and the simulation count in.
pub(crate) fn micros(secs: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a time to come, of hours at most"
    )]
    let micros = (secs.max(0.0) * 1e6).round() as u64;
    micros
}

/// A count as a number to calculate with.
pub(crate) fn float(count: usize) -> f64 {
    wide(count as u64)
}

/// The same.
#[expect(clippy::cast_precision_loss, reason = "counts here are below 2^53")]
pub(crate) const fn wide(count: u64) -> f64 {
    count as f64
}
