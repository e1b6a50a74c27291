//! The stage of these tests: a system in which a function's write can fail, and what must be true of a channel
//! at any time.

use std::ops::Deref;

use serde_json::{Value, json};
use tests::{PATIENCE, Socket, System};

/// One request that fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// Which of the function's writes, from 0.
    pub(crate) write: usize,
    /// How.
    pub(crate) fault: &'static str,
    /// Whether all that follow fail, too, until the fault is lifted.
    pub(crate) lasting: bool,
}

/// Nothing has failed.
pub(crate) const NO_CASE: Case = Case {
    write: 0,
    fault: "none",
    lasting: false,
};

/// Faults that hit one request: its repetition, if there is one, succeeds.
const ONCE: [&str; 7] = [
    "drop",
    "lose_answer",
    "throttle",
    "conflict",
    "fail",
    "kill",
    "kill_after",
];
/// Faults that go on.
const LASTING: [&str; 5] = ["drop", "lose_answer", "throttle", "conflict", "fail"];

/// All cases for so many writes.
pub(crate) fn cases(writes: usize) -> impl Iterator<Item = Case> {
    (0..writes).flat_map(|write| {
        let of = move |lasting| {
            move |fault| Case {
                write,
                fault,
                lasting,
            }
        };
        ONCE.into_iter()
            .map(of(false))
            .chain(LASTING.into_iter().map(of(true)))
    })
}

/// A system in which requests can fail.
pub(crate) struct Stage(System);

impl Deref for Stage {
    type Target = System;

    fn deref(&self) -> &System {
        &self.0
    }
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(arguments: &[&str]) -> Self {
        Self(System::start_with(
            &[&["--faults", "--quiet"], arguments].concat(),
        ))
    }

    /// The same where the app has watchlists, and a reaper that is never far.
    pub(crate) fn of_watchers() -> Self {
        let settings = json!({"watchlist": true});
        let arguments = ["--faults", "--quiet", "--reap-every", "1"];
        Self(System::start_with_app(&settings, &arguments))
    }

    /// Has a function's write fail.
    pub(crate) async fn fail(&self, function: &str, case: Case) {
        let mut rule = json!({
            "function": function, "operation": "write", "skip": case.write, "fault": case.fault,
        });
        if !case.lasting {
            rule["times"] = json!(1);
        }
        self.faults().set(json!([rule])).await;
    }

    /// Waits until a request has met a fault: a lasting one twice, so that a repetition meets it,
    /// too. A batch that meets a conflict is not repeated.
    pub(crate) async fn met(&self, case: Case) {
        let repeated = case.lasting && case.fault != "conflict";
        self.faulted(case, if repeated { 2 } else { 1 }).await;
    }

    /// Waits until a request that is never repeated has met a fault.
    pub(crate) async fn met_once(&self, case: Case) {
        self.faulted(case, 1).await;
    }

    async fn faulted(&self, case: Case, wanted: usize) {
        let started = std::time::Instant::now();
        loop {
            let made = self.faults().made().await;
            if made.iter().filter(|made| made.fault.is_some()).count() >= wanted {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{case:?}: no fault");
        }
    }

    /// Has the reaper finish what a `disconnect` has begun and Lambda has not repeated: after a
    /// minute, whose time is made to pass.
    pub(crate) async fn overdue(&self) {
        for row in self.table().rows("conn/").await {
            if row["closed"] == true && row.get("due_at").is_some() {
                let due = json!({
                    "Key": { "pk": { "S": row["pk"] }, "sk": { "S": "conn" } },
                    "UpdateExpression": "SET due_at = :past",
                    "ExpressionAttributeValues": { ":past": { "N": "1" } },
                });
                self.table().call("UpdateItem", due).await;
            }
        }
    }

    /// Lets the time pass after which an attempt to publish under an idempotency key is taken for dead.
    pub(crate) async fn attempts_overdue(&self) {
        for row in self.table().rows("idem/").await {
            if row.get("lease_until").is_some() {
                let over = json!({
                    "Key": {"pk": {"S": row["pk"]}, "sk": {"S": row["sk"]}},
                    "UpdateExpression": "SET lease_until = :past",
                    "ExpressionAttributeValues": {":past": {"N": "1"}},
                });
                self.table().call("UpdateItem", over).await;
            }
        }
    }

    /// How many writes a function has made since they were forgotten.
    pub(crate) async fn writes_of(&self, function: &str) -> usize {
        let made = self.faults().made().await;
        let of_function = made.iter().filter(|made| made.function == function);
        of_function.filter(|made| made.is_write()).count()
    }

    /// The connections' rows: those that are not over.
    pub(crate) async fn connections(&self) -> Vec<String> {
        let mut rows = self.table().rows("conn/").await;
        rows.retain(|row| row["sk"] == "conn" && row["closed"] != true);
        let id = |row: &Value| row["pk"].as_str().expect("a key")[5..].to_owned();
        rows.iter().map(id).collect()
    }

    /// Connects, and finds out the connection's id.
    pub(crate) async fn connect(&self) -> (Socket, String) {
        let before = self.connections().await;
        let socket = Socket::connect(self).await;
        let mut after = self.connections().await;
        after.retain(|id| !before.contains(id));
        (socket, after.pop().expect("a new one"))
    }

    /// Publishes to a channel, which must succeed, and has somebody receive just that.
    pub(crate) async fn served(&self, socket: &mut Socket, channel: &str, data: &str) {
        self.publish(json!({"name": "e", "channel": channel, "data": data}))
            .await;
        assert_eq!(socket.expect("e").await["data"], data);
    }

    /// The same after a publication that may or may not have come: counts its copies in `before`.
    pub(crate) async fn served_after(&self, socket: &mut Socket, channel: &str, before: &mut u32) {
        self.publish(json!({"name": "last", "channel": channel, "data": ""}))
            .await;
        while socket.frame().await["event"] != "last" {
            *before += 1;
        }
    }

    /// Waits until nobody announces on a channel.
    pub(crate) async fn given_back(&self, channel: &str) {
        let started = std::time::Instant::now();
        loop {
            let item = self.table().rows(&format!("chan/1001/{channel}")).await;
            if item.first().is_some_and(|item| item.get("lease").is_none()) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{channel}: {item:?}");
        }
    }

    /// The connections that a channel's rows name, and the number that its item counts.
    pub(crate) async fn subscribers(&self, channel: &str) -> (Vec<String>, u64) {
        let rows = self.table().rows(&format!("subs/1001/{channel}/")).await;
        let id = |row: &Value| row["sk"].as_str().expect("a key").to_owned();
        let item = self.table().rows(&format!("chan/1001/{channel}")).await;
        let count = item.first().and_then(|row| row["subscribers"].as_u64());
        (rows.iter().map(id).collect(), count.unwrap_or(0))
    }

    /// What must be true of a channel's count at any time.
    pub(crate) async fn check_count(&self, channel: &str, case: Case) {
        // What is there before and after was there when it was counted.
        let (mut rows, count) = self.subscribers(channel).await;
        let (after, _) = self.subscribers(channel).await;
        rows.retain(|row| after.contains(row));
        let rows = u64::try_from(rows.len()).expect("few");
        assert!(count >= rows, "{case:?}: {count} counted, {rows} there");
        // Both are in one item, and change with one write.
        let item = self.table().rows(&format!("chan/1001/{channel}")).await;
        if let Some(item) = item.first() {
            let listed = item.get("occupied_shard").is_some();
            assert_eq!(
                listed,
                item["subscribers"].as_u64() > Some(0),
                "{case:?}: {item}"
            );
        }
    }

    /// What must be true of a channel at any time.
    pub(crate) async fn check(&self, channel: &str, case: Case) {
        self.check_count(channel, case).await;
        // A reader closes what a dead publisher left.
        let log = self.settled_log(channel).await;
        for pair in log.windows(2) {
            assert_eq!(pair[0] + 1, pair[1], "{case:?}: a hole in the log");
        }
    }

    /// The serials in a channel's log, once nothing is awaited any more.
    async fn settled_log(&self, channel: &str) -> Vec<u64> {
        let started = std::time::Instant::now();
        loop {
            self.poll(&format!("channels={channel}")).await;
            let rows = self.table().rows(&format!("log/1001/{channel}")).await;
            let serial = |row: &Value| row["sk"].as_str().and_then(|serial| serial.parse().ok());
            let mut serials: Vec<u64> = rows
                .iter()
                .map(|row| serial(row).expect("a serial"))
                .collect();
            serials.sort_unstable();
            let whole = serials.windows(2).all(|pair| pair[0] + 1 == pair[1]);
            if whole || started.elapsed() > PATIENCE {
                return serials;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// Waits until a channel's rows name these connections and no other.
    pub(crate) async fn only(&self, channel: &str, ids: &[&str], case: Case) {
        let started = std::time::Instant::now();
        loop {
            let (mut rows, _) = self.subscribers(channel).await;
            rows.retain(|row| !ids.contains(&row.as_str()));
            if rows.is_empty() {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{case:?}: {rows:?} are left");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}
