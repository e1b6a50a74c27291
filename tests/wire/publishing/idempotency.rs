//! Publishing under an idempotency key: once, whatever is repeated.

use serde_json::{Value, json};
use tests::{Reply, Socket, System, hmac_hex, now_secs, signed_query_with};

const EVENTS: &str = "/apps/1001/events";
const BATCH: &str = "/apps/1001/batch_events";

fn event(key: &str, data: &str) -> String {
    json!({"name": "e", "channel": "a", "data": data, "idempotency_key": key}).to_string()
}

/// Posts with the key in the header.
async fn post_with(system: &System, path: &str, key: &str, body: &str) -> Reply {
    let query = tests::signed_query("POST", path, body.as_bytes(), now_secs());
    let target = format!("{path}?{query}");
    let headers = [("idempotency-key", key)];
    system
        .request_with("POST", &target, &headers, body.into())
        .await
}

fn is_answered(reply: &Reply, status: u16, text: &str) {
    assert_eq!((reply.status, reply.text.as_str()), (status, text));
}

#[tokio::test]
async fn a_retry_is_answered_the_same_and_publishes_nothing() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("a").await;
    let body = json!({"name": "e", "channel": "a", "data": "1", "info": "subscription_count", "idempotency_key": "k"});
    let answer = r#"{"channels":{"a":{"subscription_count":1}}}"#;
    is_answered(&system.post(EVENTS, body.to_string()).await, 200, answer);
    assert_eq!(socket.expect("e").await["data"], "1");
    // What has changed since does not show: it is the answer that was lost.
    let mut other = Socket::connect(&system).await;
    other.subscribe("a").await;
    for _ in 0..3 {
        is_answered(&system.post(EVENTS, body.to_string()).await, 200, answer);
    }
    is_answered(
        &post_with(&system, EVENTS, "k", &body.to_string()).await,
        200,
        answer,
    );
    socket.nothing_came().await;
    other.nothing_came().await;
    let polled = system.poll("channels=a").await.json();
    assert_eq!(polled["events"].as_array().map(Vec::len), Some(1));
    // Without a key, and with another one, it is another publication.
    let mut without = body.clone();
    without
        .as_object_mut()
        .expect("an object")
        .remove("idempotency_key");
    system.post(EVENTS, without.to_string()).await;
    system.post(EVENTS, event("l", "1")).await;
    for _ in 0..2 {
        assert_eq!(socket.expect("e").await["data"], "1");
    }
    socket.nothing_came().await;
}

#[tokio::test]
async fn every_way_to_publish_takes_a_key() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("a").await;
    let batch = json!({"batch": [
        {"name": "e", "channel": "a", "data": "1"},
        {"name": "e", "channel": "a", "data": "2"},
    ]});
    for _ in 0..2 {
        let reply = post_with(&system, BATCH, "batch", &batch.to_string()).await;
        is_answered(&reply, 200, "{}");
    }
    let path = "/apps/1001/channels/a/events";
    let query = signed_query_with("POST", path, &[("name", "e")], b"3", now_secs());
    let target = format!("{path}?{query}");
    for _ in 0..2 {
        let headers = [("Idempotency-Key", "raw")];
        let reply = system.request_with("POST", &target, &headers, b"3".into());
        is_answered(&reply.await, 202, "{}");
    }
    for data in ["1", "2", "3"] {
        assert_eq!(socket.expect("e").await["data"], data);
    }
    socket.nothing_came().await;
    // One key is one request, whatever the way.
    let reply = post_with(&system, EVENTS, "batch", &batch.to_string()).await;
    assert_eq!(reply.status, 400, "{reply:?}");
    let event = json!({"name": "e", "channel": "a", "data": "4"}).to_string();
    let reply = post_with(&system, EVENTS, "batch", &event).await;
    assert_eq!(reply.status, 422, "{reply:?}");
    let query = signed_query_with("POST", path, &[("name", "f")], b"3", now_secs());
    let headers = [("idempotency-key", "raw")];
    let target = format!("{path}?{query}");
    let reply = system.request_with("POST", &target, &headers, b"3".into());
    assert_eq!(reply.await.status, 422);
    socket.nothing_came().await;
}

#[tokio::test]
async fn a_key_means_one_request_of_one_app_for_five_minutes() {
    let system = System::start_with(&[
        "--app",
        "1001:local-key:local-secret",
        "--app",
        "1002:other-key:local-secret",
    ]);
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("a").await;
    is_answered(&system.post(EVENTS, event("k", "1")).await, 200, "{}");
    socket.expect("e").await;
    let refused = system.post(EVENTS, event("k", "2")).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert!(refused.text.contains("another request"), "{refused:?}");
    // Another app's keys are its own.
    let (path, body) = ("/apps/1002/events", event("k", "2"));
    let query = format!(
        "auth_key=other-key&auth_timestamp={}&auth_version=1.0&body_md5={}",
        now_secs(),
        tests::body_digest(body.as_bytes())
    );
    let signature = hmac_hex("local-secret", &format!("POST\n{path}\n{query}"));
    let target = format!("{path}?{query}&auth_signature={signature}");
    is_answered(
        &system.request("POST", &target, body.into()).await,
        200,
        "{}",
    );
    socket.nothing_came().await;
    let rows = system.table().rows("idem/1001/").await;
    let [row] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    let seconds = |name: &str| row[name].as_u64().expect("a number");
    let left = seconds("expires_at") / 1_000 - now_secs();
    assert!((290..=300).contains(&left), "{row}");
    assert_eq!(seconds("ttl"), seconds("expires_at") / 1_000 + 1);
    // Neither the key nor what it was given to is in the table.
    assert!(
        !row.to_string().contains("\"k\"") && row.get("serials").is_none(),
        "{row}"
    );
    let key = json!({"pk": {"S": row["pk"]}, "sk": {"S": row["sk"]}});
    let over = json!({
        "Key": key,
        "UpdateExpression": "SET expires_at = :past",
        "ExpressionAttributeValues": {":past": {"N": "1"}},
    });
    system.table().call("UpdateItem", over).await;
    is_answered(&system.post(EVENTS, event("k", "2")).await, 200, "{}");
    assert_eq!(socket.expect("e").await["data"], "2");
}

#[tokio::test]
async fn a_key_has_a_form() {
    let system = System::start();
    let long = "k".repeat(129);
    for key in ["", "a b", "\u{e9}", long.as_str()] {
        let reply = system.post(EVENTS, event(key, "1")).await;
        assert_eq!(reply.status, 400, "{key:?}: {reply:?}");
        assert!(reply.text.contains("idempotency key"), "{reply:?}");
    }
    for key in ["", long.as_str(), "\u{e9}"] {
        let reply = post_with(&system, EVENTS, key, &event("k", "1")).await;
        assert_eq!(reply.status, 400, "{key:?}: {reply:?}");
    }
    let reply = post_with(&system, EVENTS, "other", &event("k", "1")).await;
    assert_eq!(reply.status, 400, "{reply:?}");
    assert!(reply.text.contains("differ"), "{reply:?}");
    let reply = system.post(EVENTS, event(&"k".repeat(128), "1")).await;
    is_answered(&reply, 200, "{}");
    // One that is refused has not used its key.
    let bad = json!({"name": "", "channel": "a", "data": "", "idempotency_key": "k"});
    assert_eq!(system.post(EVENTS, bad.to_string()).await.status, 400);
    is_answered(&system.post(EVENTS, event("k", "1")).await, 200, "{}");
}

#[tokio::test]
async fn while_one_is_under_way_the_others_are_told_to_wait() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("a").await;
    let rule = json!([{"function": "publisher", "operation": "PostToConnection", "fault": "hold"}]);
    system.faults().set(rule).await;
    let first = system.post(EVENTS, event("k", "1"));
    let meanwhile = async {
        system.faults().held(1).await;
        let second = system.post(EVENTS, event("k", "1")).await;
        assert_eq!(second.status, 409, "{second:?}");
        assert!(second.json()["error"].is_string());
        let other = system.post(EVENTS, event("k", "2")).await;
        assert_eq!(other.status, 422, "{other:?}");
        system.faults().lift().await;
    };
    let (first, ()) = tokio::join!(first, meanwhile);
    is_answered(&first, 200, "{}");
    is_answered(&system.post(EVENTS, event("k", "1")).await, 200, "{}");
    assert_eq!(socket.expect("e").await["data"], "1");
    socket.nothing_came().await;
}

#[tokio::test]
async fn of_many_at_once_one_publishes() {
    let system = System::start_with(&["--quiet"]);
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("a").await;
    for round in 0..10 {
        let body = event(&format!("k{round}"), &round.to_string());
        let replies = (0..6).map(|_| system.post(EVENTS, body.clone()));
        let replies = futures_util::future::join_all(replies).await;
        let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
        assert!(statuses.contains(&200), "{statuses:?}");
        assert!(
            statuses.iter().all(|status| [200, 409].contains(status)),
            "{statuses:?}"
        );
        assert_eq!(socket.expect("e").await["data"], round.to_string());
    }
    socket.nothing_came().await;
    let polled: Value = system.poll("channels=a").await.json();
    assert_eq!(polled["events"].as_array().map(Vec::len), Some(10));
}
