//! The arguments, and what follows from them.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Parser;
use shared::model::app::Apps;
use shared::model::limits::{
    CONNECTION_AGE_MAX_SECS, CONNECTION_LIFE_SECS, FANOUT_INLINE_MAX_DEFAULT,
    POSTS_PER_SECOND_DEFAULT, STREAM_LIFE_SECS, SUBSCRIBERS_PER_SHARD_DEFAULT,
    WEBHOOK_PATIENCE_SECS,
};

use super::apps::{AppArg, Features, apps_in};
use super::choices::{Disconnects, GreetVia, Variable, WebhooksTo};

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

    /// A file with the apps, as the functions' variable APPS has them; instead of --app.
    #[arg(long = "apps", value_name = "FILE", conflicts_with = "app")]
    apps_file: Option<PathBuf>,

    /// Environments that a function may run in at once.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub concurrency: u16,

    /// Streams and sessions at once: environments of each of the functions that stream.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub streams: u16,

    /// Seconds after which a stream ends. Its reader connects again.
    #[arg(long, value_name = "SECONDS", default_value_t = STREAM_LIFE_SECS, value_parser = clap::value_parser!(u64).range(1..=840))]
    pub stream_life: u64,

    /// Keeps the table in this file; without it, in memory.
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,

    /// What the functions log: the value of their variable `RUST_LOG`.
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,

    /// Has the functions print metrics, for this namespace of CloudWatch.
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

    /// Seconds between two deletions of expired rows from the table.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub sweep_every: u64,

    /// Seconds between two checks whether a socket on a presence channel is still open; 0 checks
    /// never.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub probe: u64,

    /// How `connect` greets.
    #[arg(long, value_enum, default_value_t = GreetVia::Layer)]
    pub greet_via: GreetVia,

    /// Whether the gateway invokes `disconnect`. API Gateway does not promise it.
    #[arg(long, value_enum, default_value_t = Disconnects::Deliver)]
    pub disconnects: Disconnects,

    /// Where webhooks may be sent.
    #[arg(long, value_enum, default_value_t = WebhooksTo::Any)]
    pub webhooks_to: WebhooksTo,

    /// Seconds for which a webhook is retried.
    #[arg(long, value_name = "SECONDS", default_value_t = WEBHOOK_PATIENCE_SECS, value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub webhook_patience: u64,

    /// The most subscribers that the publisher delivers to by itself. A channel with more is served
    /// through the queue.
    #[arg(long, value_name = "SUBSCRIBERS", default_value_t = FANOUT_INLINE_MAX_DEFAULT)]
    pub inline_max: u64,

    /// Subscribers in one shard of a channel.
    #[arg(long, value_name = "SUBSCRIBERS", default_value_t = SUBSCRIBERS_PER_SHARD_DEFAULT, value_parser = clap::value_parser!(u64).range(1..))]
    pub per_shard: u64,

    /// Posts a second that the workers of large channels share.
    #[arg(long, value_name = "POSTS", default_value_t = POSTS_PER_SECOND_DEFAULT, value_parser = clap::value_parser!(u64).range(1..))]
    pub posts_per_second: u64,

    /// Puts a proxy between the functions and AWS. It counts requests, and fails them by rules. It
    /// makes the table slower.
    #[arg(long)]
    pub faults: bool,

    /// A variable of the functions, which replaces the one they would have; may be given several
    /// times. An empty value counts as none.
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

    /// Seconds for which a connection's rows count as alive: the greatest age, and the slack that the
    /// template gives. Where the age is short, the slack is a tenth of it.
    #[must_use]
    pub fn connection_life_secs(&self) -> u64 {
        let slack = CONNECTION_LIFE_SECS - CONNECTION_AGE_MAX_SECS;
        self.max_age + slack.min(self.max_age.div_ceil(10))
    }

    /// The apps as the functions' variable holds them.
    ///
    /// # Errors
    /// What the functions would refuse.
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

        // A field that only the functions know.
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
