//! The log and the metrics: every line names its function, and no line holds a secret.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tests::{PATIENCE, Session, Socket, Stream, System, binary, hmac_hex};

fn event(channel: &str, data: &str) -> Value {
    json!({"name": "e", "channel": channel, "data": data})
}

/// What the metrics come to: sums of what is counted, the values of durations by number, and errors
/// by type. Each line has to be as CloudWatch reads it.
fn measured(system: &System) -> BTreeMap<String, u64> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for (function, line) in system.lines() {
        let Some(directives) = line["_aws"]["CloudWatchMetrics"].as_array() else {
            continue;
        };
        assert_eq!(directives.len(), 1, "{line}");
        assert_eq!(directives[0]["Namespace"], "Tests", "{line}");
        assert_eq!(line["function"], function.as_str(), "{line}");
        assert!(line["request_id"].is_string(), "{line}");
        assert!(line["_aws"]["Timestamp"].is_u64(), "{line}");
        let metrics = directives[0]["Metrics"].as_array().expect("a list");
        assert!(!metrics.is_empty(), "{line}");
        for metric in metrics {
            let name = metric["Name"].as_str().expect("text");
            let (unit, count) = if let Some(values) = line[name].as_array() {
                let few = values.iter().all(|value| {
                    let millis = value.as_u64().map(Duration::from_millis);
                    millis.is_some_and(|took| took < PATIENCE)
                });
                assert!(few, "{line}");
                ("Milliseconds", values.len() as u64)
            } else {
                ("Count", line[name].as_u64().expect("a number"))
            };
            assert_eq!(metric["Unit"], unit, "{line}");
            *sums.entry(name.to_owned()).or_default() += count;
            if let Some(kind) = line["ErrorType"].as_str() {
                let dimensions = json!([[], ["ErrorType"]]);
                assert_eq!(directives[0]["Dimensions"], dimensions, "{line}");
                *sums.entry(format!("{name}/{kind}")).or_default() += count;
            } else {
                assert_eq!(directives[0]["Dimensions"], json!([[]]), "{line}");
            }
        }
    }
    sums
}

/// Waits until the metrics come to this, and sees that they do not go beyond it.
async fn comes_to(system: &mut System, expected: &[(&str, u64)]) {
    let expected = expected
        .iter()
        .map(|(name, sum)| ((*name).to_owned(), *sum));
    let expected: BTreeMap<String, u64> = expected.collect();
    let started = std::time::Instant::now();
    while measured(system) != expected && started.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    system.terminate(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(measured(system), expected);
}

async fn fails(system: &System, operation: &str, fault: &str) {
    let rule = json!([{"function": "publisher", "operation": operation, "fault": fault}]);
    system.faults().set(rule).await;
}

#[tokio::test]
async fn what_happens_is_counted_once() {
    let features = json!({"client_events": true});
    let arguments = ["--metrics", "Tests", "--faults", "--reap-every", "0"];
    let mut system = System::start_with_app(&features, &arguments);
    let mut anna = Socket::connect(&system).await;
    let mut bob = Socket::connect(&system).await;
    let mut session = Session::open(&system).await;

    anna.subscribe("orders").await;
    bob.subscribe("orders").await;
    session.subscribe("orders").await;
    // It is on it already.
    anna.subscribe("orders").await;
    anna.subscribe_private("private-a").await;
    bob.subscribe_private("private-a").await;
    anna.attend("presence-a", json!("anna")).await;
    anna.roster("presence-a").await;

    system.publish(event("orders", "1")).await;
    system.publish(event("nobody", "2")).await;
    let both = json!({"name": "e", "channels": ["orders", "private-a"], "data": "3"});
    system.publish(both).await;
    for _ in 0..3 {
        bob.expect("e").await;
    }
    anna.send_text(r#"{"event":"client-e","channel":"private-a","data":"4"}"#)
        .await;
    bob.expect("client-e").await;

    // Refused: a frame, a request, a client at the door.
    let unsigned = json!({"channel": "private-b"});
    bob.send_event("pusher:subscribe", unsigned).await;
    bob.expect("pusher:subscription_error").await;
    let path = "/apps/1001/events";
    let unsigned = system.request("POST", path, b"{}".to_vec()).await;
    assert_eq!(unsigned.status, 401);
    let stranger = Socket::open(&system, "/app/unknown?protocol=7").await;
    stranger.expect("let in").expect("pusher:error").await;

    // One post of three is throttled, and then one of three finds nobody.
    for (data, fault) in [("5", "throttle"), ("6", "gone")] {
        let rule = json!([{"function": "publisher", "operation": "PostToConnection", "times": 1, "fault": fault}]);
        system.faults().set(rule).await;
        system.publish(event("orders", data)).await;
    }
    // Nobody is told.
    for (fault, status) in [("fail", 500), ("throttle", 503)] {
        fails(&system, "UpdateItem", fault).await;
        let refused = system.post(path, event("orders", "7").to_string()).await;
        assert_eq!(refused.status, status, "{fault}");
    }
    let expected = [
        ("Connections", 3),
        ("Subscribes", 6),
        ("Publications", 6),
        // 3, 3 + 2, 1, 3, 2.
        ("Deliveries", 14),
        ("Gone", 1),
        ("Throttled", 1),
        ("Refused", 3),
        ("FanOutMillis", 6),
        ("DeliveryLagMillis", 5),
        ("Errors", 2),
        ("Errors/TableUnavailable", 1),
        ("Errors/TableThrottled", 1),
    ];
    comes_to(&mut system, &expected).await;
}

/// What clients and servers say that is nobody else's business. Each has this in it.
const SECRET: &str = "s3cret-of-this-test";

async fn invoke(system: &System, function: &str, payload: &str) -> String {
    let lambda = system.variable("AWS_ENDPOINT_URL_LAMBDA");
    let url = format!("{lambda}/2015-03-31/functions/{function}/invocations");
    let request = system.client().post(url).body(payload.to_owned());
    let signed = request.header("authorization", "AWS4-HMAC-SHA256 Credential=tests");
    let answer = signed.send().await.expect("an answer");
    answer.text().await.expect("a body")
}

/// Does all that there is to do, right and wrong, and gives what else must not be in the log.
async fn do_everything(system: &System) -> Vec<String> {
    let mut secrets = vec![SECRET.to_owned(), "local-secret".to_owned()];
    secrets.push(system.variable("OWN_KEY"));
    let grant = json!({"user_id": "7", "user_info": {"name": SECRET}, "channels": ["private-a"]});
    let mut tokens = Vec::new();
    for _ in 0..4 {
        tokens.push(system.token(grant.clone()).await);
    }
    secrets.extend(tokens.iter().cloned());
    let [token, of_stream, of_poll, of_session] = &tokens[..] else {
        panic!("four tokens")
    };
    let path = format!("/token/{token}/app/local-key?protocol=7");
    let mut socket = Socket::connect_at(system, &path).await;
    let unknown = format!("/app/local-key?protocol=7&token={SECRET}");
    let refused = Socket::open(system, &unknown).await;
    refused.expect("let in").expect("pusher:error").await;

    let user = json!({"id": "7", "user_info": {"name": SECRET}});
    secrets.push(socket.user_auth(&user.to_string()));
    socket.sign_in(user).await;
    secrets.push(socket.auth("private-b"));
    socket.subscribe_private("private-b").await;
    let presence = socket.presence("presence-a", &json!({"user_id": "7", "user_info": SECRET}));
    secrets.push(presence["auth"].as_str().expect("text").to_owned());
    socket.send_event("pusher:subscribe", presence).await;
    socket.roster("presence-a").await;
    let said = json!({"event": "client-e", "channel": "private-b", "data": SECRET});
    socket.send_text(said.to_string()).await;
    for frame in [
        SECRET.to_owned(),
        json!({"event": SECRET, "data": SECRET}).to_string(),
        json!({"event": "pusher:subscribe", "data": {"channel": 5, "auth": SECRET}}).to_string(),
        json!({"event": "pusher:signin", "data": SECRET}).to_string(),
    ] {
        socket.send_text(frame).await;
        socket.expect("pusher:error").await;
    }
    let auth = format!("local-key:{}", hmac_hex(SECRET, SECRET));
    let forged = json!({"channel": "private-c", "auth": auth, "channel_data": SECRET});
    socket.send_event("pusher:subscribe", forged).await;
    socket.expect("pusher:subscription_error").await;
    secrets.push(auth);

    system.publish(event("private-b", SECRET)).await;
    socket.expect("e").await;
    let wrong = [
        json!({"name": "e", "channels": SECRET, "data": SECRET}),
        json!({"name": SECRET.repeat(20), "channel": "a", "data": SECRET}),
        json!(SECRET),
    ];
    for body in wrong {
        let refused = system.post("/apps/1001/events", body.to_string()).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert!(
            invoke(system, "publisher", &body.to_string())
                .await
                .contains("Rejected")
        );
    }
    for (function, payload) in [
        (
            "publisher",
            json!({"requestContext": SECRET, "rawQueryString": SECRET}),
        ),
        (
            "publisher",
            json!({"detail-type": "Publish", "id": {"a": SECRET}, "detail": SECRET}),
        ),
        (
            "message",
            json!({"requestContext": {"connectionId": [SECRET]}, "body": SECRET}),
        ),
        (
            "connect",
            json!({"queryStringParameters": {"token": [SECRET]}, "headers": SECRET}),
        ),
        (
            "fanout",
            json!({"Records": [{"messageId": 1, "body": SECRET}]}),
        ),
        (
            "status",
            json!({"version": "2.0", "rawQueryString": SECRET}),
        ),
    ] {
        let failed = invoke(system, function, &payload.to_string()).await;
        assert!(failed.contains("EventUnreadable"), "{function}: {failed}");
    }
    let queued = json!({"Records": [{"messageId": "m", "body": json!({"v": 1, "type": SECRET}).to_string(),
        "attributes": {"ApproximateFirstReceiveTimestamp": "1", "ApproximateReceiveCount": "1"}}]});
    assert!(
        invoke(system, "fanout", &queued.to_string())
            .await
            .contains("\"m\"")
    );

    let mut stream = Stream::connected(
        system,
        &format!("channels=private-a&token={of_stream}"),
        None,
    )
    .await;
    system.publish(event("private-a", SECRET)).await;
    stream.message().await.expect("a message");
    let polled = system
        .poll(&format!("channels=private-a&token={of_poll}"))
        .await;
    secrets.push(
        polled.json()["cursor"]
            .as_str()
            .expect("a cursor")
            .to_owned(),
    );
    secrets.push(stream.last_event_id);
    let cursor = format!("channels=private-a&cursor={SECRET}");
    assert_eq!(system.poll(&cursor).await.status, 401);
    let mut session = Session::open_with(system, of_session).await;
    session.subscribe("orders").await;
    assert_eq!(
        session.send(json!({"a": SECRET}).to_string()).await.status,
        400
    );

    fails(system, "UpdateItem", "fail").await;
    let refused = system
        .post("/apps/1001/events", event("a", SECRET).to_string())
        .await;
    assert_eq!(refused.status, 500);
    secrets
}

async fn logs_no_secret(arguments: &[&str]) {
    let features = json!({"client_events": true});
    let arguments = [arguments, &["--faults", "--reap-every", "0"]].concat();
    let system = System::start_with_app(&features, &arguments);
    let secrets = do_everything(&system).await;
    let has = |lines: &[(String, Value)], field: &str, value: &str| {
        lines.iter().any(|(_, line)| line[field] == value)
    };
    let started = std::time::Instant::now();
    let lines = loop {
        let lines = system.lines();
        if has(&lines, "error_type", "TableUnavailable") && has(&lines, "message", "published") {
            break lines;
        }
        assert!(started.elapsed() < PATIENCE, "the log is not written");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    for (field, value) in [
        ("error_type", "EventUnreadable"),
        ("error_type", "TaskUnreadable"),
        ("rejection", "TokenRefused"),
        ("rejection", "AuthInvalid"),
        ("rejection", "Frame"),
        ("rejection", "Body"),
        ("rejection", "CursorRefused"),
        ("rejection", "SessionFrames"),
    ] {
        assert!(has(&lines, field, value), "no line has the {field} {value}");
    }
    for (function, line) in &lines {
        for field in ["timestamp", "level", "target", "message", "request_id"] {
            let value = line[field].as_str().unwrap_or_default();
            assert!(!value.is_empty(), "{function} says no {field}: {line}");
        }
        let is_error = line["level"] == "ERROR";
        assert!(!is_error || line["error_type"].is_string(), "{line}");
        if function == "message" && line["error_type"] != "EventUnreadable" {
            assert!(line["connection_id"].is_string(), "{line}");
        }
        let text = line.to_string();
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} is in {text}");
        }
    }
}

#[tokio::test]
async fn no_line_of_the_log_has_a_secret_in_it() {
    logs_no_secret(&[]).await;
}

#[tokio::test]
async fn no_setting_of_the_log_shows_a_secret() {
    logs_no_secret(&["--log", "trace"]).await;
}

#[test]
fn a_function_that_cannot_start_says_why_in_a_line() {
    let output = binary("connect").env_clear().output().expect("it runs");
    assert!(!output.status.success());
    assert!(output.stderr.is_empty(), "{output:?}");
    let line: Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
    assert_eq!(line["error_type"], "ConfigIncomplete");
    assert!(
        line["error"].to_string().contains("APPS is missing"),
        "{line}"
    );
}
