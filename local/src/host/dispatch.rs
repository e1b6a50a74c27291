//! All functions: finds an environment for each invocation, and starts one if need be. Environments
//! stay warm, and each runs one invocation at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::environment;
use super::function::{Bounds, Function, Placed};
use super::invocation::{FunctionResponse, Job, Outcome, RuntimeCall, error_body};
use super::settings::{Settings, is_streaming, timeout};

/// Invocations of a function that may wait for an environment; on AWS there would be more of those.
const WAITING_MAX: usize = 1_024;

/// How often Lambda repeats an asynchronous invocation that fails.
const ASYNC_ATTEMPTS: usize = 3;

/// All functions. Cheap to clone.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    functions: HashMap<&'static str, Arc<Function>>,
    /// Where the calls of a running environment go, by its id.
    environments: Mutex<HashMap<String, mpsc::Sender<RuntimeCall>>>,
    settings: Settings,
}

impl Host {
    /// A host that has started nothing yet. `concurrency` is each function's; that of those which
    /// stream is theirs alone, and nothing waits for it: each response may take minutes.
    #[must_use]
    pub fn new(
        names: &[&'static str],
        concurrency: usize,
        streams: usize,
        settings: Settings,
    ) -> Self {
        let function = |&name: &&'static str| {
            let bounds = if is_streaming(name) {
                Bounds {
                    concurrency: streams,
                    waiting: 0,
                }
            } else {
                Bounds {
                    concurrency,
                    waiting: WAITING_MAX,
                }
            };
            let timeout = timeout(name, settings.stream_life);
            (name, Arc::new(Function::new(name, timeout, bounds)))
        };
        Self(Arc::new(Inner {
            functions: names.iter().map(function).collect(),
            environments: Mutex::default(),
            settings,
        }))
    }

    /// Whether there is such a function.
    #[must_use]
    pub fn has(&self, function: &str) -> bool {
        self.0.functions.contains_key(function)
    }

    /// How often each function has run, and for how long.
    #[must_use]
    pub fn shown(&self) -> Value {
        let functions = self.0.functions.values();
        functions
            .map(|function| (function.name.to_owned(), json!(function.so_far())))
            .collect()
    }

    /// Runs a function and waits for all of its response. A function that does not exist fails.
    pub async fn invoke(&self, function: &str, payload: Bytes) -> Outcome {
        let mut chunks = match self.begin(function, payload).await {
            FunctionResponse::Whole(outcome) => return outcome,
            FunctionResponse::Stream(chunks) => chunks,
        };
        let mut whole = Vec::new();
        while let Some(chunk) = chunks.recv().await {
            match chunk {
                Ok(chunk) => whole.extend_from_slice(&chunk),
                Err(broken) => {
                    let body = error_body("Runtime.TruncatedResponse", &broken.to_string());
                    return Outcome::Failed(body);
                }
            }
        }
        Outcome::Answered(whole.into())
    }

    /// Runs a function and waits for the beginning of its response.
    pub async fn begin(&self, function: &str, payload: Bytes) -> FunctionResponse {
        let Some(function) = self.0.functions.get(function) else {
            return FunctionResponse::Whole(Outcome::Failed(error_body(
                "ResourceNotFoundException",
                "there is no such function",
            )));
        };
        let (reply, answered) = oneshot::channel();
        let job = Job {
            request_id: Uuid::now_v7().to_string(),
            payload,
            reply,
        };
        if !self.dispatch(function, job) {
            return FunctionResponse::Whole(Outcome::Throttled);
        }
        // Without an answer the system is stopping.
        let stopping = |_| FunctionResponse::Whole(Outcome::Throttled);
        answered.await.unwrap_or_else(stopping)
    }

    /// Invokes a function as Lambda does when nobody waits for the answer: until it succeeds, a few
    /// times.
    pub async fn invoke_async(&self, function: &str, payload: Bytes) {
        for _ in 0..ASYNC_ATTEMPTS {
            if let Outcome::Answered(_) = self.invoke(function, payload.clone()).await {
                return;
            }
        }
    }

    /// Finds an environment for a job, and starts one if need be. `false`: too much waits already.
    fn dispatch(&self, function: &Arc<Function>, job: Job) -> bool {
        match function.place(job) {
            Placed::Taken => true,
            Placed::Start(job) => {
                tokio::spawn(self.clone().run(function.clone(), job));
                true
            }
            Placed::Full => false,
        }
    }

    /// Runs an environment from its first job to its end.
    async fn run(self, function: Arc<Function>, first: Job) {
        let id = Uuid::now_v7().simple().to_string();
        let (calls, called) = mpsc::channel(4);
        self.environments().insert(id.clone(), calls);
        let unbegun = environment::run(&self.0.settings, &function, &id, called, first).await;
        self.environments().remove(&id);
        if let Some(job) = function.ended(&id, unbegun) {
            // A full queue drops it, which its caller sees as a throttle.
            self.dispatch(&function, job);
        }
    }

    /// Where an environment's calls go.
    #[must_use]
    pub fn calls_of(&self, environment: &str) -> Option<mpsc::Sender<RuntimeCall>> {
        self.environments().get(environment).cloned()
    }

    /// Kills an environment, as a crash would, and waits until it is gone.
    pub async fn kill(&self, environment: &str) {
        let Some(calls) = self.calls_of(environment) else {
            return;
        };
        // Either it takes the call and ends, or it has ended.
        let _ = calls.send(RuntimeCall::Kill).await;
        calls.closed().await;
    }

    fn environments(&self) -> MutexGuard<'_, HashMap<String, mpsc::Sender<RuntimeCall>>> {
        self.0
            .environments
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
