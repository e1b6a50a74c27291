//! Reading the environment: every problem is named, and no value is repeated.

use std::borrow::Cow;
use std::time::Duration;

use super::keys::KeySource;
use super::roots::{AMAZON_ROOTS_PEM, are_roots};
use super::types::{
    Config, ConfigProblems, Configured, GreetVia, LargeChannels, Lives, WebhooksTo, parse_apps,
};
use super::variable;
use crate::model::app::Apps;
use crate::model::limits::{
    CONNECTION_LIFE_SECS, FANOUT_CONCURRENCY_DEFAULT, FANOUT_INLINE_MAX_DEFAULT,
    POSTS_PER_SECOND_DEFAULT, SECRET_AGE_SECS, STREAM_LIFE_SECS, SUBSCRIBERS_PER_SHARD_DEFAULT,
    WEBHOOK_PATIENCE_SECS,
};
use crate::model::secret::{OriginKey, OwnKey};

/// What is logged unless something else is wanted.
pub const DEFAULT_LOG_FILTER: &str = "info";

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
        let mut environment = Environment {
            lookup,
            problems: Vec::new(),
        };
        match environment.read(also) {
            Some(config) if environment.problems.is_empty() => Ok(config),
            Some(_) | None => Err(ConfigProblems(environment.problems)),
        }
    }
}

/// What is looked up, and what is wrong with what was found.
struct Environment<L> {
    lookup: L,
    problems: Vec<String>,
}

/// Two names of one secret: what it is, and where Secrets Manager has it.
type Names = (&'static str, &'static str);

impl<L: Fn(&str) -> Option<String>> Environment<L> {
    /// The configuration, if nothing without a default is wrong. Fields are read in this order; those that
    /// may be missing stand last, so that every problem is found.
    fn read(&mut self, also: &[&'static str]) -> Option<Config> {
        let (table_name, endpoint) = (
            self.required(variable::TABLE_NAME),
            self.required(variable::CONNECTIONS_ENDPOINT),
        );
        let (region, function_name) = (
            self.required(variable::REGION),
            self.required(variable::FUNCTION_NAME),
        );
        for &name in also.iter().filter(|name| **name != variable::OWN_KEY) {
            self.required(name);
        }
        let aws_keys = self.aws_keys();
        let greet_via = self.greet_via();
        let webhooks_to = self.webhooks_to();
        let lives = self.lives();
        let webhook_patience = self.seconds(variable::WEBHOOK_PATIENCE, WEBHOOK_PATIENCE_SECS);
        let stream_life = self.seconds(variable::STREAM_LIFE, STREAM_LIFE_SECS);
        let secret_age = self.seconds(variable::SECRET_AGE, SECRET_AGE_SECS);
        let large_channels = self.large_channels();
        let apps = self.apps(webhooks_to);
        Some(Config {
            table_name,
            later_queue_url: self.find(variable::LATER_QUEUE_URL),
            fanout_queue_url: self.find(variable::FANOUT_QUEUE_URL),
            large_channels,
            webhook_queue_url: self.find(variable::WEBHOOK_QUEUE_URL),
            webhook_dead_queue_url: self.find(variable::WEBHOOK_DEAD_QUEUE_URL),
            webhooks_to,
            webhook_patience,
            greet_via,
            lives,
            own_key: self.own_key(also),
            origin_key: self.optional_secret(
                (variable::ORIGIN_KEY, variable::ORIGIN_KEY_SECRET),
                OriginKey::parse,
            ),
            connections_endpoint: self.connections_endpoint(&endpoint),
            secret_age,
            stream_life,
            dynamodb_endpoint: self.find(variable::DYNAMODB_ENDPOINT),
            lambda_endpoint: self.find(variable::LAMBDA_ENDPOINT),
            secrets_endpoint: self.find(variable::SECRETS_ENDPOINT),
            sqs_endpoint: self.find(variable::SQS_ENDPOINT),
            aws_roots_pem: self.aws_roots_pem(),
            region,
            function_name,
            metrics_namespace: self.find(variable::METRICS_NAMESPACE),
            log_filter: self
                .find(variable::LOG)
                .unwrap_or_else(|| DEFAULT_LOG_FILTER.to_owned()),
            apps: apps?,
            aws_keys: aws_keys?,
        })
    }

    /// A variable's value; an empty one counts as absent.
    fn find(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    fn required(&mut self, name: &str) -> String {
        self.find(name).unwrap_or_else(|| {
            self.problem(format!("{name} is missing"));
            String::new()
        })
    }

    fn aws_keys(&mut self) -> Option<KeySource> {
        match KeySource::from(|name| self.find(name)) {
            Ok(keys) => Some(keys),
            Err(missing) => {
                self.problems.extend(missing);
                None
            }
        }
    }

    fn greet_via(&mut self) -> GreetVia {
        match self.find(variable::GREET_VIA).as_deref() {
            None | Some("layer") => GreetVia::Layer,
            Some("invoke") => GreetVia::Invoke,
            Some(_) => {
                self.problem(format!(
                    "{} is neither layer nor invoke",
                    variable::GREET_VIA
                ));
                GreetVia::Layer
            }
        }
    }

    fn webhooks_to(&mut self) -> WebhooksTo {
        match self.find(variable::WEBHOOKS_TO).as_deref() {
            None | Some("public") => WebhooksTo::Public,
            Some("any") => WebhooksTo::Any,
            Some(_) => {
                self.problem(format!(
                    "{} is neither public nor any",
                    variable::WEBHOOKS_TO
                ));
                WebhooksTo::Public
            }
        }
    }

    fn lives(&mut self) -> Lives {
        let connection = self.seconds(variable::CONNECTION_LIFE, CONNECTION_LIFE_SECS);
        let probe = self.seconds(variable::PROBE, 0);
        Lives {
            connection_secs: connection.as_secs(),
            probe_secs: Some(probe.as_secs()).filter(|secs| *secs > 0),
        }
    }

    fn seconds(&mut self, name: &str, default: u64) -> Duration {
        let secs = match self.find(name).map(|text| text.parse()) {
            None => default,
            Some(Ok(secs)) => secs,
            Some(Err(_)) => {
                self.problem(format!("{name} is no number of seconds"));
                default
            }
        };
        Duration::from_secs(secs)
    }

    fn large_channels(&mut self) -> LargeChannels {
        let posts_per_second = self.count(variable::POSTS_PER_SECOND, POSTS_PER_SECOND_DEFAULT, 1);
        let workers = self.count(variable::FANOUT_CONCURRENCY, FANOUT_CONCURRENCY_DEFAULT, 1);
        LargeChannels {
            inline_max: self.count(variable::FANOUT_INLINE_MAX, FANOUT_INLINE_MAX_DEFAULT, 0),
            per_shard: self.count(
                variable::SUBSCRIBERS_PER_SHARD,
                SUBSCRIBERS_PER_SHARD_DEFAULT,
                1,
            ),
            worker_posts_per_second: (posts_per_second / workers).max(1),
        }
    }

    fn count(&mut self, name: &str, default: u64, min: u64) -> u64 {
        match self.find(name).map(|text| text.parse()) {
            None => default,
            Some(Ok(count)) if count >= min => count,
            Some(Ok(_) | Err(_)) => {
                self.problem(format!("{name} is no number from {min}"));
                default
            }
        }
    }

    fn apps(&mut self, webhooks_to: WebhooksTo) -> Option<Configured<Apps>> {
        let names = (variable::APPS, variable::APPS_SECRET);
        self.required_secret(names, |json| parse_apps(json, webhooks_to))
    }

    fn own_key(&mut self, also: &[&'static str]) -> Option<Configured<OwnKey>> {
        let names = (variable::OWN_KEY, variable::OWN_KEY_SECRET);
        if also.contains(&variable::OWN_KEY) {
            self.required_secret(names, OwnKey::parse)
        } else {
            None
        }
    }

    fn connections_endpoint(&mut self, endpoint: &str) -> http::Uri {
        let uri: http::Uri = endpoint.trim_end_matches('/').parse().unwrap_or_default();
        if !endpoint.is_empty() && (uri.scheme().is_none() || uri.authority().is_none()) {
            self.problem(format!(
                "{} is no URL such as https://host/stage",
                variable::CONNECTIONS_ENDPOINT
            ));
        }
        uri
    }

    fn aws_roots_pem(&mut self) -> Cow<'static, str> {
        match self.find(variable::CA_BUNDLE).map(std::fs::read_to_string) {
            None => Cow::Borrowed(AMAZON_ROOTS_PEM),
            Some(Ok(pem)) if are_roots(&pem) => Cow::Owned(pem),
            Some(Ok(_) | Err(_)) => {
                self.problem(format!(
                    "{} names no file of certificates",
                    variable::CA_BUNDLE
                ));
                Cow::Borrowed(AMAZON_ROOTS_PEM)
            }
        }
    }

    fn optional_secret<T>(
        &mut self,
        (given, stored): Names,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Configured<T>> {
        match (self.find(given), self.find(stored)) {
            (None, None) => None,
            (None, Some(id)) => Some(Configured::Stored(id)),
            (Some(text), None) => match parse(&text) {
                Ok(value) => Some(Configured::Given(value)),
                Err(problem) => {
                    self.problem(format!("{given} {problem}"));
                    None
                }
            },
            (Some(_), Some(_)) => {
                self.problem(format!("{given} and {stored} are both set"));
                None
            }
        }
    }

    fn required_secret<T>(
        &mut self,
        names: Names,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Configured<T>> {
        let before = self.problems.len();
        let found = self.optional_secret(names, parse);
        if found.is_none() && self.problems.len() == before {
            let (given, stored) = names;
            self.problem(format!("{given} is missing, and so is {stored}"));
        }
        found
    }
}
