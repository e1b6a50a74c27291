//! The client of the one table.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};

use super::conflict::Conflicts;
use crate::aws::credentials::Keys;
use crate::aws::transport::Transport;
use crate::config::Config;
use crate::model::limits::SDK_ATTEMPT_TIMEOUT;

/// The first pause before an operation is repeated, at most; it doubles. The SDK's own second would
/// be a second that a client waits for.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// The table. Cheap to clone.
#[derive(Clone)]
pub struct Table {
    pub(super) client: Client,
    pub(super) name: String,
}

impl Table {
    /// A client that opens nothing yet. It repeats what may safely be repeated (three attempts);
    /// the one operation that may not switches that off for itself.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut sdk = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(config.region.clone()))
            .credentials_provider(Keys::new(config))
            .http_client(Transport::new(config))
            .retry_config(RetryConfig::standard().with_initial_backoff(RETRY_PAUSE))
            .retry_classifier(Conflicts)
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(SDK_ATTEMPT_TIMEOUT)
                    .build(),
            );
        sdk.set_endpoint_url(config.dynamodb_endpoint.clone());
        Self {
            client: Client::from_conf(sdk.build()),
            name: config.table_name.clone(),
        }
    }
}
