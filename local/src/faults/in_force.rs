//! The rules in force, the requests so far, and those that are held. The proxy and the gateway
//! share them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::rules::{Effect, Fault, Request, Rule, Rules, SocketEvent};

/// Requests that are remembered: the latest.
const REMEMBERED_MAX: usize = 100_000;

/// A request that was made.
#[derive(Clone, Debug, Serialize)]
struct Made {
    #[serde(skip)]
    number: u64,
    function: String,
    operation: String,
    /// The connection, the partition or the queue.
    target: String,
    /// Of its body.
    bytes: usize,
    /// What DynamoDB would bill.
    capacity_units: f64,
    /// The answer's status; 0 without one.
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Fault>,
}

/// The rules in force and the requests so far. Cheap to clone.
#[derive(Clone, Default)]
pub struct InForce(Arc<Inner>);

#[derive(Default)]
struct Inner {
    rules: Mutex<Rules>,
    /// Changes with the rules.
    changes: watch::Sender<u64>,
    made: Mutex<VecDeque<Made>>,
    /// The number of the next one.
    next: AtomicU64,
    /// Requests that are held or met with silence.
    held: AtomicUsize,
}

/// What a request meets.
pub(super) struct Met {
    pub(super) fault: Option<Fault>,
    changes: watch::Receiver<u64>,
}

/// Counts one request as held, for as long as this value lives.
pub(super) struct Held<'a>(&'a AtomicUsize);

impl<'a> Held<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl InForce {
    /// Replaces the rules, which releases every held request.
    pub(super) fn set(&self, rules: Vec<Rule>) {
        *locked(&self.0.rules) = Rules::new(rules);
        self.0.changes.send_modify(|change| *change += 1);
    }

    /// The requests so far, and how many are held.
    pub(super) fn shown(&self) -> Value {
        let held = self.0.held.load(Ordering::Relaxed);
        json!({ "requests": *locked(&self.0.made), "held": held })
    }

    /// Forgets the requests so far.
    pub(super) fn forget(&self) {
        locked(&self.0.made).clear();
    }

    /// The fault that a request meets.
    pub(super) fn meet(&self, request: &Request<'_>) -> Met {
        // Subscribed before the rules are asked: a later change releases the request.
        let changes = self.0.changes.subscribe();
        let fault = locked(&self.0.rules).fault_of(request);
        Met { fault, changes }
    }

    /// Counts one request more as held.
    pub(super) fn hold(&self) -> Held<'_> {
        Held::new(&self.0.held)
    }

    /// Waits until the rules have changed since a request met them.
    pub(super) async fn released(&self, mut met: Met) {
        let _held = self.hold();
        let _ = met.changes.changed().await;
    }

    /// Remembers a request. Gives its number.
    pub(super) fn remember(&self, request: &Request<'_>, fault: Option<Fault>) -> u64 {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let mut all = locked(&self.0.made);
        if all.len() == REMEMBERED_MAX {
            all.pop_front();
        }
        all.push_back(Made {
            number,
            function: request.function.to_owned(),
            operation: request.operation.to_owned(),
            target: request.target.to_owned(),
            bytes: request.body.len(),
            capacity_units: 0.0,
            status: 0,
            fault,
        });
        number
    }

    /// Remembers how a request was answered.
    pub(super) fn answered(&self, number: u64, status: u16, capacity_units: f64) {
        let mut all = locked(&self.0.made);
        // It is most likely one of the latest.
        if let Some(made) = all.iter_mut().rev().find(|made| made.number == number) {
            made.status = status;
            made.capacity_units = capacity_units;
        }
    }

    /// Whether the gateway may invoke the function, once nothing holds the invocation. It is
    /// remembered only if it meets a fault, because no function made it.
    pub async fn admit(&self, invocation: SocketEvent, connection: &str, event: &str) -> bool {
        let request = Request {
            function: invocation.function(),
            operation: invocation.operation(),
            effect: Effect::Other,
            target: connection,
            path: "",
            body: event,
        };
        let met = self.meet(&request);
        let Some(fault) = met.fault else {
            return true;
        };
        self.remember(&request, met.fault);
        let held = fault == Fault::Hold;
        if held {
            self.released(met).await;
        }
        held
    }
}
