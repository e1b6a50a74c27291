//! How a function starts, and what all handlers share: the configuration, the time, and how a failure is
//! reported to Lambda.

use std::time::SystemTime;

use lambda_runtime::Diagnostic;
use shared::aws::Services;
use shared::config::{Config, DEFAULT_LOG_FILTER};
use shared::deployment::Deployment;
use shared::deployment::secret_cache::Kept;
use shared::model::error::{Error, ErrorType, FAULT_MESSAGE, Fault, chain};
use shared::model::secret::OwnKey;
use shared::model::time::UnixMillis;
use shared::pusher::PROTOCOLS;

use crate::runtime::log;

/// Reads the configuration and starts the log. With a configuration that is incomplete it says
/// what is missing and ends the process.
#[must_use]
pub fn start() -> Config {
    start_with(&[])
}

/// The same for a function that needs these variables, too: names from
/// [`shared::config::variable`].
#[must_use]
pub fn start_with(also: &[&'static str]) -> Config {
    match Config::from_env(also) {
        Ok(config) => {
            log::start(&config.log_filter);
            config
        }
        Err(problems) => {
            log::start(DEFAULT_LOG_FILTER);
            let error_type = ErrorType::ConfigIncomplete.name();
            tracing::error!(error_type, error = %problems, "not started");
            std::process::exit(1)
        }
    }
}

/// What a function has from its start to its end. Here the core is handed the protocols that it speaks.
#[must_use]
pub fn deployment(config: &Config) -> Deployment {
    Deployment::new(config, PROTOCOLS)
}

/// What an invocation works on, where it is about no app in particular.
///
/// # Errors
/// That it is not known whose the services are, as the result of the invocation.
pub async fn services(deployment: &Deployment) -> Result<Services, Diagnostic> {
    let services = deployment.services(now()).await;
    services.map_err(|fault| failed(&fault))
}

/// The system's own key.
///
/// # Panics
/// When the function was not started with it.
#[must_use]
pub fn own_key(config: &Config) -> Kept<OwnKey> {
    let configured = config.own_key.as_ref();
    let configured = configured.expect("a function asks for it at its start");
    Kept::new(config, configured, OwnKey::parse)
}

/// The time by this machine's clock, for what no event has told the time of.
#[must_use]
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixMillis(u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX))
}

/// A fault as the result of an invocation: logged here, and shown as a constant. The type is
/// stable, so that an alarm can filter on it.
#[must_use]
pub fn failed(fault: &Fault) -> Diagnostic {
    let error_type = fault.error_type();
    tracing::error!(error_type, error = chain(fault), "failed");
    Diagnostic {
        error_type: error_type.to_owned(),
        error_message: FAULT_MESSAGE.to_owned(),
    }
}

/// Why an invocation has no result: a rejection in words for whoever has made it, a fault as
/// [`failed`].
#[must_use]
pub fn not_done(deployment: &Deployment, error: &Error) -> Diagnostic {
    match error {
        Error::Rejected(rejection) => {
            deployment.refused(rejection);
            Diagnostic {
                error_type: "Rejected".to_owned(),
                error_message: rejection.to_string(),
            }
        }
        Error::Fault(fault) => failed(fault),
    }
}
