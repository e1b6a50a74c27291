//! The events in `events/`, each handed to the function that its name begins with.

use serde_json::{Value, json};
use tests::{System, workspace};

const GET: &str = "GetItem";
const QUERY: &str = "Query";
const PUT: &str = "PutItem";
const UPDATE: &str = "UpdateItem";
const POST: &str = "PostToConnection";
const SEND: &str = "SendMessageBatch";
const LATER: &str = "SendMessage";
const CLOSE: &str = "DeleteConnection";

/// An event, the status that it is answered with (for messages of a queue, how many of them have
/// failed), and what is asked of AWS for it, in order. The gateway has no such connection: who
/// answers it finds out, marks it and has it forgotten later.
const EVENTS: [(&str, u64, &[&str]); 77] = [
    ("connect", 200, &[PUT]),
    // What it asks of itself with `GREET_VIA=invoke`.
    ("connect-greet", 200, &[]),
    ("connect-unknown-key", 200, &[]),
    ("connect-unknown-token", 200, &[UPDATE]),
    ("connect-unsupported-protocol", 200, &[]),
    ("disconnect", 200, &[UPDATE, QUERY, UPDATE]),
    ("disconnect-without-a-word", 200, &[UPDATE, QUERY, UPDATE]),
    ("fanout-large-channel", 0, &[QUERY]),
    // It may have been begun.
    ("fanout-large-channel-again", 0, &[GET, QUERY]),
    // What comes after it in its group is not done, and what is in another group is.
    ("fanout-large-channel-unreadable", 2, &[QUERY]),
    ("fanout-subscription-count", 0, &[GET]),
    ("fanout-subscription-count-put-off", 0, &[UPDATE]),
    ("fanout-unreadable", 1, &[]),
    ("message-client-event", 200, &[QUERY, POST, UPDATE, LATER]),
    ("message-malformed", 200, &[POST, UPDATE, LATER]),
    ("message-ping", 200, &[POST, UPDATE, LATER]),
    (
        "message-signin",
        200,
        &[QUERY, UPDATE, UPDATE, POST, UPDATE, LATER],
    ),
    (
        "message-signin-unsigned",
        200,
        &[QUERY, POST, UPDATE, LATER, CLOSE, UPDATE, LATER],
    ),
    (
        "message-subscribe",
        200,
        &[QUERY, UPDATE, PUT, PUT, POST, UPDATE, LATER],
    ),
    // It is found gone before it is shown anything.
    (
        "message-subscribe-after",
        200,
        &[QUERY, UPDATE, PUT, PUT, POST, UPDATE, LATER],
    ),
    (
        "message-subscribe-cache",
        200,
        &[QUERY, UPDATE, PUT, PUT, POST, UPDATE, LATER],
    ),
    // Whoever joins is acknowledged, found gone, and left to the reaper; the others are told.
    (
        "message-subscribe-presence",
        200,
        &[
            QUERY, UPDATE, PUT, PUT, UPDATE, GET, QUERY, POST, UPDATE, LATER, UPDATE, UPDATE,
        ],
    ),
    (
        "message-subscribe-private",
        200,
        &[QUERY, UPDATE, PUT, PUT, POST, UPDATE, LATER],
    ),
    (
        "message-subscribe-unsigned",
        200,
        &[QUERY, POST, UPDATE, LATER],
    ),
    ("message-unsubscribe", 200, &[UPDATE]),
    ("publisher", 200, &[UPDATE, PUT]),
    ("publisher-bad-channel", 400, &[]),
    ("publisher-base64-body", 200, &[UPDATE, PUT]),
    ("publisher-batch", 200, &[UPDATE, UPDATE, PUT, PUT]),
    ("publisher-batch-too-large", 400, &[]),
    ("publisher-cache-channel", 200, &[UPDATE, PUT, PUT, GET]),
    ("publisher-channel", 200, &[GET, GET]),
    ("publisher-channel-events", 202, &[UPDATE, PUT]),
    // Its path was unescaped on its way.
    ("publisher-channel-of-user", 200, &[GET]),
    ("publisher-channel-stats", 200, &[GET]),
    ("publisher-channel-users", 200, &[QUERY]),
    ("publisher-channel-users-of-public", 400, &[]),
    // One query for each of the app's partitions of the index.
    ("publisher-channels", 200, &[QUERY; 8]),
    ("publisher-channels-user-counts", 200, &[QUERY; 8]),
    // From inside AWS: as it is, and in an event, whose id is its idempotency key.
    ("publisher-direct-invocation", 200, &[UPDATE, PUT]),
    (
        "publisher-event-bridge",
        200,
        &[PUT, UPDATE, UPDATE, UPDATE, PUT, PUT, UPDATE],
    ),
    ("publisher-expired", 401, &[]),
    ("publisher-leave-out-the-sender", 200, &[UPDATE, PUT]),
    (
        "publisher-many-channels",
        200,
        &[UPDATE, UPDATE, UPDATE, PUT, PUT, PUT],
    ),
    // It begins, takes a serial, notes it, is in the log, and notes its answer.
    ("publisher-once", 200, &[PUT, UPDATE, UPDATE, PUT, UPDATE]),
    ("publisher-terminate-connections", 200, &[QUERY, GET]),
    ("publisher-terminate-connections-by-key", 200, &[QUERY, GET]),
    ("publisher-too-much-data", 413, &[]),
    ("publisher-unsigned", 401, &[]),
    // An answer that has no status is a success, too. One query for each of the index's partitions.
    ("reaper", 200, &[QUERY; 16]),
    // There is no such session, so it is opened.
    ("session", 200, &[UPDATE, PUT, PUT]),
    ("session-malformed", 400, &[]),
    ("session-preflight", 204, &[]),
    ("session-send", 204, &[UPDATE]),
    ("session-send-unopened", 401, &[UPDATE]),
    // It is told so in lines, as pusher-js reads them.
    ("session-unknown-key", 200, &[]),
    ("status", 200, &[QUERY, QUERY]),
    ("status-foreign-cursor", 401, &[]),
    ("status-preflight", 204, &[]),
    ("status-private-channel", 403, &[]),
    ("status-unknown-key", 404, &[]),
    ("status-unknown-token", 401, &[GET, UPDATE]),
    ("status-waiting", 200, &[QUERY, QUERY, QUERY]),
    // Of a stream that ends at once: what it begins with, and one look into two logs.
    ("stream", 200, &[GET, GET, GET, QUERY, QUERY]),
    ("stream-foreign-cursor", 401, &[]),
    ("stream-preflight", 204, &[]),
    ("stream-private", 403, &[]),
    ("stream-unknown-token", 401, &[GET, UPDATE]),
    ("token", 201, &[PUT]),
    ("token-ttl-too-long", 400, &[]),
    ("token-unsigned", 401, &[]),
    // Nobody takes it, so it is queued among the dead.
    ("webhook", 0, &[SEND]),
    ("webhook-channel-vacated", 0, &[GET, QUERY, SEND]),
    ("webhook-member-removed", 0, &[GET, SEND]),
    ("webhook-not-let-through", 0, &[]),
    ("webhook-unknown-url", 0, &[]),
    ("webhook-unreadable", 1, &[]),
];

fn event(name: &str) -> String {
    let file = workspace().join("events").join(format!("{name}.json"));
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn function_of(name: &str) -> &str {
    name.split('-').next().expect("a name")
}

async fn invoke(system: &System, name: &str) -> Value {
    let url = format!(
        "{}/2015-03-31/functions/{}/invocations",
        system.variable("AWS_ENDPOINT_URL_LAMBDA"),
        function_of(name)
    );
    let request = system.client().post(url).body(event(name));
    let request = request.header("authorization", "AWS4-HMAC-SHA256 Credential=tests");
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.headers().get("x-amz-function-error"), None, "{name}");
    let text = answer.text().await.expect("a body");
    match text.split_once("\0\0\0\0\0\0\0\0") {
        // What is streamed has its body behind the rest.
        Some((prelude, body)) => {
            let mut answer: Value = serde_json::from_str(prelude).expect("JSON");
            answer["body"] = json!(body);
            answer
        }
        None => serde_json::from_str(&text).expect("JSON"),
    }
}

#[test]
fn every_event_is_listed() {
    let folder = std::fs::read_dir(workspace().join("events")).expect("a folder");
    let name = |entry: std::fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.strip_suffix(".json").expect("JSON").to_owned()
    };
    let mut found: Vec<String> = folder.flatten().map(name).collect();
    found.sort();
    let listed = EVENTS.map(|(name, ..)| name);
    assert_eq!(found, listed);
}

#[tokio::test]
async fn each_event_does_what_its_name_says() {
    let mut wrong = Vec::new();
    // Nobody listens there, and it is not tried again.
    let webhook = json!({"url": "http://127.0.0.1:1/", "filter_by_suffix": "-told"});
    let settings = json!({"webhooks": [webhook]});
    let system = System::start_with_app(
        &settings,
        &["--faults", "--webhook-patience", "0", "--stream-life", "1"],
    );
    invoke(&system, "connect").await;
    let connection = system.table().rows("conn/").await.remove(0);
    given_up(&system).await;
    for (name, status, operations) in EVENTS {
        system.table().clear().await;
        if function_of(name) == "message" {
            // The one before was forgotten.
            idle(&system).await;
            system.table().clear().await;
            system.table().put(&connection).await;
        }
        if name == "session-send" {
            invoke(&system, "session").await;
        }
        system.faults().forget().await;
        let answer = invoke(&system, name).await;
        let answered = match answer["batchItemFailures"].as_array() {
            Some(failures) => u64::try_from(failures.len()).expect("few"),
            None => answer["statusCode"].as_u64().unwrap_or(200),
        };
        assert_eq!(answered, status, "{name}: {answer}");
        if status >= 400 {
            let body: Value = answer["body"]
                .as_str()
                .and_then(|body| serde_json::from_str(body).ok())
                .expect("JSON");
            assert!(body["error"].is_string(), "{name}: {answer}");
        }
        let mut made = system.faults().made().await;
        // An earlier `connect` may still be trying to greet.
        made.retain(|made| made.function == function_of(name));
        // What comes after its answer has another test.
        made.retain(|made| {
            let is_greeting = made.target.starts_with("conn/") && made.operation != "PutItem";
            made.function != "connect" || ((made.is_write() || made.is_read()) && !is_greeting)
        });
        let mut made: Vec<&str> = made.iter().map(|made| made.operation.as_str()).collect();
        if function_of(name) == "stream" {
            // How often it looks again in its second depends on the machine.
            let again = made.split_off(operations.len().min(made.len()));
            assert!(again.iter().all(|look| *look == QUERY), "{name}: {again:?}");
        }
        if matches!(name, "connect" | "connect-greet") {
            given_up(&system).await;
        }
        if made != operations {
            wrong.push(format!("{name}: {made:?}, not {operations:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Waits until `connect` has given up greeting a connection that there is not, and has marked it.
async fn given_up(system: &System) {
    let started = std::time::Instant::now();
    loop {
        let rows = system.table().rows("conn/").await;
        if rows.iter().any(|row| row["closed"] == true) {
            return;
        }
        assert!(started.elapsed() < tests::PATIENCE, "{rows:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Waits until nothing is left to be done later.
async fn idle(system: &System) {
    let started = std::time::Instant::now();
    loop {
        let queue = system.faults().queue("later").await;
        if queue["waiting"] == 0 && queue["in_flight"] == 0 {
            return;
        }
        assert!(started.elapsed() < tests::PATIENCE, "{queue}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_one_event_writes_the_next_one_reads() {
    let system = System::start();
    invoke(&system, "publisher").await;
    invoke(&system, "publisher-many-channels").await;
    let polled = invoke(&system, "status").await;
    let body = polled["body"].as_str().expect("text");
    let body: Value = serde_json::from_str(body).expect("JSON");
    let channels: Vec<&Value> = body["events"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|event| &event["channel"])
        .collect();
    assert_eq!(json!(channels), json!(["orders", "orders", "invoices"]));
}
