//! Queues: SQS, the sending side. Lambda does the receiving.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Region};
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use futures_util::{StreamExt as _, stream};

use crate::config::Config;
use crate::model::error::Fault;
use crate::model::limits::{
    FANOUT_SEND_ATTEMPTS, FANOUT_SEND_PAUSE, QUEUE_BATCH_MAX, QUEUE_DELAY_MAX_SECS,
    SDK_ATTEMPT_TIMEOUT,
};

/// Requests in flight at once for many messages.
const BATCH_CONCURRENCY: usize = 4;

/// A standard queue. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// The queue of delayed messages: a client that opens nothing yet. `None`: the function was
    /// started without its URL.
    #[must_use]
    pub fn later(config: &Config) -> Option<Self> {
        Self::at(config.later_queue_url.as_ref(), config)
    }

    /// The queue of webhooks, as above.
    #[must_use]
    pub fn webhooks(config: &Config) -> Option<Self> {
        Self::at(config.webhook_queue_url.as_ref(), config)
    }

    /// The queue of webhooks that nobody took, as above.
    #[must_use]
    pub fn dead_webhooks(config: &Config) -> Option<Self> {
        Self::at(config.webhook_dead_queue_url.as_ref(), config)
    }

    fn at(url: Option<&String>, config: &Config) -> Option<Self> {
        Some(Self {
            url: url?.clone(),
            client: client(config),
        })
    }

    /// Queues `body`, to be handed out once `delay` is over: at least once, in no order. SQS counts
    /// whole seconds, so the delay is rounded up; one of over 900 s becomes 900 s. One request.
    ///
    /// # Errors
    /// [`Fault::Queue`].
    pub async fn send(&self, body: &str, delay: Duration) -> Result<(), Fault> {
        let message = self
            .client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .delay_seconds(delay_secs(delay));
        match message.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(Fault::Queue(error.into())),
        }
    }

    /// Queues several, as [`Queue::send`] does each: one request for ten of them, which together have
    /// no more than 1 MB.
    ///
    /// # Errors
    /// [`Unsent`]: those may or may not be in the queue; the others are.
    pub async fn send_all(&self, messages: &[(String, Duration)]) -> Result<(), Unsent> {
        let places: Vec<usize> = (0..messages.len()).collect();
        let requests: Vec<_> = places
            .chunks(QUEUE_BATCH_MAX)
            .map(|places| self.send_batch(messages, places))
            .collect();
        let mut unsent: Option<Unsent> = None;
        let outcomes: Vec<Result<(), Unsent>> = stream::iter(requests)
            .buffered(BATCH_CONCURRENCY)
            .collect()
            .await;
        for other in outcomes.into_iter().filter_map(Result::err) {
            match &mut unsent {
                Some(unsent) => unsent.places.extend(other.places),
                None => unsent = Some(other),
            }
        }
        unsent.map_or(Ok(()), Err)
    }

    async fn send_batch(
        &self,
        messages: &[(String, Duration)],
        places: &[usize],
    ) -> Result<(), Unsent> {
        let entries = places.iter().map(|&place| {
            let (body, delay) = &messages[place];
            SendMessageBatchRequestEntry::builder()
                .id(place.to_string())
                .message_body(body)
                .delay_seconds(delay_secs(*delay))
                .build()
                .expect("an entry has an id and a body")
        });
        send_entries(&self.client, &self.url, entries.collect(), places).await
    }
}

/// A message that has its place in an order.
#[derive(Clone, Debug)]
pub struct FifoMessage {
    /// What it is in order with.
    pub group: String,
    /// What it is known by: of two that are sent within five minutes one is queued.
    pub deduplication: String,
    /// What it says.
    pub body: String,
}

/// A FIFO queue. Cheap to clone.
#[derive(Clone)]
pub struct FifoQueue {
    client: Client,
    url: String,
}

impl FifoQueue {
    /// The queue that large channels go through: a client that opens nothing yet. `None`: the function
    /// was started without its URL.
    #[must_use]
    pub fn fanout(config: &Config) -> Option<Self> {
        Some(Self {
            url: config.fanout_queue_url.clone()?,
            client: client(config),
        })
    }

    /// Queues messages of different groups, each to be handed out after those of its group that were
    /// queued before, at least once. What is refused, or not answered, is sent again: a message that
    /// was taken already is known and not taken twice. One request for ten of them, which together have no more
    /// than 1 MB.
    ///
    /// # Errors
    /// [`Fault::Queue`]: some of them may be queued, none, or all.
    pub async fn send_all(&self, messages: &[FifoMessage]) -> Result<(), Fault> {
        let mut left: Vec<usize> = (0..messages.len()).collect();
        let mut pause = FANOUT_SEND_PAUSE;
        for attempt in 1.. {
            let requests: Vec<_> = left
                .chunks(QUEUE_BATCH_MAX)
                .map(|places| self.send_batch(messages, places))
                .collect();
            let outcomes: Vec<Result<(), Unsent>> = stream::iter(requests)
                .buffered(BATCH_CONCURRENCY)
                .collect()
                .await;
            let mut unsent = outcomes.into_iter().filter_map(Result::err);
            let Some(Unsent { mut places, fault }) = unsent.next() else {
                break;
            };
            if attempt == FANOUT_SEND_ATTEMPTS {
                return Err(fault);
            }
            places.extend(unsent.flat_map(|unsent| unsent.places));
            left = places;
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Ok(())
    }

    async fn send_batch(&self, messages: &[FifoMessage], places: &[usize]) -> Result<(), Unsent> {
        let entries = places.iter().map(|&place| {
            let message = &messages[place];
            SendMessageBatchRequestEntry::builder()
                .id(place.to_string())
                .message_group_id(&message.group)
                .message_deduplication_id(&message.deduplication)
                .message_body(&message.body)
                .build()
                .expect("an entry has an id and a body")
        });
        send_entries(&self.client, &self.url, entries.collect(), places).await
    }
}

fn client(config: &Config) -> Client {
    let mut sdk = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .credentials_provider(super::credentials::Keys::new(config))
        .http_client(super::transport::Transport::new(config))
        .timeout_config(
            TimeoutConfig::builder()
                .operation_attempt_timeout(SDK_ATTEMPT_TIMEOUT)
                .build(),
        );
    sdk.set_endpoint_url(config.sqs_endpoint.clone());
    Client::from_conf(sdk.build())
}

/// Sends one batch, whose entries are known by their places.
async fn send_entries(
    client: &Client,
    url: &str,
    entries: Vec<SendMessageBatchRequestEntry>,
    places: &[usize],
) -> Result<(), Unsent> {
    let batch = client
        .send_message_batch()
        .queue_url(url)
        .set_entries(Some(entries));
    let failed = match batch.send().await {
        Ok(answer) => answer.failed,
        Err(error) => {
            return Err(Unsent {
                places: places.to_vec(),
                fault: Fault::Queue(error.into()),
            });
        }
    };
    let Some(first) = failed.first() else {
        return Ok(());
    };
    let problem = format!("refused: {}", first.code());
    let of = |place: &usize| failed.iter().any(|entry| entry.id() == place.to_string());
    Err(Unsent {
        places: places.iter().copied().filter(of).collect(),
        fault: Fault::Queue(problem.into()),
    })
}

/// What was not queued of several messages.
#[derive(Debug)]
pub struct Unsent {
    /// Their places among all.
    pub places: Vec<usize>,
    /// Why the first of them was not.
    pub fault: Fault,
}

fn delay_secs(delay: Duration) -> i32 {
    let begun = u64::from(delay.subsec_nanos() > 0);
    let secs = delay.as_secs().saturating_add(begun);
    i32::try_from(secs.min(QUEUE_DELAY_MAX_SECS)).expect("900 fits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_never_cut_short_and_never_more_than_sqs_takes() {
        for (delay, secs) in [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_secs(1), 1),
            (Duration::from_millis(1_001), 2),
            (Duration::from_secs(900), 900),
            (Duration::from_millis(900_001), 900),
            (Duration::MAX, 900),
        ] {
            assert_eq!(delay_secs(delay), secs, "{delay:?}");
        }
    }
}
