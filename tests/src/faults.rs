//! The fault proxy of a running system: sets its rules, and reads the requests of the functions.

use serde_json::{Value, json};

use crate::patience::PATIENCE;
use crate::system::System;
use crate::table::dynamodb_request;

/// The controls of a system that was started with `--faults`.
pub struct Faults<'a> {
    system: &'a System,
    base: String,
}

/// A request that a function made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The function.
    pub function: String,
    /// `PutItem`, `PostToConnection`.
    pub operation: String,
    /// The connection or the partition.
    pub target: String,
    /// What DynamoDB would bill.
    pub capacity_units: f64,
    /// The answer's status; 0 while there is none.
    pub status: u64,
    /// The fault it met.
    pub fault: Option<String>,
}

impl Made {
    /// Whether it changes the table.
    #[must_use]
    pub fn is_write(&self) -> bool {
        [
            "PutItem",
            "UpdateItem",
            "DeleteItem",
            "BatchWriteItem",
            "TransactWriteItems",
        ]
        .contains(&self.operation.as_str())
    }

    /// Whether it reads the table.
    #[must_use]
    pub fn is_read(&self) -> bool {
        ["Query", "GetItem", "BatchGetItem"].contains(&self.operation.as_str())
    }
}

impl System {
    /// The controls.
    ///
    /// # Panics
    /// When it was started without.
    #[must_use]
    pub fn faults(&self) -> Faults<'_> {
        let said = self
            .banner
            .iter()
            .find_map(|line| line.strip_prefix("faults "));
        Faults {
            system: self,
            base: said.expect("started with --faults").to_owned(),
        }
    }
}

impl Faults<'_> {
    async fn call(&self, method: &str, what: &str, body: String) -> String {
        let method = method.parse().expect("a method");
        let url = format!("{}/{what}", self.base);
        let request = self.system.client().request(method, url).body(body);
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert!(status.is_success(), "{text}");
        text
    }

    async fn state(&self) -> Value {
        serde_json::from_str(&self.call("GET", "requests", String::new()).await).expect("JSON")
    }

    /// Where AWS is for a function, one called `tests`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("{}/tests/none/", self.base)
    }

    /// What waits in a queue, and which of its messages are dead.
    ///
    /// # Panics
    /// When there is no such queue.
    pub async fn queue(&self, name: &str) -> Value {
        let queues = self.call("GET", "queues", String::new()).await;
        let queues: Vec<Value> = serde_json::from_str(&queues).expect("JSON");
        let found = queues.into_iter().find(|queue| queue["name"] == name);
        found.unwrap_or_else(|| panic!("no queue {name}"))
    }

    /// Asks the table as a function does: through the proxy.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn table(&self, operation: &str, mut body: Value) -> Value {
        body["TableName"] = json!(self.system.variable("TABLE_NAME"));
        let request = dynamodb_request(self.system, &self.endpoint(), operation, &body);
        let answer = request.send().await.expect("an answer");
        serde_json::from_str(&answer.text().await.expect("a body")).expect("JSON")
    }

    /// Puts these rules in force, instead of those that were.
    pub async fn set(&self, rules: Value) {
        self.call("PUT", "rules", rules.to_string()).await;
    }

    /// Lets everything pass again, and what is held go on.
    pub async fn lift(&self) {
        self.set(json!([])).await;
    }

    /// Forgets what was asked so far.
    pub async fn forget(&self) {
        self.call("DELETE", "requests", String::new()).await;
    }

    /// What was asked since.
    ///
    /// # Panics
    /// When the proxy does not tell.
    pub async fn made(&self) -> Vec<Made> {
        let state = self.state().await;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let requests = state["requests"].as_array().expect("requests").iter();
        let made = requests.map(|made| Made {
            function: text(&made["function"]).expect("a name"),
            operation: text(&made["operation"]).expect("a name"),
            target: text(&made["target"]).expect("a name"),
            capacity_units: made["capacity_units"].as_f64().expect("a number"),
            status: made["status"].as_u64().expect("a number"),
            fault: text(&made["fault"]),
        });
        made.collect()
    }

    /// Waits until so many requests are held.
    ///
    /// # Panics
    /// When they do not come.
    pub async fn held(&self, count: u64) {
        let started = std::time::Instant::now();
        while self.state().await["held"] != count {
            assert!(started.elapsed() < PATIENCE, "not {count} are held");
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }
}
