//! The functions' configuration: the only module that reads the environment.

use std::time::Duration;

use crate::app::Apps;
use crate::cursor::CursorKey;
use crate::limits::{
    CONNECTION_LIFE_SECS, CURSOR_KEY_MIN_BYTES, SESSION_SILENCE_SECS, STREAM_LIFE_SECS,
    WEBHOOK_PATIENCE_SECS,
};
use crate::settings::Settings;
use crate::socket_id::Transport;
use crate::time::UnixMillis;

/// The variables a function is configured by. Lambda itself sets those of the AWS credentials.
pub mod variable {
    /// The apps as JSON: `[{"id":"1001","key":"…","secret":"…"}]`.
    pub const APPS: &str = "APPS";
    /// The DynamoDB table's name.
    pub const TABLE_NAME: &str = "TABLE_NAME";
    /// The `@connections` endpoint, stage included: `https://{api}.execute-api.{region}.amazonaws.com/{stage}`.
    pub const CONNECTIONS_ENDPOINT: &str = "CONNECTIONS_ENDPOINT";
    /// The queue of delayed messages: its URL. Only functions that send to it need it.
    pub const LATER_QUEUE_URL: &str = "LATER_QUEUE_URL";
    /// The queue of webhooks: its URL. Only functions that send to it need it.
    pub const WEBHOOK_QUEUE_URL: &str = "WEBHOOK_QUEUE_URL";
    /// Where webhooks go that nobody took: a queue's URL. Only `webhook` needs it.
    pub const WEBHOOK_DEAD_QUEUE_URL: &str = "WEBHOOK_DEAD_QUEUE_URL";
    /// Where webhooks may be sent: `public` (encrypted, and to public addresses) or `any`.
    pub const WEBHOOKS_TO: &str = "WEBHOOKS_TO";
    /// Seconds for which a webhook is tried again; 300 when absent.
    pub const WEBHOOK_PATIENCE: &str = "WEBHOOK_PATIENCE_SECONDS";
    /// How `connect` greets: `layer` (after its response) or `invoke` (a second, asynchronous invocation of itself).
    pub const GREET_VIA: &str = "GREET_VIA";
    /// Seconds a connection's rows count as alive; API Gateway's maximum and slack when absent.
    pub const CONNECTION_LIFE: &str = "CONNECTION_LIFE_SECONDS";
    /// Seconds after which the reaper asks API Gateway whether a connection on a presence channel
    /// is still there, again and again; never when absent or 0.
    pub const PROBE: &str = "PROBE_SECONDS";
    /// What cursors are signed with: at least 32 bytes. Only functions that read the log for others need
    /// it.
    pub const CURSOR_KEY: &str = "CURSOR_KEY";
    /// Seconds a stream lasts; 300 when absent.
    pub const STREAM_LIFE: &str = "STREAM_LIFE_SECONDS";
    /// DynamoDB's endpoint; AWS's own when absent.
    pub const DYNAMODB_ENDPOINT: &str = "AWS_ENDPOINT_URL_DYNAMODB";
    /// Lambda's endpoint; AWS's own when absent.
    pub const LAMBDA_ENDPOINT: &str = "AWS_ENDPOINT_URL_LAMBDA";
    /// SQS's endpoint; AWS's own when absent.
    pub const SQS_ENDPOINT: &str = "AWS_ENDPOINT_URL_SQS";
    /// The namespace of the metrics; when absent there are none.
    pub const METRICS_NAMESPACE: &str = "METRICS_NAMESPACE";
    /// What is logged, as `tracing-subscriber` reads it; [`super::DEFAULT_LOG_FILTER`] when absent.
    pub const LOG: &str = "RUST_LOG";
    /// The region, as Lambda sets it.
    pub const REGION: &str = "AWS_REGION";
    /// The role's key id, as Lambda sets it.
    pub const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
    /// The role's secret key, as Lambda sets it.
    pub const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
    /// The role's session token, as Lambda sets it.
    pub const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
    /// The function's own name, as Lambda sets it.
    pub const FUNCTION_NAME: &str = "AWS_LAMBDA_FUNCTION_NAME";
}

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

/// The role's credentials, from the environment. No `Debug`.
#[derive(Clone)]
pub struct AwsKeys {
    /// Public.
    pub access_key_id: String,
    /// Secret.
    pub secret_access_key: String,
    /// Secret; absent for a user's own key.
    pub session_token: Option<String>,
}

/// All that a function is told. No `Debug`: it holds secrets.
#[derive(Clone)]
pub struct Config {
    /// The apps it serves.
    pub apps: Apps,
    /// The table's name.
    pub table_name: String,
    /// Where connections are posted to; no `/` at its end.
    pub connections_endpoint: http::Uri,
    /// The queue of delayed messages: its URL. There for a function that said that it needs it.
    pub later_queue_url: Option<String>,
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
    pub cursor_key: Option<CursorKey>,
    /// How long a stream lasts.
    pub stream_life: Duration,
    /// DynamoDB's endpoint; `None` is AWS's own.
    pub dynamodb_endpoint: Option<String>,
    /// Lambda's endpoint; `None` is AWS's own.
    pub lambda_endpoint: Option<String>,
    /// SQS's endpoint; `None` is AWS's own.
    pub sqs_endpoint: Option<String>,
    /// The region.
    pub region: String,
    /// The role's credentials.
    pub aws_keys: AwsKeys,
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
        let apps = required(variable::APPS);
        let table_name = required(variable::TABLE_NAME);
        let endpoint = required(variable::CONNECTIONS_ENDPOINT);
        let region = required(variable::REGION);
        let aws_keys = AwsKeys {
            access_key_id: required(variable::ACCESS_KEY_ID),
            secret_access_key: required(variable::SECRET_ACCESS_KEY),
            session_token: lookup(variable::SESSION_TOKEN),
        };
        let function_name = required(variable::FUNCTION_NAME);
        for &name in also {
            required(name);
        }
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
        let cursor_key = lookup(variable::CURSOR_KEY).and_then(|key| {
            let key = CursorKey::new(key);
            if key.is_none() {
                problems.push(format!(
                    "{} is under {CURSOR_KEY_MIN_BYTES} bytes",
                    variable::CURSOR_KEY
                ));
            }
            key
        });
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
        let apps = if apps.is_empty() {
            None
        } else {
            Apps::parse(&apps)
                .map_err(|problem| problems.push(format!("{} {problem}", variable::APPS)))
                .ok()
        };
        let plain = apps.iter().flat_map(Apps::with_plain_webhooks);
        for id in plain.filter(|_| webhooks_to == WebhooksTo::Public) {
            let apps = variable::APPS;
            problems.push(format!(
                "{apps} app {id}: the url of a webhook is not https"
            ));
        }
        match apps {
            Some(apps) if problems.is_empty() => Ok(Self {
                apps,
                table_name,
                connections_endpoint,
                later_queue_url: lookup(variable::LATER_QUEUE_URL),
                webhook_queue_url: lookup(variable::WEBHOOK_QUEUE_URL),
                webhook_dead_queue_url: lookup(variable::WEBHOOK_DEAD_QUEUE_URL),
                webhooks_to,
                webhook_patience,
                greet_via,
                lives,
                cursor_key,
                stream_life,
                dynamodb_endpoint: lookup(variable::DYNAMODB_ENDPOINT),
                lambda_endpoint: lookup(variable::LAMBDA_ENDPOINT),
                sqs_endpoint: lookup(variable::SQS_ENDPOINT),
                region,
                aws_keys,
                function_name,
                metrics_namespace: lookup(variable::METRICS_NAMESPACE),
                log_filter: lookup(variable::LOG).unwrap_or_else(|| DEFAULT_LOG_FILTER.to_owned()),
            }),
            Some(_) | None => Err(ConfigProblems(problems)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(name: &str) -> Option<String> {
        let value = match name {
            variable::APPS => r#"[{"id":"1","key":"k","secret":"s3cret"}]"#,
            variable::TABLE_NAME => "channels",
            variable::CONNECTIONS_ENDPOINT => "http://127.0.0.1:1/live/",
            variable::REGION => "us-east-1",
            variable::ACCESS_KEY_ID | variable::SECRET_ACCESS_KEY => "local",
            variable::FUNCTION_NAME => "connect",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn a_complete_environment_is_read() {
        let config = Config::from(complete, &[])
            .map_err(|problems| problems.to_string())
            .expect("complete");
        assert_eq!(config.greet_via, GreetVia::Layer);
        assert_eq!(config.connections_endpoint.path(), "/live");
        let lives = Lives {
            connection_secs: 7_800,
            probe_secs: None,
        };
        assert_eq!(config.lives, lives);
    }

    #[test]
    fn every_problem_is_named_at_once_and_no_value_is() {
        let problems = Config::from(|_| None, &[variable::LATER_QUEUE_URL])
            .map(|_| ())
            .expect_err("nothing is set")
            .to_string();
        for name in [
            variable::APPS,
            variable::TABLE_NAME,
            variable::CONNECTIONS_ENDPOINT,
            variable::REGION,
            variable::LATER_QUEUE_URL,
        ] {
            assert!(problems.contains(name), "{problems}");
        }
        let wrong = |name: &str| match name {
            variable::APPS => Some(r#"[{"id":"1","key":"k","secret":"s3cret""#.to_owned()),
            variable::GREET_VIA => Some("pigeon".to_owned()),
            variable::CONNECTIONS_ENDPOINT => Some("somewhere".to_owned()),
            variable::PROBE => Some("often".to_owned()),
            name => complete(name),
        };
        let problems = Config::from(wrong, &[])
            .map(|_| ())
            .expect_err("four are wrong")
            .to_string();
        assert_eq!(problems.lines().count(), 5, "{problems}");
        assert!(!problems.contains("s3cret"), "{problems}");
    }

    #[test]
    fn a_webhook_goes_in_the_open_only_where_that_is_wanted() {
        let apps = r#"[{"id":"7","key":"k","secret":"s3cret","webhooks":[{"url":"http://127.0.0.1:1/?s3cret"}]}]"#;
        let config = |to: &'static str| {
            let lookup = |name: &str| match name {
                variable::APPS => Some(apps.to_owned()),
                variable::WEBHOOKS_TO => Some(to.to_owned()),
                name => complete(name),
            };
            Config::from(lookup, &[]).map_err(|problems| problems.to_string())
        };
        assert_eq!(
            config("any").map(|config| config.webhooks_to),
            Ok(WebhooksTo::Any)
        );
        for (to, said) in [("", "app 7"), ("public", "app 7"), ("all", "neither")] {
            let problems = config(to).map(|_| ()).expect_err("refused");
            assert!(
                problems.contains(said) && !problems.contains("s3cret"),
                "{problems}"
            );
        }
    }

    #[test]
    fn what_one_function_needs_the_others_may_lack() {
        let problems = Config::from(complete, &[variable::LATER_QUEUE_URL])
            .map(|_| ())
            .expect_err("it is not set")
            .to_string();
        assert_eq!(problems.lines().count(), 2, "{problems}");
        let url = "http://127.0.0.1:1/123456789012/later";
        let with_queue = |name: &str| match name {
            variable::LATER_QUEUE_URL => Some(url.to_owned()),
            name => complete(name),
        };
        let config = Config::from(with_queue, &[variable::LATER_QUEUE_URL])
            .map_err(|problems| problems.to_string())
            .expect("complete");
        assert_eq!(config.later_queue_url.as_deref(), Some(url));
    }

    #[test]
    fn a_connection_is_due_when_something_may_have_to_be_done() {
        let due_of = |transport, authorized_connections_timeout_secs, probe_secs| {
            let settings = Settings {
                authorized_connections_timeout_secs,
                ..Settings::default()
            };
            let lives = Lives {
                connection_secs: 7_800,
                probe_secs,
            };
            let (connected_at, expires_at) = (UnixMillis(1_000), UnixMillis(7_801_000));
            let due_at = lives.first_due(transport, &settings, connected_at, expires_at);
            due_at.0
        };
        let due = |overdue_secs, probe_secs| due_of(Transport::Socket, overdue_secs, probe_secs);
        assert_eq!(due(0, None), 7_801_000);
        assert_eq!(due(30, None), 31_000);
        assert_eq!(due(0, Some(60)), 61_000);
        assert_eq!(due(30, Some(20)), 21_000);
        // Nobody else would notice that the client of a session has gone.
        assert_eq!(due_of(Transport::Http, 0, Some(20)), 61_000);
        assert_eq!(due_of(Transport::Http, 30, None), 31_000);
    }
}
