//! The functions' configuration: the only module that reads the environment, and a file that it names.

mod keys;
pub mod variable;

use std::borrow::Cow;
use std::time::Duration;

pub use self::keys::{AwsKeys, KeyEndpoint, KeySource};
use crate::aws::tls::{AMAZON_ROOTS_PEM, are_roots};
use crate::model::app::Apps;
use crate::model::limits::{
    CONNECTION_LIFE_SECS, FANOUT_CONCURRENCY_DEFAULT, FANOUT_INLINE_MAX_DEFAULT,
    POSTS_PER_SECOND_DEFAULT, SECRET_AGE_SECS, SESSION_SILENCE_SECS, STREAM_LIFE_SECS,
    SUBSCRIBERS_PER_SHARD_DEFAULT, WEBHOOK_PATIENCE_SECS,
};
use crate::model::secret::{OriginKey, OwnKey};
use crate::model::settings::Settings;
use crate::model::socket_id::Transport;
use crate::model::time::UnixMillis;

/// What is logged unless something else is wanted.
pub const DEFAULT_LOG_FILTER: &str = "info";

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
pub struct ConfigProblems(Vec<String>);

impl Config {
    /// Reads the process's environment. Besides what every function needs, this one needs `also`:
    /// names from [`variable`].
    ///
    /// # Errors
    /// All that is missing or wrong, at once.
    pub fn from_env(also: &[&'static str]) -> Result<Self, ConfigProblems> {
        Self::from(|name| std::env::var(name).ok(), also)
    }

    /// Reads what `lookup` finds.
    ///
    /// # Errors
    /// All that is missing or wrong, at once.
    pub fn from(
        lookup: impl Fn(&str) -> Option<String>,
        also: &[&'static str],
    ) -> Result<Self, ConfigProblems> {
        let mut problems = Vec::new();
        let lookup = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let mut required = |name: &'static str| {
            lookup(name).unwrap_or_else(|| {
                problems.push(format!("{name} is missing"));
                String::new()
            })
        };
        let table_name = required(variable::TABLE_NAME);
        let endpoint = required(variable::CONNECTIONS_ENDPOINT);
        let region = required(variable::REGION);
        let function_name = required(variable::FUNCTION_NAME);
        for &name in also.iter().filter(|name| **name != variable::OWN_KEY) {
            required(name);
        }
        let aws_keys = KeySource::from(lookup)
            .map_err(|missing| problems.extend(missing))
            .ok();
        let greet_via = match lookup(variable::GREET_VIA).as_deref() {
            None | Some("layer") => GreetVia::Layer,
            Some("invoke") => GreetVia::Invoke,
            Some(_) => {
                problems.push(format!(
                    "{} is neither layer nor invoke",
                    variable::GREET_VIA
                ));
                GreetVia::Layer
            }
        };
        let webhooks_to = match lookup(variable::WEBHOOKS_TO).as_deref() {
            None | Some("public") => WebhooksTo::Public,
            Some("any") => WebhooksTo::Any,
            Some(_) => {
                problems.push(format!(
                    "{} is neither public nor any",
                    variable::WEBHOOKS_TO
                ));
                WebhooksTo::Public
            }
        };
        let mut seconds = |name: &'static str, default: u64| match lookup(name) {
            None => default,
            Some(text) => text.parse().unwrap_or_else(|_| {
                problems.push(format!("{name} is no number of seconds"));
                default
            }),
        };
        let lives = Lives {
            connection_secs: seconds(variable::CONNECTION_LIFE, CONNECTION_LIFE_SECS),
            probe_secs: Some(seconds(variable::PROBE, 0)).filter(|secs| *secs > 0),
        };
        let webhook_patience =
            Duration::from_secs(seconds(variable::WEBHOOK_PATIENCE, WEBHOOK_PATIENCE_SECS));
        let stream_life = Duration::from_secs(seconds(variable::STREAM_LIFE, STREAM_LIFE_SECS));
        let secret_age = Duration::from_secs(seconds(variable::SECRET_AGE, SECRET_AGE_SECS));
        let mut count = |name: &'static str, default: u64, min: u64| match lookup(name) {
            None => default,
            Some(text) => match text.parse() {
                Ok(count) if count >= min => count,
                Ok(_) | Err(_) => {
                    problems.push(format!("{name} is no number from {min}"));
                    default
                }
            },
        };
        let posts_per_second = count(variable::POSTS_PER_SECOND, POSTS_PER_SECOND_DEFAULT, 1);
        let workers = count(variable::FANOUT_CONCURRENCY, FANOUT_CONCURRENCY_DEFAULT, 1);
        let large_channels = LargeChannels {
            inline_max: count(variable::FANOUT_INLINE_MAX, FANOUT_INLINE_MAX_DEFAULT, 0),
            per_shard: count(
                variable::SUBSCRIBERS_PER_SHARD,
                SUBSCRIBERS_PER_SHARD_DEFAULT,
                1,
            ),
            worker_posts_per_second: (posts_per_second / workers).max(1),
        };
        let mut secret = Secret {
            lookup: &lookup,
            problems: &mut problems,
        };
        let names = (variable::APPS, variable::APPS_SECRET);
        let apps = secret.required(names, |json| parse_apps(json, webhooks_to));
        let names = (variable::OWN_KEY, variable::OWN_KEY_SECRET);
        let own_key = if also.contains(&variable::OWN_KEY) {
            secret.required(names, OwnKey::parse)
        } else {
            None
        };
        let names = (variable::ORIGIN_KEY, variable::ORIGIN_KEY_SECRET);
        let origin_key = secret.optional(names, OriginKey::parse);
        let connections_endpoint: http::Uri =
            endpoint.trim_end_matches('/').parse().unwrap_or_default();
        if !endpoint.is_empty()
            && (connections_endpoint.scheme().is_none()
                || connections_endpoint.authority().is_none())
        {
            problems.push(format!(
                "{} is no URL such as https://host/stage",
                variable::CONNECTIONS_ENDPOINT
            ));
        }
        let aws_roots_pem = match lookup(variable::CA_BUNDLE).map(std::fs::read_to_string) {
            None => Cow::Borrowed(AMAZON_ROOTS_PEM),
            Some(Ok(pem)) if are_roots(&pem) => Cow::Owned(pem),
            Some(Ok(_) | Err(_)) => {
                problems.push(format!(
                    "{} names no file of certificates",
                    variable::CA_BUNDLE
                ));
                Cow::Borrowed(AMAZON_ROOTS_PEM)
            }
        };
        match (apps, aws_keys) {
            (Some(apps), Some(aws_keys)) if problems.is_empty() => Ok(Self {
                apps,
                table_name,
                connections_endpoint,
                later_queue_url: lookup(variable::LATER_QUEUE_URL),
                fanout_queue_url: lookup(variable::FANOUT_QUEUE_URL),
                large_channels,
                webhook_queue_url: lookup(variable::WEBHOOK_QUEUE_URL),
                webhook_dead_queue_url: lookup(variable::WEBHOOK_DEAD_QUEUE_URL),
                webhooks_to,
                webhook_patience,
                greet_via,
                lives,
                own_key,
                origin_key,
                secret_age,
                stream_life,
                dynamodb_endpoint: lookup(variable::DYNAMODB_ENDPOINT),
                lambda_endpoint: lookup(variable::LAMBDA_ENDPOINT),
                secrets_endpoint: lookup(variable::SECRETS_ENDPOINT),
                sqs_endpoint: lookup(variable::SQS_ENDPOINT),
                aws_roots_pem,
                region,
                aws_keys,
                function_name,
                metrics_namespace: lookup(variable::METRICS_NAMESPACE),
                log_filter: lookup(variable::LOG).unwrap_or_else(|| DEFAULT_LOG_FILTER.to_owned()),
            }),
            (Some(_) | None, Some(_) | None) => Err(ConfigProblems(problems)),
        }
    }
}

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

/// Something secret among the variables, by two names: what it is, and where it is.
struct Secret<'a, L> {
    lookup: &'a L,
    problems: &'a mut Vec<String>,
}

impl<L: Fn(&str) -> Option<String>> Secret<'_, L> {
    fn optional<T>(
        &mut self,
        (given, stored): (&str, &str),
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Configured<T>> {
        match ((self.lookup)(given), (self.lookup)(stored)) {
            (None, None) => None,
            (None, Some(id)) => Some(Configured::Stored(id)),
            (Some(text), None) => match parse(&text) {
                Ok(value) => Some(Configured::Given(value)),
                Err(problem) => {
                    self.problems.push(format!("{given} {problem}"));
                    None
                }
            },
            (Some(_), Some(_)) => {
                self.problems
                    .push(format!("{given} and {stored} are both set"));
                None
            }
        }
    }

    fn required<T>(
        &mut self,
        (given, stored): (&str, &str),
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Configured<T>> {
        let before = self.problems.len();
        let found = self.optional((given, stored), parse);
        if found.is_none() && self.problems.len() == before {
            self.problems
                .push(format!("{given} is missing, and so is {stored}"));
        }
        found
    }
}

#[cfg(test)]
mod tests;
