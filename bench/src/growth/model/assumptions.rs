//! What the model and the simulation take as given: latencies, the account's quota, the workers.

use shared::model::limits::{
    FANOUT_CONCURRENCY_DEFAULT, POSTS_PER_SECOND_DEFAULT, SUBSCRIBERS_PER_SHARD_DEFAULT,
};
use shared::model::pace::Pace;

use crate::figures::wide;

/// Subscribers in one shard.
pub(crate) const PER_SHARD: u64 = SUBSCRIBERS_PER_SHARD_DEFAULT;

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
    pub(super) fn last_of_secs(self, count: f64) -> f64 {
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
pub(super) const INBOUND_SHARE: f64 = 0.2;
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
