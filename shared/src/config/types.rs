//! What a function is told.

use std::borrow::Cow;
use std::time::Duration;

use super::keys::KeySource;
use crate::model::app::Apps;
use crate::model::limits::SESSION_SILENCE_SECS;
use crate::model::secret::{OriginKey, OwnKey};
use crate::model::settings::Settings;
use crate::model::socket_id::Transport;
use crate::model::time::UnixMillis;

/// How a connection is greeted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GreetVia {
    /// By the same invocation, after its response was sent.
    Layer,
    /// By an asynchronous invocation of the same function.
    Invoke,
}

/// Where webhooks may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhooksTo {
    /// To public addresses, over TLS.
    Public,
    /// Anywhere: to a receiver on the same machine, too.
    Any,
}

/// Where something secret comes from.
#[derive(Clone)]
pub enum Configured<T> {
    /// It was given as it is.
    Given(T),
    /// Secrets Manager has it, under this name or ARN.
    Stored(String),
}

/// How long connections count as alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lives {
    /// Without a word of their end.
    pub connection_secs: u64,
    /// Between two questions to API Gateway, on presence channels; `None`: it is never asked.
    pub probe_secs: Option<u64>,
}

impl Lives {
    /// When the reaper is to look at a new connection: at its expiry, or earlier if something may
    /// have to be done about it before.
    #[must_use]
    pub fn first_due(
        &self,
        transport: Transport,
        settings: &Settings,
        connected_at: UnixMillis,
        expires_at: UnixMillis,
    ) -> UnixMillis {
        let overdue = settings.authorized_connections_timeout_secs;
        let overdue = (overdue > 0).then(|| connected_at.plus_secs(overdue));
        let look_secs = match transport {
            Transport::Socket => self.probe_secs,
            Transport::Http => Some(SESSION_SILENCE_SECS),
        };
        let look = look_secs.map(|secs| connected_at.plus_secs(secs));
        [overdue, look]
            .into_iter()
            .flatten()
            .fold(expires_at, UnixMillis::min)
    }
}

/// How large channels are delivered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LargeChannels {
    /// Subscribers that whoever publishes delivers to by itself.
    pub inline_max: u64,
    /// Subscribers in one shard, at least 1.
    pub per_shard: u64,
    /// Posts a second of one of the workers, at least 1.
    pub worker_posts_per_second: u64,
}

/// All that a function is told. No `Debug`: it holds secrets.
#[derive(Clone)]
pub struct Config {
    /// The apps it serves.
    pub apps: Configured<Apps>,
    /// How long a secret is used before it is read again.
    pub secret_age: Duration,
    /// The table's name.
    pub table_name: String,
    /// Where connections are posted to; no `/` at its end.
    pub connections_endpoint: http::Uri,
    /// The queue of delayed messages: its URL. There for a function that said that it needs it.
    pub later_queue_url: Option<String>,
    /// The queue of large channels: its URL, as above.
    pub fanout_queue_url: Option<String>,
    /// How large channels are delivered to.
    pub large_channels: LargeChannels,
    /// The queue of webhooks: its URL. There for a function that said that it needs it.
    pub webhook_queue_url: Option<String>,
    /// Where webhooks go that nobody took: a queue's URL, as above.
    pub webhook_dead_queue_url: Option<String>,
    /// Where webhooks may be sent.
    pub webhooks_to: WebhooksTo,
    /// For how long a webhook is tried again.
    pub webhook_patience: Duration,
    /// How `connect` greets.
    pub greet_via: GreetVia,
    /// How long connections count as alive.
    pub lives: Lives,
    /// What cursors are signed with. There for a function that said that it needs it.
    pub own_key: Option<Configured<OwnKey>>,
    /// What a request must bring; `None`: nothing.
    pub origin_key: Option<Configured<OriginKey>>,
    /// How long a stream lasts.
    pub stream_life: Duration,
    /// DynamoDB's endpoint; `None` is AWS's own.
    pub dynamodb_endpoint: Option<String>,
    /// Lambda's endpoint; `None` is AWS's own.
    pub lambda_endpoint: Option<String>,
    /// Secrets Manager's endpoint; `None` is AWS's own.
    pub secrets_endpoint: Option<String>,
    /// SQS's endpoint; `None` is AWS's own.
    pub sqs_endpoint: Option<String>,
    /// The roots that AWS's endpoints are certified by, in PEM: at least one, and each can be read.
    pub aws_roots_pem: Cow<'static, str>,
    /// The region.
    pub region: String,
    /// Where the role's credentials come from.
    pub aws_keys: KeySource,
    /// The function's own name, to invoke itself.
    pub function_name: String,
    /// The namespace of the metrics; `None`: there are none.
    pub metrics_namespace: Option<String>,
    /// What is logged.
    pub log_filter: String,
}

/// Everything that is wrong with the environment, one line each. It never repeats a value.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is incomplete:\n{}", .0.join("\n"))]
pub struct ConfigProblems(pub(super) Vec<String>);

/// Reads apps whose webhooks may be sent there.
///
/// # Errors
/// All that is wrong, for the operator. No value is repeated but ids: some are secrets.
pub fn parse_apps(json: &str, webhooks_to: WebhooksTo) -> Result<Apps, String> {
    let apps = Apps::parse(json)?;
    let plain: Vec<String> = apps
        .with_plain_webhooks()
        .filter(|_| webhooks_to == WebhooksTo::Public)
        .map(|id| format!("app {id}: the url of a webhook is not https"))
        .collect();
    if plain.is_empty() {
        Ok(apps)
    } else {
        Err(plain.join("; "))
    }
}
