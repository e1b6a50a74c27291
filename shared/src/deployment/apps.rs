//! What a function has from its start to its end, and each invocation takes what it works on from: the
//! services, with the apps as they are now.

use crate::aws::Services;
use crate::config::{Config, parse_apps};
use crate::deployment::secret_cache::Kept;
use crate::model::app::Apps;
use crate::model::error::{Fault, Rejection};
use crate::model::metrics::Metrics;
use crate::model::protocol::Protocols;
use crate::model::time::UnixMillis;

/// The services, and whose they are.
pub struct Deployment {
    services: Services,
    apps: Kept<Apps>,
}

impl Deployment {
    /// Clients that open nothing yet.
    #[must_use]
    pub fn new(config: &Config, protocols: Protocols) -> Self {
        let webhooks_to = config.webhooks_to;
        Self {
            services: Services::new(config, protocols),
            apps: Kept::new(config, &config.apps, move |json| {
                parse_apps(json, webhooks_to)
            }),
        }
    }

    /// What is counted, in all invocations.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.services.metrics
    }

    /// Counts and logs that a rule was broken, as [`Services::refused`] does.
    pub fn refused(&self, rejection: &Rejection) {
        self.services.refused(rejection);
    }

    /// What an invocation works on.
    ///
    /// # Errors
    /// [`Fault::Secret`]: it is not known whose the services are.
    pub async fn services(&self, now: UnixMillis) -> Result<Services, Fault> {
        self.services_where(now, |_| true).await
    }

    /// The same, with news of the apps, where there may be some, when they are not those that are
    /// `wanted`.
    ///
    /// # Errors
    /// [`Fault::Secret`], as above.
    pub async fn services_where(
        &self,
        now: UnixMillis,
        wanted: impl Fn(&Apps) -> bool,
    ) -> Result<Services, Fault> {
        Ok(Services {
            apps: self.apps.value_where(now, wanted).await?,
            ..self.services.clone()
        })
    }
}
