//! What goes wrong, and when: windows of time, with some faults in each and none between.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::world::random;

/// Each kind of faults. Each can be switched off.
pub(crate) const KINDS: [&str; 18] = [
    "lost-answers",
    "drops",
    "fails",
    "conflicts",
    "throttle-one",
    "throttle-all",
    "throttle-table",
    "silence",
    "stale",
    "partly",
    "kills",
    "holds",
    "frames",
    "connects",
    "disconnects",
    "queues",
    "hooks",
    "greetings",
];

/// Some faults for some time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Window {
    pub(crate) at: u64,
    pub(crate) until: u64,
    pub(crate) faults: Vec<Planned>,
}

impl Window {
    /// Whether a kind of faults is among its own.
    #[cfg(test)]
    pub(crate) fn has(&self, kind: &str) -> bool {
        self.faults.iter().any(|fault| fault.kind == kind)
    }
}

/// A fault of a kind, as rules of the proxy's.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Planned {
    pub(crate) kind: &'static str,
    pub(crate) rules: Vec<Value>,
}

/// With `only` some kinds, each window has some of these.
pub(super) fn plan(seed: u64, millis: u64, only: &BTreeSet<String>) -> Vec<Window> {
    let mut random = random(seed, 3);
    // Two of three storms have few kinds: what each does by itself is seen better there.
    let mut kinds = KINDS.to_vec();
    if random.u8(..3) > 0 {
        random.shuffle(&mut kinds);
        kinds.truncate(random.usize(1..=4));
    }
    if !only.is_empty() {
        kinds = KINDS
            .into_iter()
            .filter(|&kind| only.contains(kind))
            .collect();
    }
    let (mut at, mut windows) = (2_500, Vec::new());
    loop {
        at += random.u64(200..3_000);
        let until = at + random.u64(200..3_500);
        if until >= millis {
            return windows;
        }
        let count = 1 + usize::from(random.bool()) + usize::from(random.u8(..4) == 0);
        let faults = (0..count).map(|_| fault(&mut random, &kinds)).collect();
        windows.push(Window { at, until, faults });
        at = until;
    }
}

const TABLE_WRITES: [&str; 5] = ["write", "PutItem", "UpdateItem", "DeleteItem", "write"];
const TABLE_READS: [&str; 3] = ["read", "Query", "GetItem"];
const FUNCTIONS: [&str; 9] = [
    "message",
    "message",
    "publisher",
    "publisher",
    "connect",
    "disconnect",
    "fanout",
    "reaper",
    "session",
];

/// Any of these.
fn any<T: Copy>(random: &mut fastrand::Rng, all: &[T]) -> T {
    all[random.usize(..all.len())]
}

/// Something that any function asks for.
fn asked(random: &mut fastrand::Rng) -> Value {
    let operation = match random.u8(..10) {
        0..4 => any(random, &TABLE_WRITES),
        4..7 => any(random, &TABLE_READS),
        7..9 => "PostToConnection",
        _ => "DeleteConnection",
    };
    let mut rule = json!({ "operation": operation });
    if random.bool() {
        rule["function"] = json!(any(random, &FUNCTIONS));
    }
    rule
}

/// The same, so many times after so many.
fn sometimes(
    random: &mut fastrand::Rng,
    mut rule: Value,
    fault: &str,
    times_max: u64,
) -> Vec<Value> {
    rule["fault"] = json!(fault);
    rule["skip"] = json!(random.u64(..4));
    rule["times"] = json!(random.u64(1..=times_max));
    vec![rule]
}

/// Some of what waits for a queue. Each message names its queue.
fn sends(random: &mut fastrand::Rng, queues: &[&str]) -> Vec<Value> {
    let fault = any(
        random,
        &["drop", "lose_answer", "fail", "throttle", "partly"],
    );
    let queue = any(random, queues);
    let times = random.u64(1..=4);
    let rule = |operation| json!({ "operation": operation, "containing": queue, "times": times, "fault": fault });
    vec![rule("SendMessageBatch"), rule("SendMessage")]
}

fn fault(random: &mut fastrand::Rng, kinds: &[&'static str]) -> Planned {
    let kind = any(random, kinds);
    let rules = match kind {
        "lost-answers" => {
            let rule = asked(random);
            sometimes(random, rule, "lose_answer", 4)
        }
        "drops" => {
            let rule = asked(random);
            sometimes(random, rule, "drop", 4)
        }
        "fails" => {
            let rule = asked(random);
            if random.u8(..4) == 0 {
                let share = any(random, &[0.1, 0.3]);
                vec![json!({ "operation": "PostToConnection", "share": share, "fault": "fail" })]
            } else {
                sometimes(random, rule, "fail", 8)
            }
        }
        "conflicts" => {
            let operation = any(
                random,
                &["UpdateItem", "TransactWriteItems", "PutItem", "DeleteItem"],
            );
            sometimes(random, json!({ "operation": operation }), "conflict", 12)
        }
        "throttle-one" => {
            let share = any(random, &[0.05, 0.1, 0.2]);
            vec![json!({ "operation": "PostToConnection", "share": share, "fault": "throttle" })]
        }
        "throttle-all" => ["PostToConnection", "DeleteConnection", "GetConnection"]
            .map(|operation| json!({ "operation": operation, "fault": "throttle" }))
            .to_vec(),
        "throttle-table" => {
            let operation = any(random, &["read", "write"]);
            sometimes(random, json!({ "operation": operation }), "throttle", 10)
        }
        "silence" => {
            if random.bool() {
                vec![json!({ "operation": "PostToConnection", "share": 0.1, "fault": "silence" })]
            } else {
                let rule = asked(random);
                sometimes(random, rule, "silence", 2)
            }
        }
        "stale" => vec![json!({ "operation": "read", "fault": "stale" })],
        "partly" => {
            let operation = any(random, &["BatchWriteItem", "BatchGetItem"]);
            sometimes(random, json!({ "operation": operation }), "partly", 3)
        }
        "kills" => kill(random),
        "holds" => {
            let rule = asked(random);
            sometimes(random, rule, "hold", 3)
        }
        "frames" => {
            let fault = any(random, &["drop", "hold", "hold"]);
            sometimes(random, json!({ "operation": "Message" }), fault, 4)
        }
        "connects" => {
            let fault = any(random, &["drop", "hold"]);
            sometimes(random, json!({ "operation": "Connect" }), fault, 2)
        }
        "disconnects" => {
            let fault = any(random, &["drop", "drop", "hold"]);
            vec![json!({ "operation": "Disconnect", "fault": fault })]
        }
        "queues" => sends(random, &["fanout.fifo", "later"]),
        "hooks" => sends(random, &["webhooks"]),
        "greetings" => {
            let rule = json!({ "function": "connect", "operation": "PostToConnection" });
            let fault = any(random, &["gone", "gone", "fail", "drop"]);
            sometimes(random, rule, fault, 4)
        }
        _ => Vec::new(),
    };
    Planned { kind, rules }
}

/// A function that dies in the middle of something.
fn kill(random: &mut fastrand::Rng) -> Vec<Value> {
    let function = any(
        random,
        &[
            "message",
            "message",
            "publisher",
            "connect",
            "disconnect",
            "fanout",
            "reaper",
            "session",
            "stream",
            "status",
            "webhook",
        ],
    );
    let operation = any(random, &["write", "write", "read", "PostToConnection"]);
    let fault = any(random, &["kill", "kill_after"]);
    vec![json!({
        "function": function, "operation": operation, "skip": random.u64(..6), "times": 1, "fault": fault
    })]
}
