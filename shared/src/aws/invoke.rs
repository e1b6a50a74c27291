//! Invoking a function of our own, asynchronously.

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::config::{BehaviorVersion, Region};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvocationType;

use crate::config::Config;
use crate::error::Fault;

/// Invokes the function that it runs in.
#[derive(Clone)]
pub struct SelfInvoker {
    client: Client,
    function_name: String,
}

impl SelfInvoker {
    /// A client that opens nothing yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut sdk = aws_sdk_lambda::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(config.region.clone()))
            .credentials_provider(super::credentials::Keys::new(config))
            .http_client(super::transport::Transport::new(config))
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(super::ATTEMPT_TIMEOUT)
                    .build(),
            );
        sdk.set_endpoint_url(config.lambda_endpoint.clone());
        Self {
            client: Client::from_conf(sdk.build()),
            function_name: config.function_name.clone(),
        }
    }

    /// Hands `payload` to another invocation: at least once, soon, in no order.
    ///
    /// # Errors
    /// [`Fault::Invoke`].
    pub async fn invoke(&self, payload: Vec<u8>) -> Result<(), Fault> {
        let invocation = self
            .client
            .invoke()
            .function_name(&self.function_name)
            .invocation_type(InvocationType::Event);
        match invocation.payload(Blob::new(payload)).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(Fault::Invoke(error.into())),
        }
    }
}
