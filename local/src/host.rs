//! The functions: each in up to so many environments, one invocation at a time in each, started
//! on demand and kept warm.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use shared::config::variable;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::environment;
use crate::runtime_api::Call;
use crate::system::Stop;

/// Invocations of one function that may wait for an environment; beyond it they are throttled.
const WAITING_MAX: usize = 1_024;

/// The region of everything.
pub const REGION: &str = "us-east-1";

/// How long an invocation may take, and the work after its response with it. As in the template.
#[must_use]
pub fn timeout(function: &str) -> Duration {
    Duration::from_secs(match function {
        "connect" | "token" | "status" => 10,
        "message" => 20,
        "publisher" => 29,
        _ => 30,
    })
}

/// What an invocation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The function's response.
    Answered(Bytes),
    /// The function failed: its error as JSON, as the Invoke API shows it.
    Failed(Bytes),
    /// No environment, and too many waiting already.
    Throttled,
}

/// An invocation that waits to be run.
pub struct Job {
    /// Names it, in the event's headers and in the log.
    pub request_id: String,
    /// The event.
    pub payload: Bytes,
    /// Who wants to know.
    pub reply: oneshot::Sender<Outcome>,
}

/// All functions. Cheap to clone.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    functions: HashMap<&'static str, Arc<Function>>,
    /// Where the calls of a running environment go, by its id.
    environments: Mutex<HashMap<String, mpsc::Sender<Call>>>,
    settings: Settings,
}

/// What an environment is started with.
pub struct Settings {
    /// Where the binaries are.
    pub folder: PathBuf,
    /// The functions' variables.
    pub variables: Vec<(&'static str, String)>,
    /// What the functions call.
    pub endpoints: Endpoints,
    /// Where the Runtime API listens.
    pub runtime: SocketAddr,
    /// Whether the functions' output is kept back.
    pub quiet: bool,
    /// Tells when to end.
    pub stop: Stop,
}

/// What the functions call: DynamoDB, `@connections` and the Invoke API.
#[derive(Clone, Copy, Debug)]
pub struct Endpoints {
    /// DynamoDB.
    pub table: SocketAddr,
    /// The other two.
    pub internal: SocketAddr,
    /// The proxy between them and the functions, when there is one.
    pub faults: Option<SocketAddr>,
    /// The stage of `@connections`.
    pub stage: &'static str,
}

impl Settings {
    /// The variables of an environment, apart from those that Lambda's runtime reads. Without an
    /// environment, those of a function that is run by hand: no proxy is between.
    #[must_use]
    pub fn variables(&self, environment: Option<(&str, &str)>) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            (variable::REGION, REGION.to_owned()),
            (variable::ACCESS_KEY_ID, "local".to_owned()),
            (variable::SECRET_ACCESS_KEY, "local".to_owned()),
            (variable::SESSION_TOKEN, "local".to_owned()),
        ];
        variables.extend(self.variables.iter().cloned());
        variables.extend(self.endpoints.variables(environment));
        variables
    }
}

impl Endpoints {
    fn variables(&self, environment: Option<(&str, &str)>) -> [(&'static str, String); 3] {
        let (table, internal) = match (self.faults, environment) {
            // So the proxy knows who calls.
            (Some(proxy), Some((function, id))) => {
                let both = format!("http://{proxy}/{function}/{id}");
                (both.clone(), both)
            }
            _ => (
                format!("http://{}", self.table),
                format!("http://{}", self.internal),
            ),
        };
        [
            (variable::DYNAMODB_ENDPOINT, table),
            (
                variable::CONNECTIONS_ENDPOINT,
                format!("{internal}/{}", self.stage),
            ),
            (variable::LAMBDA_ENDPOINT, internal),
        ]
    }
}

/// One function.
pub struct Function {
    /// Its name, which is its binary's.
    pub name: &'static str,
    /// How long an invocation may take.
    pub timeout: Duration,
    concurrency: usize,
    pool: Mutex<Pool>,
}

#[derive(Default)]
struct Pool {
    /// The environments that wait for work, the latest used last.
    idle: Vec<(String, mpsc::Sender<Job>)>,
    /// How many there are, idle or not.
    running: usize,
    waiting: VecDeque<Job>,
}

impl Function {
    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next invocation that waits; without one the environment is idle from now on.
    pub fn next_or_idle(&self, environment: &str, jobs: &mpsc::Sender<Job>) -> Option<Job> {
        let mut pool = self.pool();
        let job = pool.waiting.pop_front();
        if job.is_none() {
            pool.idle.push((environment.to_owned(), jobs.clone()));
        }
        job
    }
}

impl Host {
    /// A host that has started nothing yet. `concurrency` is each function's.
    #[must_use]
    pub fn new(names: &[&'static str], concurrency: usize, settings: Settings) -> Self {
        let function = |name: &&'static str| {
            let function = Function {
                name,
                timeout: timeout(name),
                concurrency,
                pool: Mutex::default(),
            };
            (*name, Arc::new(function))
        };
        Self(Arc::new(Inner {
            functions: names.iter().map(function).collect(),
            environments: Mutex::default(),
            settings,
        }))
    }

    /// What environments are started with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Whether there is such a function.
    #[must_use]
    pub fn has(&self, function: &str) -> bool {
        self.0.functions.contains_key(function)
    }

    /// Runs a function and waits for its response. A function that does not exist fails.
    pub async fn invoke(&self, function: &str, payload: Bytes) -> Outcome {
        let Some(function) = self.0.functions.get(function) else {
            return Outcome::Failed(environment::error_body(
                "ResourceNotFoundException",
                "there is no such function",
            ));
        };
        let (reply, answered) = oneshot::channel();
        let job = Job {
            request_id: Uuid::now_v7().to_string(),
            payload,
            reply,
        };
        if !self.dispatch(function, job) {
            return Outcome::Throttled;
        }
        // Without an answer the system is stopping.
        answered.await.unwrap_or(Outcome::Throttled)
    }

    /// Gives a job to an idle environment, to a new one, or to the queue. `false`: it is full.
    fn dispatch(&self, function: &Arc<Function>, mut job: Job) -> bool {
        let mut pool = function.pool();
        while let Some((_, jobs)) = pool.idle.pop() {
            match jobs.try_send(job) {
                Ok(()) => return true,
                // It has just ended.
                Err(refused) => job = refused.into_inner(),
            }
        }
        if pool.running < function.concurrency {
            pool.running += 1;
            tokio::spawn(environment::run(self.clone(), function.clone(), job));
            return true;
        }
        let room = pool.waiting.len() < WAITING_MAX;
        if room {
            pool.waiting.push_back(job);
        }
        room
    }

    /// Lets a new environment's calls through.
    pub fn register(&self, environment: &str, calls: mpsc::Sender<Call>) {
        self.environments().insert(environment.to_owned(), calls);
    }

    /// Where an environment's calls go.
    #[must_use]
    pub fn calls_of(&self, environment: &str) -> Option<mpsc::Sender<Call>> {
        self.environments().get(environment).cloned()
    }

    /// Kills an environment, as a crash would, and waits until it is gone.
    pub async fn kill(&self, environment: &str) {
        let Some(calls) = self.calls_of(environment) else {
            return;
        };
        // Either it takes the call and ends, or it has ended.
        let _ = calls.send(Call::Kill).await;
        calls.closed().await;
    }

    /// Takes an environment off, after its process has ended. Work that was given to it but not
    /// begun, and work that waits, gets another one.
    pub fn ended(&self, function: &Arc<Function>, environment: &str, unbegun: Option<Job>) {
        self.environments().remove(environment);
        let next = {
            let mut pool = function.pool();
            pool.running -= 1;
            pool.idle.retain(|(id, _)| id != environment);
            unbegun.or_else(|| pool.waiting.pop_front())
        };
        if let Some(job) = next {
            // A full queue drops it, which its caller sees as a throttle.
            self.dispatch(function, job);
        }
    }

    fn environments(&self) -> MutexGuard<'_, HashMap<String, mpsc::Sender<Call>>> {
        self.0
            .environments
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
