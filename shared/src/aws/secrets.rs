//! Secrets: Secrets Manager, the reading side.

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Region};

use crate::config::Config;
use crate::error::Fault;

/// What has all secrets. Cheap to clone.
#[derive(Clone)]
pub struct SecretStore {
    client: Client,
}

impl SecretStore {
    /// A client that opens nothing yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let endpoint = config.secrets_endpoint.clone();
        let mut sdk = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(config.region.clone()))
            .credentials_provider(super::credentials::Keys::new(config))
            .http_client(super::transport::Transport::new(config))
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(super::ATTEMPT_TIMEOUT)
                    .build(),
            );
        sdk.set_endpoint_url(endpoint);
        Self {
            client: Client::from_conf(sdk.build()),
        }
    }

    /// Reads a secret's present value, which is text. One request.
    ///
    /// # Errors
    /// [`Fault::Secret`].
    pub async fn read(&self, id: &str) -> Result<String, Fault> {
        let request = self.client.get_secret_value().secret_id(id);
        match request.send().await {
            Ok(answer) => answer
                .secret_string
                .ok_or_else(|| Fault::Secret("it has no text".into())),
            Err(error) => Err(Fault::Secret(error.into())),
        }
    }
}
