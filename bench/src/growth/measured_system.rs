//! The real system, set up for a measurement: its posts come to this process, and its CPU or its requests
//! are counted.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shared::config::variable;

use crate::figures::wide;
use crate::runtime::Problem;
use crate::sink::Posts;
use crate::system::{self, APP_ID};

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
    /// To see how long a publication takes, and how much CPU.
    Time(DeliverySettings),
    /// To see what it asks of DynamoDB and SQS.
    Count,
}

/// How the functions deliver.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeliverySettings {
    /// At most, and of all workers.
    pub(crate) posts_per_second: u64,
    /// Subscribers that the publisher delivers to by itself.
    pub(crate) inline_max: u64,
    /// Workers that share the pace.
    pub(crate) workers: Option<u64>,
}

/// How long a publication took, from before the request on.
#[derive(Clone, Copy)]
pub(crate) struct Took {
    /// Until it was answered.
    pub(crate) answered: Duration,
    /// Until the last post.
    pub(crate) delivered: Duration,
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
pub(crate) struct MeasuredSystem {
    running: system::System,
    faults: Option<String>,
    table: String,
    table_name: String,
    client: reqwest::Client,
    posts: Arc<Posts>,
    delivered: Arc<AtomicU64>,
}

impl MeasuredSystem {
    /// Starts one that posts to a port.
    pub(crate) fn start(purpose: Purpose, port: u16, posts: &Arc<Posts>) -> Result<Self, Problem> {
        let env_file = env_file();
        let to = format!(
            "{}=http://127.0.0.1:{port}/live",
            variable::CONNECTIONS_ENDPOINT
        );
        let told = env_file.to_string_lossy().into_owned();
        let mut arguments = ["--reap-every", "0", "--env", &to, "--env-file", &told]
            .map(str::to_owned)
            .to_vec();
        match purpose {
            Purpose::Time(way) => {
                arguments.push("--quiet".to_owned());
                arguments.push(format!("--posts-per-second={}", way.posts_per_second));
                arguments.push(format!("--inline-max={}", way.inline_max));
                if let Some(workers) = way.workers {
                    arguments.push(format!("--env={}={workers}", variable::FANOUT_CONCURRENCY));
                }
            }
            Purpose::Count => {
                arguments.extend(["--faults", "--log", "info"].map(str::to_owned));
            }
        }
        let delivered = Arc::new(AtomicU64::new(0));
        let counted = delivered.clone();
        let running = system::System::start(&arguments, move |line| {
            if line.contains(DELIVERED) {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        })?;
        let variables = fs::read_to_string(&env_file)?;
        fs::remove_file(&env_file)?;
        let value = |name: &str| {
            let of_line = |line: &str| Some(line.strip_prefix(name)?.strip_prefix('=')?.to_owned());
            let value = variables.lines().find_map(of_line);
            value.map(|value| value.trim_matches('\'').to_owned())
        };
        let named = |name| value(name).ok_or("a variable is missing");
        Ok(Self {
            faults: running.faults.clone(),
            running,
            table: named(variable::DYNAMODB_ENDPOINT)?,
            table_name: named(variable::TABLE_NAME)?,
            client: reqwest::Client::new(),
            posts: posts.clone(),
            delivered,
        })
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

    /// Publishes once, and waits until everybody has got it.
    pub(crate) async fn publish(&self, channel: &str, recipients: u64) -> Result<Took, Problem> {
        let expected = self.posts.count() + recipients;
        let body = json!({ "name": "tick", "channel": channel, "data": "x".repeat(400) });
        let body = body.to_string();
        let path = system::signed(&format!("/apps/{APP_ID}/events"), &body)?;
        let request = self
            .client
            .post(format!("{}{path}", self.running.base))
            .header("content-type", "application/json")
            .body(body);
        let began = Instant::now();
        let answer = request.send().await?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("{status}: {}", answer.text().await?).into());
        }
        answer.bytes().await?;
        let answered = began.elapsed();
        until(|| self.posts.count() >= expected).await?;
        let came = self.posts.count();
        if came > expected {
            return Err(format!("{} posts too many", came - expected).into());
        }
        Ok(Took {
            answered,
            delivered: self.posts.last().duration_since(began),
        })
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

    fn cpu_nanos(&self) -> Result<u64, Problem> {
        let mut nanos = 0;
        for process in self.running.processes()? {
            if FUNCTIONS.contains(&process.name.as_str()) {
                nanos += process.cpu_nanos()?;
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
        asked.messages = wide(self.delivered.load(Ordering::Relaxed));
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

/// The name of a file that nobody else uses.
fn env_file() -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("growth-{}-{number}.env", std::process::id()))
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
