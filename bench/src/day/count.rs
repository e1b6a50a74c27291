//! Counts what a step uses: the requests of the functions, which the fault proxy lists; their time; their
//! log; the traffic of the clients.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::client::{Outside, PATIENCE};
use super::prices::{Meter, PLATFORM_LOG_BYTES, QUEUE_REQUEST_BYTES, TRACED_SHARE, memory_mb};
use super::secrets::Secrets;
use super::used::Used;
use crate::runtime::Problem;
use crate::system::{LOCAL, System};

/// How often it is asked whether everything is over.
const SETTLE_PERIOD: Duration = Duration::from_millis(20);
/// How often in a row it has to be.
const QUIET_TIMES: u32 = 5;
const GIGABYTE: f64 = 1_073_741_824.0;

/// A request of a function's, as the proxy tells of it.
#[derive(Deserialize)]
struct Made {
    operation: String,
    target: String,
    bytes: usize,
    capacity_units: f64,
    /// 0 while there is no answer.
    status: u16,
}

#[derive(Deserialize)]
struct Requests {
    requests: Vec<Made>,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq)]
struct Spent {
    invocations: u32,
    running: u32,
    billed_ms: u32,
}

#[derive(Deserialize)]
struct Queue {
    waiting: usize,
    in_flight: usize,
    dead: Vec<serde::de::IgnoredAny>,
}

/// A system, and all that counts.
pub(crate) struct CountedSystem {
    system: System,
    /// Where the proxy tells what it saw.
    controls: String,
    /// Bytes that the functions have written to their logs.
    log_bytes: Arc<AtomicU64>,
    secrets: Secrets,
    pub(crate) outside: Outside,
    http: reqwest::Client,
}

/// How far the counters were.
struct Reading {
    used: Used,
    delivered: f64,
    cpu_secs: f64,
}

/// Where a step began.
pub(crate) struct Begun(Reading);

/// What a step has come to.
pub(crate) struct Spending {
    pub(crate) used: Used,
    /// Copies of events that arrived.
    pub(crate) delivered: f64,
    /// Of the functions.
    pub(crate) cpu_secs: f64,
}

impl CountedSystem {
    /// Starts a system whose requests a proxy sees.
    pub(crate) fn start(arguments: &[String], secrets: Secrets) -> Result<Self, Problem> {
        let arguments = [&["--faults".to_owned()], arguments].concat();
        let log_bytes = Arc::new(AtomicU64::new(0));
        let counted = log_bytes.clone();
        let system = System::start(&arguments, move |line| {
            counted.fetch_add(of_log(line).unwrap_or(0), Ordering::Relaxed);
        })?;
        Ok(Self {
            outside: Outside::new(&system.base),
            controls: system.faults.clone().ok_or("no proxy")?,
            system,
            log_bytes,
            secrets,
            http: reqwest::Client::new(),
        })
    }

    /// From here on it is counted.
    pub(crate) async fn begin(&self) -> Result<Begun, Problem> {
        self.settled().await?;
        let url = format!("{}/requests", self.controls);
        self.http.delete(url).send().await?.error_for_status()?;
        Ok(Begun(self.reading().await?))
    }

    /// Once nothing is left to be done: what was used since.
    pub(crate) async fn end(&self, begun: Begun) -> Result<Spending, Problem> {
        self.settled().await?;
        let Requests { requests } = self.get("requests").await?;
        let asked = asked(&requests)?;
        let now = self.reading().await?;
        Ok(Spending {
            used: now.used - begun.0.used + asked,
            delivered: now.delivered - begun.0.delivered,
            cpu_secs: now.cpu_secs - begun.0.cpu_secs,
        })
    }

    async fn get<T: DeserializeOwned>(&self, what: &str) -> Result<T, Problem> {
        let url = format!("{}/{what}", self.controls);
        let answer = self.http.get(url).send().await?.error_for_status()?;
        Ok(serde_json::from_slice(&answer.bytes().await?)?)
    }

    async fn reading(&self) -> Result<Reading, Problem> {
        let spent: HashMap<String, Spent> = self.get("invocations").await?;
        let log_bytes = Used::of(
            Meter::LogGigabytes,
            bytes(self.log_bytes.load(Ordering::Relaxed)) / GIGABYTE,
        );
        let secrets = Used::of(Meter::SecretReads, bytes(self.secrets.reads()));
        let functions: Used = spent.iter().map(|(name, spent)| ran(name, *spent)).sum();
        Ok(Reading {
            used: functions + log_bytes + secrets + self.outside.traffic.used(),
            delivered: self.outside.traffic.delivered(),
            cpu_secs: self.cpu_secs()?,
        })
    }

    /// Of the functions.
    #[expect(clippy::cast_precision_loss, reason = "a day has fewer nanoseconds")]
    fn cpu_secs(&self) -> Result<f64, Problem> {
        let mut nanos = 0;
        for process in self.system.processes()? {
            if process.name != LOCAL {
                nanos += process.cpu_nanos()?;
            }
        }
        Ok(nanos as f64 / 1e9)
    }

    /// Waits until no function runs, no queue holds anything and nothing is unanswered.
    pub(crate) async fn settled(&self) -> Result<(), Problem> {
        let started = Instant::now();
        let (mut before, mut quiet) = (HashMap::new(), 0);
        while quiet < QUIET_TIMES {
            if started.elapsed() > PATIENCE {
                return Err("the system does not come to rest".into());
            }
            tokio::time::sleep(SETTLE_PERIOD).await;
            let spent: HashMap<String, Spent> = self.get("invocations").await?;
            let queues: Vec<Queue> = self.get("queues").await?;
            if queues.iter().any(|queue| !queue.dead.is_empty()) {
                return Err("a queue's message is dead".into());
            }
            let is_idle = spent.values().all(|spent| spent.running == 0)
                && queues
                    .iter()
                    .all(|queue| queue.waiting == 0 && queue.in_flight == 0);
            quiet = if is_idle && spent == before {
                quiet + 1
            } else {
                0
            };
            before = spent;
        }
        Ok(())
    }

    /// Runs the reaper once, as it is every minute.
    pub(crate) async fn reap(&self) -> Result<(), Problem> {
        // The Invoke API is behind the proxy, which wants to know who asks and takes any name.
        let functions = "bench/none/2015-03-31/functions";
        let url = format!("{}/{functions}/reaper/invocations", self.controls);
        let signed = "AWS4-HMAC-SHA256 Credential=bench";
        let request = self.http.post(url).header("authorization", signed);
        request.body("{}").send().await?.error_for_status()?;
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "a day has fewer")]
fn bytes(count: u64) -> f64 {
    count as f64
}

/// What is billed for a function's invocations, and for what Lambda does for each of them.
fn ran(function: &str, spent: Spent) -> Used {
    let invocations = f64::from(spent.invocations);
    let gigabytes = f64::from(memory_mb(function)) / 1_024.0;
    let seconds = f64::from(spent.billed_ms) / 1_000.0;
    // Lambda takes a batch from its queue and deletes it: both at the price of the dearer queue.
    let receives = match function {
        "fanout" | "webhook" => invocations * 2.0,
        _ => 0.0,
    };
    let own_lines = invocations * PLATFORM_LOG_BYTES / GIGABYTE;
    Used::of(Meter::Invocations, invocations)
        + Used::of(Meter::GbSeconds, gigabytes * seconds)
        + Used::of(Meter::FifoRequests, receives)
        + Used::of(Meter::LogGigabytes, own_lines)
        + Used::of(Meter::Traces, invocations * TRACED_SHARE)
}

/// What is billed for what the functions have asked of DynamoDB and SQS.
fn asked(requests: &[Made]) -> Result<Used, Problem> {
    requests.iter().map(asked_once).sum()
}

fn asked_once(made: &Made) -> Result<Used, Problem> {
    if made.status == 0 {
        return Err(format!("{} was never answered", made.operation).into());
    }
    let units = made.capacity_units;
    let chunks = made.bytes.div_ceil(QUEUE_REQUEST_BYTES);
    Ok(match made.operation.as_str() {
        "GetItem" | "Query" | "BatchGetItem" => Used::of(Meter::ReadUnits, units),
        "PutItem" | "UpdateItem" | "DeleteItem" | "BatchWriteItem" | "TransactWriteItems" => {
            // A condition that does not hold is billed as the write; the refusal does not say so.
            let refused = made.status == 400;
            Used::of(Meter::WriteUnits, if refused { 1.0 } else { units })
        }
        "SendMessage" | "SendMessageBatch" => {
            let meter = if made.target.ends_with(".fifo") {
                Meter::FifoRequests
            } else {
                Meter::QueueRequests
            };
            Used::of(meter, f64::from(u32::try_from(chunks)?))
        }
        // What arrives is counted where it does; an invocation where it runs.
        "PostToConnection" | "GetConnection" | "DeleteConnection" | "Invoke" => Used::default(),
        other => return Err(format!("nobody knows what {other} costs").into()),
    })
}

/// The bytes of a line that a function has written: `[name] …`.
fn of_log(line: &str) -> Option<u64> {
    let (_, written) = line.strip_prefix('[')?.split_once("] ")?;
    u64::try_from(written.len() + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_function_has_written_is_counted_without_its_name() {
        assert_eq!(of_log("[connect] {}"), Some(3));
        assert_eq!(of_log("ready http://127.0.0.1:6001"), None);
    }

    fn made(operation: &str, target: &str, bytes: usize, status: u16) -> Made {
        Made {
            operation: operation.to_owned(),
            target: target.to_owned(),
            bytes,
            capacity_units: if status == 200 { 2.5 } else { 0.0 },
            status,
        }
    }

    #[test]
    fn a_request_is_billed_as_what_it_is() {
        let requests = [
            made("Query", "subs/a", 1, 200),
            made("PutItem", "conn/a", 1, 200),
            made("UpdateItem", "conn/a", 1, 400),
            made("SendMessageBatch", "fanout.fifo", 65_537, 200),
            made("SendMessage", "later", 1, 200),
            made("PostToConnection", "a=", 9, 410),
        ];
        let used = asked(&requests).expect("all are known");
        let expected = [
            (Meter::ReadUnits, 2.5),
            (Meter::WriteUnits, 2.5 + 1.0),
            (Meter::FifoRequests, 2.0),
            (Meter::QueueRequests, 1.0),
        ];
        let expected = expected.map(|(meter, units)| Used::of(meter, units));
        assert_eq!(used, expected.into_iter().sum());
        assert!(asked(&[made("Scan", "", 1, 200)]).is_err());
        assert!(asked(&[made("PutItem", "conn/a", 1, 0)]).is_err());
    }

    #[test]
    fn an_invocation_is_billed_by_its_functions_memory() {
        let spent = Spent {
            invocations: 2,
            running: 0,
            billed_ms: 3_000,
        };
        let gb_seconds = |function| ran(function, spent).units(Meter::GbSeconds);
        assert_eq!(gb_seconds("connect").to_bits(), 1.5_f64.to_bits());
        assert_eq!(gb_seconds("stream").to_bits(), 0.375_f64.to_bits());
        let receives = |function| ran(function, spent).units(Meter::FifoRequests);
        assert_eq!(receives("fanout").to_bits(), 4.0_f64.to_bits());
        assert_eq!(receives("publisher").to_bits(), 0.0_f64.to_bits());
    }
}
