//! The whole system beside this process: the real functions under `local`, whose posts come here.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Digest as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use shared::config::variable;

use crate::Problem;
use crate::sink::Posts;

/// The app that publishes.
pub(crate) const APP_ID: &str = "1001";
const APP_KEY: &str = "growth-key";
const APP_SECRET: &str = "growth-secret";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Rows in one request (DynamoDB's own limit).
const ROWS_MAX: usize = 25;
/// What a worker says once it is done with a message.
const DELIVERED: &str = r#""message":"delivered""#;
/// The functions that a publication passes through.
const FUNCTIONS: [&str; 2] = ["publisher", "fanout"];

/// What a system is started for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To see how long a publication takes, and how much CPU, at so many posts a second.
    Time(u64),
    /// To see what it asks of DynamoDB and SQS.
    Count,
}

/// What the functions have asked for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Asked {
    /// Requests to DynamoDB that write, and what it bills for them.
    pub(crate) writes: f64,
    pub(crate) write_units: f64,
    /// The same for those that read.
    pub(crate) reads: f64,
    pub(crate) read_units: f64,
    /// Requests to SQS.
    pub(crate) sends: f64,
    /// Messages that workers were done with.
    pub(crate) messages: f64,
}

/// A running system. It ends with this value.
pub(crate) struct System {
    child: Child,
    base: String,
    faults: Option<String>,
    table: String,
    table_name: String,
    client: reqwest::Client,
    posts: Arc<Posts>,
    delivered: Arc<AtomicU64>,
}

impl System {
    /// Starts `local`, which lies in a folder with the functions, and has them post to a port.
    pub(crate) fn start(
        folder: &Path,
        purpose: Purpose,
        port: u16,
        posts: &Arc<Posts>,
    ) -> Result<Self, Problem> {
        let env_file = env_file();
        let mut command = Command::new(folder.join("local"));
        command
            .args(["--prebuilt", "--port", "0", "--reap-every", "0"])
            .args(["--app", &format!("{APP_ID}:{APP_KEY}:{APP_SECRET}")])
            .arg("--env")
            .arg(format!(
                "{}=http://127.0.0.1:{port}/live",
                variable::CONNECTIONS_ENDPOINT
            ))
            .arg("--env-file")
            .arg(&env_file);
        match purpose {
            Purpose::Time(posts_per_second) => command
                .args(["--quiet", "--posts-per-second"])
                .arg(posts_per_second.to_string()),
            Purpose::Count => command.args(["--faults", "--log", "info"]),
        };
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("no standard output")?;
        let delivered = Arc::new(AtomicU64::new(0));
        let said = listen(output, delivered.clone());
        let mut system = Self {
            child,
            base: String::new(),
            faults: None,
            table: String::new(),
            table_name: String::new(),
            client: reqwest::Client::new(),
            posts: posts.clone(),
            delivered,
        };
        while system.base.is_empty() {
            let line = said.recv_timeout(PATIENCE)?;
            if let Some(faults) = line.strip_prefix("faults ") {
                system.faults = Some(faults.to_owned());
            }
            if let Some(base) = line.strip_prefix("ready ") {
                base.clone_into(&mut system.base);
            }
        }
        let variables = fs::read_to_string(&env_file)?;
        fs::remove_file(&env_file)?;
        let value = |name: &str| {
            let mut lines = variables.lines();
            lines.find_map(|line| {
                Some(
                    line.strip_prefix(name)?
                        .strip_prefix('=')?
                        .trim_matches('\''),
                )
            })
        };
        let named = |name| value(name).ok_or("a variable is missing");
        named(variable::DYNAMODB_ENDPOINT)?.clone_into(&mut system.table);
        named(variable::TABLE_NAME)?.clone_into(&mut system.table_name);
        Ok(system)
    }

    /// Puts rows into the table, without its being asked by a function.
    pub(crate) async fn put(&self, rows: &[Value]) -> Result<(), Problem> {
        for some in rows.chunks(ROWS_MAX) {
            let put = |item| json!({ "PutRequest": { "Item": item } });
            let puts: Vec<Value> = some.iter().map(put).collect();
            let body = json!({ "RequestItems": { &self.table_name: puts } });
            let request = self
                .client
                .post(&self.table)
                .header("x-amz-target", "DynamoDB_20120810.BatchWriteItem")
                .header("content-type", "application/x-amz-json-1.0")
                .header("x-amz-date", "20260101T000000Z")
                .header("authorization", "AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
                .body(body.to_string());
            let answer = request.send().await?.text().await?;
            let answer: Value = serde_json::from_str(&answer)?;
            if answer["UnprocessedItems"] != json!({}) {
                return Err(format!("rows were not taken: {answer}").into());
            }
        }
        Ok(())
    }

    /// Publishes once, and waits until everybody has got it. Gives the time from before the request to
    /// the last post.
    pub(crate) async fn publish(
        &self,
        channel: &str,
        recipients: u64,
    ) -> Result<Duration, Problem> {
        let expected = self.posts.count() + recipients;
        let body = json!({ "name": "tick", "channel": channel, "data": "x".repeat(400) });
        let (path, body) = (format!("/apps/{APP_ID}/events"), body.to_string());
        let query = signed(&path, body.as_bytes())?;
        let request = self
            .client
            .post(format!("{}{path}?{query}", self.base))
            .header("content-type", "application/json")
            .body(body);
        let began = Instant::now();
        let answer = request.send().await?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("{status}: {}", answer.text().await?).into());
        }
        answer.bytes().await?;
        until(|| self.posts.count() >= expected).await?;
        let came = self.posts.count();
        if came > expected {
            return Err(format!("{} posts too many", came - expected).into());
        }
        Ok(self.posts.last().duration_since(began))
    }

    /// Waits until the functions rest, and gives the CPU nanoseconds that those have had that a publication
    /// passes through.
    pub(crate) async fn rested_cpu_nanos(&self) -> Result<u64, Problem> {
        let began = Instant::now();
        let mut before = self.cpu_nanos()?;
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let now = self.cpu_nanos()?;
            if now == before {
                return Ok(now);
            }
            if began.elapsed() > PATIENCE {
                return Err("the functions do not rest".into());
            }
            before = now;
        }
    }

    /// As `/proc` counts it for their processes: the scheduler's nanoseconds, rather than the hundredths of
    /// a second in `stat`.
    fn cpu_nanos(&self) -> Result<u64, Problem> {
        let parent = self.child.id().to_string();
        let mut nanos = 0;
        for entry in fs::read_dir("/proc")? {
            let folder = entry?.path();
            let Ok(stat) = fs::read_to_string(folder.join("stat")) else {
                continue;
            };
            // `pid (name) state parent …`.
            let Some((name, rest)) = stat
                .split_once('(')
                .and_then(|(_, rest)| rest.rsplit_once(')'))
            else {
                continue;
            };
            if rest.split_whitespace().nth(1) != Some(&parent) || !FUNCTIONS.contains(&name) {
                continue;
            }
            for thread in fs::read_dir(folder.join("task"))? {
                let schedule = fs::read_to_string(thread?.path().join("schedstat"))?;
                let on_cpu = schedule.split_whitespace().next().ok_or("no schedstat")?;
                nanos += on_cpu.parse::<u64>()?;
            }
        }
        Ok(nanos)
    }

    /// Forgets what was asked so far.
    pub(crate) async fn forget(&self) -> Result<(), Problem> {
        self.delivered.store(0, Ordering::Relaxed);
        self.faults("DELETE", "requests").await?;
        Ok(())
    }

    /// What was asked since, once nothing waits in a queue.
    pub(crate) async fn asked(&self) -> Result<Asked, Problem> {
        let began = Instant::now();
        let rest = json!([0, 0]);
        loop {
            let queues = self.faults("GET", "queues").await?;
            let mut queues = queues.as_array().ok_or("no queues")?.iter();
            if queues.all(|queue| json!([queue["waiting"], queue["in_flight"]]) == rest) {
                break;
            }
            if began.elapsed() > PATIENCE {
                return Err("something waits in a queue for ever".into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let made = self.faults("GET", "requests").await?;
        let mut asked = Asked::default();
        for made in made["requests"].as_array().ok_or("no requests")? {
            let units = made["capacity_units"].as_f64().ok_or("no units")?;
            match made["operation"].as_str().ok_or("no operation")? {
                "Query" | "GetItem" | "BatchGetItem" => {
                    asked.reads += 1.0;
                    asked.read_units += units;
                }
                "PutItem" | "UpdateItem" | "DeleteItem" => {
                    asked.writes += 1.0;
                    asked.write_units += units;
                }
                "SendMessageBatch" => asked.sends += 1.0,
                other => return Err(format!("a function asks for {other}").into()),
            }
        }
        asked.messages = super::model::wide(self.delivered.load(Ordering::Relaxed));
        Ok(asked)
    }

    async fn faults(&self, method: &str, what: &str) -> Result<Value, Problem> {
        let faults = self.faults.as_deref().ok_or("nothing counts")?;
        let request = self
            .client
            .request(method.parse()?, format!("{faults}/{what}"));
        let text = request.send().await?.text().await?;
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }
}

impl Drop for System {
    fn drop(&mut self) {
        // It ends its functions in order.
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ = self.child.wait();
    }
}

/// The name of a file that nobody else uses.
fn env_file() -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("growth-{}-{number}.env", std::process::id()))
}

/// Hands on what a system says, for as long as anybody wants to know it, and counts deliveries.
fn listen(
    output: impl std::io::Read + Send + 'static,
    delivered: Arc<AtomicU64>,
) -> mpsc::Receiver<String> {
    let (lines, said) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if line.contains(DELIVERED) {
                delivered.fetch_add(1, Ordering::Relaxed);
            }
            let _ = lines.send(line);
        }
    });
    said
}

/// Waits until something is so.
async fn until(is_so: impl Fn() -> bool) -> Result<(), Problem> {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() > PATIENCE {
            return Err("not everybody got it".into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// The query that signs a request to publish.
fn signed(path: &str, body: &[u8]) -> Result<String, Problem> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let digest = hex::encode(md5::Md5::digest(body));
    let query = format!(
        "auth_key={APP_KEY}&auth_timestamp={}&auth_version=1.0&body_md5={digest}",
        now.as_secs()
    );
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(APP_SECRET.as_bytes())?;
    mac.update(format!("POST\n{path}\n{query}").as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    Ok(format!("{query}&auth_signature={signature}"))
}
