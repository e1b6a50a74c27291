//! The running system, as everybody outside reaches it, and its controls.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::plan::whole::SystemPlan;
use super::plan::world::APPS;
use super::record::{Recorder, unix_secs};
use super::wire::App;
use crate::runtime::Problem;
use crate::system::System;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(35);
/// Lines of its log that are kept.
const LINES_MAX: usize = 1_000_000;
/// How often in a row everything has to rest.
const QUIET_TIMES: u32 = 3;
/// Functions that run for as long as somebody reads.
const READING: [&str; 3] = ["session", "stream", "status"];

/// A system, and what is written down of it.
pub(crate) struct Outside {
    pub(crate) base: String,
    pub(crate) recorder: Recorder,
    pub(crate) http: reqwest::Client,
    /// Makes the names of sessions those of this run.
    pub(crate) salt: u32,
    controls: String,
    pub(super) table: String,
    pub(super) table_name: String,
    lines: Arc<Mutex<Vec<String>>>,
    /// Until it is stopped.
    system: Mutex<Option<System>>,
}

/// How a system is started.
fn arguments(plan: &SystemPlan, env_file: &str) -> Vec<String> {
    let SystemPlan {
        inline_max,
        per_shard,
        members_max: _,
        probe_secs,
        stream_life_secs,
        concurrency,
        greets_by_invoking,
    } = plan;
    let greets = if *greets_by_invoking {
        "invoke"
    } else {
        "layer"
    };
    let pairs = [
        ("--env-file", env_file.to_owned()),
        ("--inline-max", inline_max.to_string()),
        ("--per-shard", per_shard.to_string()),
        ("--probe", probe_secs.to_string()),
        ("--stream-life", stream_life_secs.to_string()),
        ("--concurrency", concurrency.to_string()),
        ("--greet-via", greets.to_owned()),
        // It is asked by the plan.
        ("--reap-every", "0".to_owned()),
        ("--sweep-every", "5".to_owned()),
        ("--log", "info".to_owned()),
    ];
    let pairs = pairs
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value]);
    pairs.chain(["--faults".to_owned()]).collect()
}

/// The apps, as the system is told of them.
fn apps(plan: &SystemPlan, hooks: &str) -> Value {
    let [featured, plain] = &APPS;
    json!([
        {
            "id": featured.id, "key": featured.key, "secret": featured.secret,
            "client_events": true, "subscription_count": true, "watchlist": true,
            "max_presence_members": plan.members_max, "retention_seconds": 3_600,
            "webhooks": [{ "url": hooks }],
        },
        {
            "id": plain.id, "key": plain.key, "secret": plain.secret,
            "max_presence_members": plan.members_max, "retention_seconds": 3_600,
        },
    ])
}

/// A file that nobody else uses.
fn temporary(seed: u64, extension: &str) -> PathBuf {
    let name = format!("storm-{}-{seed}.{extension}", std::process::id());
    std::env::temp_dir().join(name)
}

impl Outside {
    /// Starts a system that tells its webhooks to an address.
    pub(crate) fn start(
        seed: u64,
        plan: &SystemPlan,
        hooks: &str,
        recorder: Recorder,
    ) -> Result<Self, Problem> {
        let (apps_file, env_file) = (temporary(seed, "json"), temporary(seed, "env"));
        fs::write(&apps_file, apps(plan, hooks).to_string())?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = lines.clone();
        let said = move |line: &str| {
            let mut lines = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() < LINES_MAX {
                lines.push(line.to_owned());
            }
        };
        let started = System::start_with_apps(
            &apps_file,
            &arguments(plan, &env_file.to_string_lossy()),
            said,
        );
        let variables = fs::read_to_string(&env_file);
        // Whether it has started or not.
        let _ = fs::remove_file(&apps_file);
        let _ = fs::remove_file(&env_file);
        let (system, variables) = (started?, variables?);
        let variable = |name: &str| {
            let mut lines = variables.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            let value = value.map(|value| value.trim_matches('\'').to_owned());
            value.ok_or_else(|| format!("no {name}"))
        };
        for app in &APPS {
            recorder.secret(app.secret);
        }
        Ok(Self {
            base: system.base.clone(),
            recorder,
            http: reqwest::Client::builder()
                .pool_max_idle_per_host(8)
                .build()?,
            salt: u32::try_from(unix_secs() & 0xFFFF).unwrap_or(0) << 12,
            controls: system.faults.clone().ok_or("no proxy")?,
            table: variable(shared::config::variable::DYNAMODB_ENDPOINT)?,
            table_name: variable(shared::config::variable::TABLE_NAME)?,
            lines,
            system: Mutex::new(Some(system)),
        })
    }

    /// Ends the system, whoever still knows of it.
    pub(crate) async fn stop(&self) {
        let system = self
            .system
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // It waits for its end. That it cannot be waited for is no reason not to go on.
        let _ = tokio::task::spawn_blocking(move || drop(system)).await;
    }

    /// Opens a socket, whatever comes on it.
    pub(crate) async fn socket(
        &self,
        key: &str,
        token: Option<&str>,
    ) -> Result<WebSocketStream<TcpStream>, Problem> {
        let address = self.base.strip_prefix("http://").ok_or("no such base")?;
        let token = token
            .map(|token| format!("/token/{token}"))
            .unwrap_or_default();
        let url = format!(
            "ws://{address}{token}/app/{key}?protocol=7&client=js&version=8.4.0&flash=false"
        );
        let connecting = async {
            let tcp = TcpStream::connect(address).await?;
            tcp.set_nodelay(true)?;
            let (stream, _) =
                tokio_tungstenite::client_async(url.into_client_request()?, tcp).await?;
            Ok::<_, Problem>(stream)
        };
        tokio::time::timeout(PATIENCE, connecting).await?
    }

    /// Makes a signed request of an app's server. Gives its status, 0 without an answer, and its body.
    pub(crate) async fn call(
        &self,
        app: &App,
        method: &str,
        path: &str,
        parameters: &[(&str, &str)],
        body: &str,
    ) -> (u16, Value) {
        let target = app.signed(method, path, parameters, body, unix_secs());
        self.send(method, &target, body).await
    }

    /// Makes a request as it is.
    pub(crate) async fn send(&self, method: &str, target: &str, body: &str) -> (u16, Value) {
        let url = format!("{}{target}", self.base);
        let request = if method == "GET" {
            self.http.get(url)
        } else {
            self.http.post(url)
        };
        let request = request
            .header("content-type", "application/json")
            .body(body.to_owned());
        let Ok(answer) = request.timeout(PATIENCE).send().await else {
            return (0, Value::Null);
        };
        let status = answer.status().as_u16();
        let Ok(text) = answer.text().await else {
            return (0, Value::Null);
        };
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Has a token issued for channels and a user.
    pub(crate) async fn token(&self, app: &App, user: &str, channels: &[&str]) -> Option<String> {
        let body = json!({ "user_id": user, "channels": channels, "ttl_seconds": 300 }).to_string();
        let (status, answer) = self.call(app, "POST", "/tokens", &[], &body).await;
        let token = answer["token"].as_str().filter(|_| status == 201)?;
        self.recorder.secret(token);
        Some(token.to_owned())
    }

    async fn controls(
        &self,
        method: reqwest::Method,
        what: &str,
        body: String,
    ) -> Result<Value, Problem> {
        let request = self
            .http
            .request(method, format!("{}/{what}", self.controls));
        let answer = request.body(body).send().await?.error_for_status()?;
        let text = answer.text().await?;
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Puts these rules in force in place of those that are.
    pub(crate) async fn rules(&self, rules: &Value) -> Result<(), Problem> {
        self.controls(reqwest::Method::PUT, "rules", rules.to_string())
            .await?;
        Ok(())
    }

    /// Forgets what was asked so far.
    pub(crate) async fn forget(&self) -> Result<(), Problem> {
        self.controls(reqwest::Method::DELETE, "requests", String::new())
            .await?;
        Ok(())
    }

    /// What the functions have asked since.
    pub(crate) async fn requests(&self) -> Result<Vec<Value>, Problem> {
        let mut shown = self
            .controls(reqwest::Method::GET, "requests", String::new())
            .await?;
        match shown["requests"].take() {
            Value::Array(requests) => Ok(requests),
            _ => Err("no requests".into()),
        }
    }

    /// Runs the reaper once. Gives how much it has done and what failed, where it says so.
    pub(crate) async fn reap(&self) -> Option<(u64, u64)> {
        // The Invoke API is behind the proxy, which wants to know who asks and takes any name.
        let url = format!(
            "{}/storm/none/2015-03-31/functions/reaper/invocations",
            self.controls
        );
        let signed = "AWS4-HMAC-SHA256 Credential=storm";
        let request = self
            .http
            .post(url)
            .header("authorization", signed)
            .body("{}");
        let answer = request
            .timeout(2 * PATIENCE)
            .send()
            .await
            .ok()?
            .text()
            .await
            .ok()?;
        let answer: Value = serde_json::from_str(&answer).ok()?;
        Some((answer["done"].as_u64()?, answer["failed"].as_u64()?))
    }

    /// Waits until no function runs but those that somebody reads from, and the queues hold nothing. `false`: it
    /// takes too long.
    pub(crate) async fn rests(&self, patience: Duration) -> Result<bool, Problem> {
        let (began, mut quiet, mut before) = (Instant::now(), 0, Value::Null);
        while quiet < QUIET_TIMES {
            if began.elapsed() > patience {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(60)).await;
            let mut spent = self
                .controls(reqwest::Method::GET, "invocations", String::new())
                .await?;
            let queues = self
                .controls(reqwest::Method::GET, "queues", String::new())
                .await?;
            if let Value::Object(functions) = &mut spent {
                functions.retain(|name, _| !READING.contains(&name.as_str()));
            }
            let functions = spent.as_object().ok_or("no invocations")?;
            let is_empty = |queue: &Value| queue["waiting"] == 0 && queue["in_flight"] == 0;
            let rests = functions.values().all(|of| of["running"] == 0)
                && queues.as_array().ok_or("no queues")?.iter().all(is_empty);
            quiet = if rests && spent == before {
                quiet + 1
            } else {
                0
            };
            before = spent;
        }
        Ok(true)
    }

    /// The lines of the log that hold a secret, each with what it holds.
    pub(crate) fn leaks(&self) -> Vec<(String, String)> {
        let secrets: BTreeSet<String> = self.recorder.secrets().into_iter().collect();
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut leaks = Vec::new();
        // What `local` says of itself is no log.
        for line in lines.iter().filter(|line| line.starts_with('[')) {
            if line.contains(super::wire::CANARY) {
                leaks.push((line.clone(), "what is said".to_owned()));
            }
            if APPS.iter().any(|app| line.contains(app.secret)) {
                leaks.push((line.clone(), "an app's secret".to_owned()));
            }
            let is_word =
                |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
            for word in line.split(|letter| !is_word(letter)) {
                if word.len() >= 8 && secrets.contains(word) {
                    leaks.push((
                        line.clone(),
                        "a token, a cursor or a session's name".to_owned(),
                    ));
                }
            }
        }
        leaks
    }
}
