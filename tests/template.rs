//! The template, against what the functions really do and what the local host really allows them.

use std::collections::{BTreeMap, BTreeSet};

use functions::FUNCTIONS;
use local::settings::timeout;
use serde_json::{Value, json};
use shared::schema::{DUE_AT, DUE_INDEX, DUE_SHARD, PARTITION_KEY, SORT_KEY, TTL};
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
                    "dynamodb" if statement["Condition"].is_badvalue() => {
                        vec!["index".to_owned()]
                    }
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
    let mut others = Vec::new();
    for _ in 0..2 {
        let mut socket = Socket::connect(system).await;
        socket.subscribe_private("private-cache-e").await;
        socket.expect("pusher:cache_miss").await;
        others.push(socket);
    }
    let said = json!({"event": "client-e", "channel": "private-cache-e", "data": {}});
    others[0].send_text(said.to_string()).await;
    others[1].expect("client-e").await;
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
    system.publish(event("cache-e")).await;
    let started = std::time::Instant::now();
    while system.poll("channels=d").await.json()["events"] == json!([]) {
        assert!(started.elapsed() < PATIENCE, "nothing is shown");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // `disconnect`.
    socket.close().await;
    forgotten(system, "a").await;
    for function in ["connect", "disconnect", "message", "publisher", "reaper"] {
        presence(system, function).await;
    }
}

/// Has somebody leave a presence channel through a function, which finds one who is to be told gone,
/// one who waits and can come, and one for whom there is no room.
async fn presence(system: &System, function: &str) {
    let faults = system.faults();
    let channel = &format!("presence-cache-{function}");
    let grant = json!({"user_id": "b", "channels": [channel], "reconnect_seconds": 60});
    let path = format!(
        "/token/{}/app/local-key?protocol=7",
        system.token(grant).await
    );
    let mut told = Socket::connect(system).await;
    told.attend(channel, json!("a")).await;
    told.roster(channel).await;
    let mut leaving = Socket::connect_at(system, &path).await;
    leaving
        .send_event("pusher:subscribe", json!({"channel": channel}))
        .await;
    leaving.roster(channel).await;
    waiting(system, channel).await;
    let rule =
        json!([{"function": function, "operation": "PostToConnection", "fault": "throttle"}]);
    faults.set(rule).await;
    match function {
        "connect" => drop(Socket::open(system, &path).await.expect("let in")),
        "disconnect" => leaving.close().await,
        "message" => {
            let channel = json!({"channel": channel});
            leaving.send_event("pusher:unsubscribe", channel).await;
        }
        "publisher" => {
            system.publish(event(channel)).await;
        }
        "reaper" => {
            let members = system.table().rows(&format!("memb/1001/{channel}")).await;
            let row = members.iter().find(|row| row["sk"] == "b").expect("a row");
            let mut names = row.as_object().expect("a row").keys();
            let id = names.find_map(|name| name.strip_prefix("c/")).expect("one");
            let due = json!({
                "Key": { "pk": { "S": format!("conn/{id}") }, "sk": { "S": "conn" } },
                "UpdateExpression": "SET expires_at = :past, due_at = :past",
                "ExpressionAttributeValues": { ":past": { "N": "1" } },
            });
            system.table().call("UpdateItem", due).await;
            system.reap().await;
        }
        other => panic!("{other}"),
    }
    let started = std::time::Instant::now();
    loop {
        let rows = system.table().rows(&format!("memb/1001/{channel}")).await;
        let item = system.table().rows(&format!("chan/1001/{channel}")).await;
        if rows.is_empty() && item[0].get("lease").is_none() {
            break;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{function}: {rows:?} {item:?}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    faults.lift().await;
}

/// Puts the rows of two connections that wait to be acknowledged, each as a user of its own.
async fn waiting(system: &System, channel: &str) {
    let ids = ["AAAAAAAAAAAAAAA=", "zzzzzzzzzzzzzzw="];
    let far = 9_999_999_999_u64;
    for (id, user) in ids.into_iter().zip(["c", "d"]) {
        let own = json!({"pk": format!("conn/{id}"), "sk": format!("sub/{channel}"), "app": "1001", "shard": 0, "user": user, "at": 1, "ttl": far});
        let subscriber = json!({"pk": format!("subs/1001/{channel}/0"), "sk": id, "at": 1, "op": "x", "ttl": far});
        system.table().put(&own).await;
        system.table().put(&subscriber).await;
        let member = json!({ "Item": {
            "pk": { "S": format!("memb/1001/{channel}") },
            "sk": { "S": user },
            "user": { "S": json!({"id": user}).to_string() },
            "v": { "N": "1" },
            format!("c/{id}"): { "M": { "e": { "N": far.to_string() }, "a": { "N": "1" } } },
            format!("j/{id}/x"): { "N": "1" },
        }});
        system.table().call("PutItem", member).await;
    }
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
    // Room for one more, where there are two.
    let settings = json!({"max_presence_members": 2, "client_events": true});
    let system = System::start_with_app(&settings, &["--faults", "--quiet"]);
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
    let index = &table["GlobalSecondaryIndexes"][0];
    assert_eq!(index["IndexName"].as_str(), Some(DUE_INDEX));
    let keys: Vec<_> = (0..2)
        .map(|n| index["KeySchema"][n]["AttributeName"].as_str())
        .collect();
    assert_eq!(keys, [Some(DUE_SHARD), Some(DUE_AT)]);
    let ttl = &table["TimeToLiveSpecification"]["AttributeName"];
    assert_eq!(ttl.as_str(), Some(TTL));
}
