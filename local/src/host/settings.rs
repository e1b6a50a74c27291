//! What a function's process is started with: its binary, variables, timeout and endpoints.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use shared::config::variable;

use crate::account::{ACCOUNT_ID, REGION};
use crate::command_line::choices::Variable;
use crate::queues::declared::{FANOUT, LATER, WEBHOOKS};
use crate::serving::stop::Stop;

/// How long a stream may take to end.
const STREAM_SLACK: Duration = Duration::from_secs(10);

/// Whether a function's response comes bit by bit.
#[must_use]
pub fn is_streaming(function: &str) -> bool {
    ["session", "stream"].contains(&function)
}

/// How long an invocation may take, and the work after its response with it. As in the template.
#[must_use]
pub fn timeout(function: &str, stream_life: Duration) -> Duration {
    if is_streaming(function) {
        return stream_life + STREAM_SLACK;
    }
    Duration::from_secs(match function {
        "connect" | "token" => 10,
        // It may wait for 20.
        "status" => 29,
        "message" => 20,
        "publisher" => 29,
        "reaper" => 60,
        "fanout" | "webhook" => 30,
        _ => 30,
    })
}

/// What an environment is started with.
pub struct Settings {
    /// Where the binaries are.
    pub folder: PathBuf,
    /// The functions' variables.
    pub variables: Vec<(&'static str, String)>,
    /// Those that stand in for others of the same names.
    pub overriding: Vec<Variable>,
    /// What the functions call.
    pub endpoints: Endpoints,
    /// Where the Runtime API listens.
    pub runtime: SocketAddr,
    /// How long a stream lasts.
    pub stream_life: Duration,
    /// Whether the functions' output is kept back.
    pub quiet: bool,
    /// Tells when to end.
    pub stop: Stop,
}

/// What the functions call: DynamoDB, `@connections`, the Invoke API and SQS.
#[derive(Clone, Copy, Debug)]
pub struct Endpoints {
    /// DynamoDB.
    pub table: SocketAddr,
    /// The others.
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
    pub fn variables(&self, environment: Option<(&str, &str)>) -> Vec<(String, String)> {
        let mut variables = vec![
            (variable::REGION, REGION.to_owned()),
            (variable::ACCESS_KEY_ID, "local".to_owned()),
            (variable::SECRET_ACCESS_KEY, "local".to_owned()),
            (variable::SESSION_TOKEN, "local".to_owned()),
        ];
        variables.extend(self.variables.iter().cloned());
        variables.extend(self.endpoints.variables(environment));
        let others = variables.into_iter().filter(|(name, _)| {
            let mut overriding = self.overriding.iter();
            overriding.all(|variable| variable.name != *name)
        });
        let overriding = self.overriding.iter().cloned();
        others
            .map(|(name, value)| (name.to_owned(), value))
            .chain(overriding.map(|variable| (variable.name, variable.value)))
            .collect()
    }
}

impl Endpoints {
    fn variables(&self, environment: Option<(&str, &str)>) -> [(&'static str, String); 8] {
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
        let queue = |name: &str| format!("{internal}/{ACCOUNT_ID}/{name}");
        [
            (variable::DYNAMODB_ENDPOINT, table),
            (
                variable::CONNECTIONS_ENDPOINT,
                format!("{internal}/{}", self.stage),
            ),
            (variable::LATER_QUEUE_URL, queue(LATER.name)),
            (variable::FANOUT_QUEUE_URL, queue(FANOUT.name)),
            (variable::WEBHOOK_QUEUE_URL, queue(WEBHOOKS.name)),
            (
                variable::WEBHOOK_DEAD_QUEUE_URL,
                queue(WEBHOOKS.dead_letter_queue),
            ),
            (variable::LAMBDA_ENDPOINT, internal.clone()),
            (variable::SQS_ENDPOINT, internal),
        ]
    }
}
