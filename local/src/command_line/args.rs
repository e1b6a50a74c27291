//! The command line.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::app::Apps;
use shared::limits::{
    CONNECTION_AGE_MAX_SECS, CONNECTION_LIFE_SECS, FANOUT_INLINE_MAX_DEFAULT,
    POSTS_PER_SECOND_DEFAULT, STREAM_LIFE_SECS, SUBSCRIBERS_PER_SHARD_DEFAULT,
    WEBHOOK_PATIENCE_SECS,
};

/// Runs the whole system on one machine: the real functions behind a gateway, on an embedded
/// DynamoDB.
#[derive(Debug, Parser)]
#[command(name = "local", version)]
pub struct Args {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: IpAddr,

    /// The port to listen on; 0 takes any free one.
    #[arg(long, default_value_t = 6001)]
    pub port: u16,

    /// An app without optional features; may be given several times, and replaces the default one
    /// (1001:local-key:local-secret), which has them all.
    #[arg(long = "app", value_name = "ID:KEY:SECRET")]
    app: Vec<AppArg>,

    /// The apps as the functions' variable holds them, in a file, instead of --app.
    #[arg(long = "apps", value_name = "FILE", conflicts_with = "app")]
    apps_file: Option<PathBuf>,

    /// Environments a function may run in at once.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub concurrency: u16,

    /// Streams and sessions at once: environments of each of the functions that stream.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub streams: u16,

    /// Seconds after which a stream ends, and its reader comes back.
    #[arg(long, value_name = "SECONDS", default_value_t = STREAM_LIFE_SECS, value_parser = clap::value_parser!(u64).range(1..=840))]
    pub stream_life: u64,

    /// Keeps the table in this file; without it, in memory.
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,

    /// What the functions log, as their variable `RUST_LOG` has it.
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,

    /// Has the functions print what they count, under this namespace of CloudWatch's.
    #[arg(long, value_name = "NAMESPACE")]
    pub metrics: Option<String>,

    /// Does not show what the functions log.
    #[arg(long)]
    pub quiet: bool,

    /// Seconds of silence after which a socket is closed.
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub idle_timeout: u64,

    /// Seconds after which a socket is closed.
    #[arg(long, value_name = "SECONDS", default_value_t = 7_200, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub max_age: u64,

    /// Seconds between two runs of `reaper`; 0 runs it never.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub reap_every: u64,

    /// Seconds after which the table removes again what has expired.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub sweep_every: u64,

    /// Seconds after which it is asked whether a socket on a presence channel is still there, again
    /// and again; 0 is never.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub probe: u64,

    /// How `connect` greets.
    #[arg(long, value_enum, default_value_t = GreetVia::Layer)]
    pub greet_via: GreetVia,

    /// What becomes of `$disconnect`, which API Gateway does not promise.
    #[arg(long, value_enum, default_value_t = Disconnects::Deliver)]
    pub disconnects: Disconnects,

    /// Where webhooks may be sent.
    #[arg(long, value_enum, default_value_t = WebhooksTo::Any)]
    pub webhooks_to: WebhooksTo,

    /// Seconds for which a webhook is tried again.
    #[arg(long, value_name = "SECONDS", default_value_t = WEBHOOK_PATIENCE_SECS, value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub webhook_patience: u64,

    /// Subscribers of a channel that whoever publishes delivers to by itself; with more it goes through
    /// the queue.
    #[arg(long, value_name = "SUBSCRIBERS", default_value_t = FANOUT_INLINE_MAX_DEFAULT)]
    pub inline_max: u64,

    /// Subscribers in one shard of a channel.
    #[arg(long, value_name = "SUBSCRIBERS", default_value_t = SUBSCRIBERS_PER_SHARD_DEFAULT, value_parser = clap::value_parser!(u64).range(1..))]
    pub per_shard: u64,

    /// Posts a second that the workers of large channels share.
    #[arg(long, value_name = "POSTS", default_value_t = POSTS_PER_SECOND_DEFAULT, value_parser = clap::value_parser!(u64).range(1..))]
    pub posts_per_second: u64,

    /// Puts a proxy between the functions and what they call, which makes requests fail by rules
    /// and counts them. The table is then slower.
    #[arg(long)]
    pub faults: bool,

    /// A variable of the functions, in place of what they would have; may be given several times.
    /// Without a value they do not have it.
    #[arg(long = "env", value_name = "NAME=VALUE")]
    pub env: Vec<Variable>,

    /// Writes the functions' variables to this file, so that a function can be run by hand against
    /// this system.
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,

    /// Runs the function binaries that lie beside this one, without building them first.
    #[arg(long)]
    pub prebuilt: bool,
}

/// A variable of the functions.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl FromStr for Variable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
            Some(_) | None => Err("NAME=VALUE is expected".to_owned()),
        }
    }
}

/// How `connect` greets a connection.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum GreetVia {
    /// In the same invocation, after its response.
    Layer,
    /// In an asynchronous invocation of itself.
    Invoke,
}

impl GreetVia {
    /// The value of the functions' variable.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Layer => "layer",
            Self::Invoke => "invoke",
        }
    }
}

/// Where webhooks may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WebhooksTo {
    /// To public addresses, over TLS: as on AWS.
    Public,
    /// Anywhere.
    Any,
}

impl WebhooksTo {
    /// The value of the functions' variable.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Any => "any",
        }
    }
}

/// What becomes of `$disconnect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Disconnects {
    /// It comes.
    Deliver,
    /// It never does.
    Drop,
}

/// An app, as the command line names it. The functions check it; here it is only taken apart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AppArg {
    /// The id.
    pub id: String,
    /// The key.
    pub key: String,
    /// The secret: a local one, which the banner prints.
    pub secret: String,
    /// What is switched on.
    #[serde(flatten)]
    pub features: Features,
}

/// The features of an app that are off unless they are switched on.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Features {
    client_events: bool,
    subscription_count: bool,
    watchlist: bool,
}

impl Features {
    /// Every feature: the default app's.
    pub const ALL: Self = Self {
        client_events: true,
        subscription_count: true,
        watchlist: true,
    };
}

impl FromStr for AppArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ':').map(str::to_owned);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(id), Some(key), Some(secret)) => Ok(Self {
                id,
                key,
                secret,
                features: Features::default(),
            }),
            _ => Err("an app is ID:KEY:SECRET".to_owned()),
        }
    }
}

impl AppArg {
    /// The apps that the functions' variable holds. It may say more of each.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn list(json: &str) -> Result<Vec<Self>, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }
}

/// The apps in a file, on one line.
fn apps_in(file: &Path, to: WebhooksTo) -> Result<String, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let apps = Apps::parse(&text)?;
    if to == WebhooksTo::Public
        && let Some(id) = apps.with_plain_webhooks().next()
    {
        return Err(format!("app {id}: the url of a webhook is not https"));
    }
    let apps: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    Ok(apps.to_string())
}

impl Args {
    /// The apps of the command line: at least one.
    fn apps(&self) -> Vec<AppArg> {
        if self.app.is_empty() {
            let [id, key, secret] = ["1001", "local-key", "local-secret"].map(str::to_owned);
            let features = Features::ALL;
            vec![AppArg {
                id,
                key,
                secret,
                features,
            }]
        } else {
            self.app.clone()
        }
    }

    /// Seconds that a connection's rows count as alive: its greatest age, and as much slack as the
    /// template gives, but no more than a tenth where the age is short.
    #[must_use]
    pub fn connection_life_secs(&self) -> u64 {
        let slack = CONNECTION_LIFE_SECS - CONNECTION_AGE_MAX_SECS;
        self.max_age + slack.min(self.max_age.div_ceil(10))
    }

    /// The apps as the functions' variable holds them.
    ///
    /// # Errors
    /// What the functions would say of them.
    pub fn apps_json(&self) -> Result<String, String> {
        if let Some(file) = &self.apps_file {
            return apps_in(file, self.webhooks_to)
                .map_err(|problem| format!("--apps {}: {problem}", file.display()));
        }
        let apps = self.apps();
        let json = serde_json::to_string(&apps).expect("strings always print");
        let given: Vec<String> = apps
            .iter()
            .map(|app| format!("{}:{}:…", app.id, app.key))
            .collect();
        match Apps::parse(&json) {
            Ok(_) => Ok(json),
            Err(problem) => Err(format!("--app {}: {problem}", given.join(" --app "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(arguments: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from(["local"].iter().chain(arguments))
    }

    #[test]
    fn there_is_an_app_unless_others_are_given() {
        let default = args(&[])
            .expect("no arguments")
            .apps_json()
            .expect("an app");
        let app = Apps::parse(&default).expect("an app");
        let settings = app.by_id("1001").expect("the app").settings();
        assert!(settings.client_events && settings.subscription_count && settings.watchlist);
        let given = args(&["--app", "7:a:s:e:c", "--app", "8:b:t"])
            .expect("two apps")
            .apps();
        assert_eq!(
            given
                .iter()
                .map(|app| app.secret.as_str())
                .collect::<Vec<_>>(),
            ["s:e:c", "t"]
        );
    }

    #[test]
    fn a_file_of_apps_is_passed_on_once_the_functions_would_take_it() {
        let file = std::env::temp_dir().join(format!("apps-{}.json", std::process::id()));
        let path = file.to_str().expect("a path");
        let of_file = |text: &str| {
            std::fs::write(&file, text).expect("written");
            args(&["--apps", path]).expect("well formed").apps_json()
        };
        let json = of_file("[\n{ \"id\": \"7\", \"key\": \"k\", \"secret\": \"s\" }\n]");
        assert_eq!(
            json.as_deref(),
            Ok(r#"[{"id":"7","key":"k","secret":"s"}]"#)
        );
        let problem = of_file(r#"[{"id":"7","key":"k"}]"#).expect_err("refused");
        assert!(problem.starts_with("--apps "), "{problem}");
        std::fs::remove_file(&file).expect("removed");
        let missing = args(&["--apps", path]).expect("well formed").apps_json();
        assert!(missing.expect_err("refused").contains(path));
        assert!(args(&["--apps", path, "--app", "7:k:s"]).is_err());

        // What the functions know and this does not.
        let more = r#"[{"id":"7","key":"k","secret":"s","more":{"a":1}}]"#;
        assert_eq!(AppArg::list(more).expect("apps")[0].key, "k");
    }

    #[test]
    fn a_bad_argument_is_refused() {
        for arguments in [
            ["--app", "7:a"],
            ["--port", "70000"],
            ["--concurrency", "0"],
            ["--greet-via", "pigeon"],
            ["--webhooks-to", "mars"],
            ["--webhook-patience", "forever"],
            ["--disconnects", "lose"],
            ["--reap-every", "-1"],
            ["--sweep-every", "0"],
            ["--host", "here"],
        ] {
            assert!(args(&arguments).is_err(), "{arguments:?}");
        }
        let twice = args(&["--app", "7:a:s", "--app", "7:b:s"]).expect("well formed");
        assert!(twice.apps_json().expect_err("refused").contains("twice"));
    }
}
