//! Secrets: Secrets Manager, the reading side.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::call::{Call, Service};
use crate::config::Config;
use crate::model::error::Fault;

/// The store of all secrets. Cheap to clone.
#[derive(Clone)]
pub struct SecretStore(Arc<Service>);

/// What is asked of Secrets Manager.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetSecretValue<'a> {
    secret_id: &'a str,
}

/// What Secrets Manager answers, as far as it is read. No `Debug`: it is the secret.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SecretValue {
    secret_string: Option<String>,
}

impl SecretStore {
    /// A client that opens nothing yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let endpoint = config.secrets_endpoint.as_deref();
        Self(Arc::new(Service::new("secretsmanager", endpoint, config)))
    }

    /// Reads a secret's present value, which is text. One request.
    ///
    /// # Errors
    /// [`Fault::Secret`].
    pub async fn read(&self, id: &str) -> Result<String, Fault> {
        let asked = GetSecretValue { secret_id: id };
        let body = serde_json::to_vec(&asked).expect("a string always prints");
        let call = Call {
            path: "/",
            headers: &[
                ("content-type", "application/x-amz-json-1.1"),
                ("x-amz-target", "secretsmanager.GetSecretValue"),
            ],
            body: body.into(),
        };
        let answer = self.0.call(call).await.map_err(Fault::Secret)?;
        let value: SecretValue =
            serde_json::from_slice(&answer).map_err(|error| Fault::Secret(error.into()))?;
        let text = value.secret_string;
        text.ok_or_else(|| Fault::Secret("it has no text".into()))
    }
}
