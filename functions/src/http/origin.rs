//! Whether a request has come by CloudFront. A function URL is open to everybody; what CloudFront puts
//! into each request shows that nobody has gone around it, and around what it is set to hold back.

use lambda_http::Request;
use shared::config::Config;
use shared::deployment::secret_cache::Kept;
use shared::model::error::{Error, Rejection};
use shared::model::secret::OriginKey;
use shared::model::time::UnixMillis;

use crate::http::request::origin_key;

/// What a request must bring.
pub struct Origin(Option<Kept<OriginKey>>);

impl Origin {
    /// Nothing, where none is configured: nothing is in front then.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let configured = config.origin_key.as_ref();
        Self(configured.map(|configured| Kept::new(config, configured, OriginKey::parse)))
    }

    /// Admits a request that brings it.
    ///
    /// # Errors
    /// [`Rejection::WrongAddress`], or that the key could not be read.
    pub async fn admit(&self, request: &Request, now: UnixMillis) -> Result<(), Error> {
        let Some(key) = &self.0 else {
            return Ok(());
        };
        let brought = origin_key(request).unwrap_or_default();
        if key.value(now).await?.admits(brought) {
            Ok(())
        } else {
            Err(Rejection::WrongAddress.into())
        }
    }
}
