//! What the function binaries have in common: how one starts, the shapes of API Gateway's and SQS's
//! events, how a result becomes a response, and the greeting that follows one.

pub mod browsers;
pub mod greet;
pub mod http;
pub mod invocation;
pub mod origin;
pub mod queue;
pub mod streaming;
pub mod websocket;

use std::time::SystemTime;

use lambda_runtime::Diagnostic;
use shared::aws::Services;
use shared::config::Config;
use shared::deployment::Deployment;
use shared::error::{Error, FAULT_MESSAGE, Fault, chain};
use shared::kept::Kept;
use shared::secret::OwnKey;
use shared::time::UnixMillis;
use tracing_subscriber::EnvFilter;

/// The name of each function: its binary, its Lambda, its row in the template.
pub const FUNCTIONS: [&str; 11] = [
    "connect",
    "disconnect",
    "fanout",
    "message",
    "publisher",
    "reaper",
    "session",
    "status",
    "stream",
    "token",
    "webhook",
];

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
            let filter = EnvFilter::builder().parse_lossy(&config.log_filter);
            tracing_subscriber::fmt()
                .json()
                .flatten_event(true)
                .with_env_filter(filter)
                .with_current_span(false)
                .with_span_list(false)
                .with_ansi(false)
                .init();
            config
        }
        Err(problems) => {
            eprintln!("{problems}");
            std::process::exit(1)
        }
    }
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
    tracing::error!(error = chain(fault), "failed");
    let error_type = match fault {
        Fault::Table { .. } => "TableUnavailable",
        Fault::Row { .. } => "RowUnreadable",
        Fault::Gateway { .. } => "ConnectionsUnavailable",
        Fault::Invoke(_) => "InvocationRefused",
        Fault::Queue(_) => "QueueUnavailable",
        Fault::Task(_) => "TaskUnreadable",
        Fault::Secret(_) => "SecretUnavailable",
        Fault::Overdue => "DeliveryOverdue",
        Fault::Random(_) => "NoRandomBytes",
        Fault::SerialLost => "SerialLost",
    };
    Diagnostic {
        error_type: error_type.to_owned(),
        error_message: FAULT_MESSAGE.to_owned(),
    }
}

/// Why an invocation has no result: a rejection in words for whoever has made it, a fault as
/// [`failed`].
#[must_use]
pub fn not_done(error: &Error) -> Diagnostic {
    match error {
        // The runtime logs it.
        Error::Rejected(rejection) => Diagnostic {
            error_type: "Rejected".to_owned(),
            error_message: rejection.to_string(),
        },
        Error::Fault(fault) => failed(fault),
    }
}
