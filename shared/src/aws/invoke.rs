//! Invoking a function of our own, asynchronously.

use std::sync::Arc;

use super::call::{Call, Service};
use super::signer::push_segment;
use crate::config::Config;
use crate::model::error::Fault;

/// Invokes the function that it runs in. Cheap to clone.
#[derive(Clone)]
pub struct SelfInvoker {
    lambda: Arc<Service>,
    path: String,
}

impl SelfInvoker {
    /// A client that opens nothing yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut path = "/2015-03-31/functions/".to_owned();
        push_segment(&mut path, &config.function_name);
        path.push_str("/invocations");
        Self {
            lambda: Arc::new(Service::new(
                "lambda",
                config.lambda_endpoint.as_deref(),
                config,
            )),
            path,
        }
    }

    /// Hands `payload` to another invocation: at least once, soon, in no order. One request.
    ///
    /// # Errors
    /// [`Fault::Invoke`].
    pub async fn invoke(&self, payload: Vec<u8>) -> Result<(), Fault> {
        let call = Call {
            path: &self.path,
            headers: &[("x-amz-invocation-type", "Event")],
            body: payload.into(),
        };
        let invoked = self.lambda.call(call).await;
        invoked.map(drop).map_err(Fault::Invoke)
    }
}
