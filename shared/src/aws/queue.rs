//! Queues: SQS, the sending side. Lambda does the receiving.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{BehaviorVersion, Region};

use crate::config::Config;
use crate::error::Fault;
use crate::limits::QUEUE_DELAY_MAX_SECS;

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
        let url = config.later_queue_url.clone()?;
        let mut sdk = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(config.region.clone()))
            .credentials_provider(super::credentials(&config.aws_keys))
            .http_client(super::http_client(config.sqs_endpoint.as_deref()))
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(super::ATTEMPT_TIMEOUT)
                    .build(),
            );
        sdk.set_endpoint_url(config.sqs_endpoint.clone());
        Some(Self {
            client: Client::from_conf(sdk.build()),
            url,
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
