//! The template, against what the functions really do and what the local host really allows them.

use std::collections::{BTreeMap, BTreeSet};

use functions::FUNCTIONS;
use local::settings::timeout;
use serde_json::{Value, json};
use shared::schema::{PARTITION_KEY, SORT_KEY, TTL};
use tests::{PATIENCE, Socket, System, workspace};
use yaml_rust2::{Yaml, YamlLoader};

/// Something a function may do, or does: the function, the action, and the rows it is about.
type Allowed = BTreeSet<(String, String, String)>;

fn template() -> Yaml {
    let text = std::fs::read_to_string(workspace().join("template.yaml")).expect("readable");
    YamlLoader::load_from_str(&text).expect("YAML").remove(0)
}

/// The functions' properties by the functions' names.
fn functions(template: &Yaml) -> BTreeMap<String, Yaml> {
    let resources = template["Resources"].as_hash().expect("a map");
    let functions = resources
        .values()
        .filter(|resource| resource["Type"].as_str() == Some("AWS::Serverless::Function"));
    let named = functions.map(|resource| {
        let binary = &resource["Metadata"]["BuildProperties"]["Binary"];
        let name = binary.as_str().expect("a binary").to_owned();
        (name, resource["Properties"].clone())
    });
    named.collect()
}

fn strings(list: &Yaml) -> Vec<&str> {
    let one = std::slice::from_ref(list);
    let list = list.as_vec().map_or(one, Vec::as_slice);
    list.iter()
        .map(|text| text.as_str().expect("text"))
        .collect()
}

fn allowed(template: &Yaml) -> Allowed {
    let mut allowed = Allowed::new();
    for (function, properties) in functions(template) {
        let statements = properties["Policies"][0]["Statement"].as_vec();
        // One is there by condition only: it is the function's right to invoke itself.
        let unconditional = statements
            .expect("a list")
            .iter()
            .filter(|statement| statement.as_hash().is_some());
        for statement in unconditional {
            assert_eq!(statement["Effect"].as_str(), Some("Allow"));
            for action in strings(&statement["Action"]) {
                let of: Vec<String> = match action.split_once(':').expect("a service").0 {
                    "dynamodb" => {
                        let keys = &statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"];
                        let begin =
                            |key: &str| key.strip_suffix("/*").expect("a beginning").to_owned();
                        strings(keys).into_iter().map(begin).collect()
                    }
                    "execute-api" => {
                        let method = |arn: &str| {
                            let of_stage = arn.split_once("/live/").expect("a stage").1;
                            of_stage
                                .strip_suffix("/@connections/*")
                                .expect("connections")
                                .to_owned()
                        };
                        strings(&statement["Resource"])
                            .into_iter()
                            .map(method)
                            .collect()
                    }
                    other => panic!("{function} may use {other}"),
                };
                for of in of {
                    allowed.insert((function.clone(), action.to_owned(), of));
                }
            }
        }
    }
    allowed
}

/// What the functions have asked so far, as policies name it.
async fn done(system: &System) -> Allowed {
    let made = system.faults().made().await;
    let entry = made.into_iter().map(|made| {
        let (action, of) = match made.operation.as_str() {
            "PostToConnection" => (
                "execute-api:ManageConnections".to_owned(),
                "POST".to_owned(),
            ),
            "DeleteConnection" => (
                "execute-api:ManageConnections".to_owned(),
                "DELETE".to_owned(),
            ),
            operation => {
                let kind = made.target.split('/').next().expect("a kind");
                (format!("dynamodb:{operation}"), kind.to_owned())
            }
        };
        (made.function, action, of)
    });
    entry.collect()
}

fn event(channel: &str) -> Value {
    json!({"name": "e", "channel": channel, "data": ""})
}

/// Takes every use case through everything that it can have to do.
async fn everything(system: &System) {
    let faults = system.faults();
    // `connect`: a token, whose second use displaces the first, and a refusal.
    let grant = json!({"channels": ["private-a"], "reconnect_seconds": 60});
    let path = format!(
        "/token/{}/app/local-key?protocol=7",
        system.token(grant).await
    );
    let mut displaced = Socket::connect_at(system, &path).await;
    displaced.subscribe("private-a").await;
    Socket::connect_at(system, &path).await;
    displaced.close_code().await;
    let refused = Socket::open(system, "/app/nobody?protocol=7").await;
    refused.expect("accepted").close_code().await;
    // `message`: joining and leaving, and answers to those who are gone or take nothing in.
    let mut socket = Socket::connect(system).await;
    socket.subscribe("a").await;
    socket
        .send_event("pusher:unsubscribe", json!({"channel": "a"}))
        .await;
    socket.left(system, "a").await;
    socket.subscribe("a").await;
    for fault in ["gone", "throttle"] {
        let mut socket = Socket::connect(system).await;
        socket.subscribe("b").await;
        let rule =
            json!([{"function": "message", "operation": "PostToConnection", "fault": fault}]);
        faults.set(rule).await;
        socket.send_event("pusher:ping", json!({})).await;
        forgotten(system, "b").await;
        faults.lift().await;
    }
    // `publisher`: the same with recipients.
    for fault in ["gone", "throttle"] {
        let mut socket = Socket::connect(system).await;
        socket.subscribe("c").await;
        let rule =
            json!([{"function": "publisher", "operation": "PostToConnection", "fault": fault}]);
        faults.set(rule).await;
        system.publish(event("c")).await;
        faults.lift().await;
    }
    // `status`: a serial that its publisher has left behind.
    let rule =
        json!([{"operation": "PutItem", "containing": "log/1001/d", "fault": "kill", "times": 1}]);
    faults.set(rule).await;
    system
        .post("/apps/1001/events", event("d").to_string())
        .await;
    system.publish(event("d")).await;
    let started = std::time::Instant::now();
    while system.poll("channels=d").await.json()["events"] == json!([]) {
        assert!(started.elapsed() < PATIENCE, "nothing is shown");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // `disconnect`.
    socket.close().await;
    forgotten(system, "a").await;
}

/// Waits until nobody is on a channel and nobody is counted.
async fn forgotten(system: &System, channel: &str) {
    let started = std::time::Instant::now();
    loop {
        let rows = system.table().rows(&format!("subs/1001/{channel}/")).await;
        let item = system.table().rows(&format!("chan/1001/{channel}")).await;
        let own = system.table().rows("conn/").await;
        let own = own
            .iter()
            .filter(|row| row["sk"] == format!("sub/{channel}").as_str());
        if rows.is_empty() && item[0]["subscribers"] == 0 && own.count() == 0 {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{rows:?} {item:?}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn each_function_may_do_what_it_does_and_nothing_else() {
    let system = System::start_with(&["--faults", "--quiet"]);
    everything(&system).await;
    let (done, allowed) = (done(&system).await, allowed(&template()));
    let forbidden: Vec<_> = done.difference(&allowed).collect();
    assert!(forbidden.is_empty(), "not allowed: {forbidden:#?}");
    let needless: Vec<_> = allowed.difference(&done).collect();
    assert!(needless.is_empty(), "allowed but never done: {needless:#?}");
}

#[test]
fn the_template_and_the_local_host_agree() {
    let template = template();
    let functions = functions(&template);
    let names: Vec<&str> = functions.keys().map(String::as_str).collect();
    assert_eq!(names, FUNCTIONS);
    let default = &template["Globals"]["Function"]["Timeout"];
    for (name, properties) in &functions {
        let own = &properties["Timeout"];
        let secs = own.as_i64().or(default.as_i64()).expect("a number");
        let secs = u64::try_from(secs).expect("positive");
        assert_eq!(timeout(name).as_secs(), secs, "{name}");
    }
    let table = &template["Resources"]["Table"]["Properties"];
    let keys: Vec<_> = (0..2)
        .map(|n| table["KeySchema"][n]["AttributeName"].as_str())
        .collect();
    assert_eq!(keys, [Some(PARTITION_KEY), Some(SORT_KEY)]);
    let ttl = &table["TimeToLiveSpecification"]["AttributeName"];
    assert_eq!(ttl.as_str(), Some(TTL));
}
