//! Publishing from inside AWS: a direct invocation of `publisher`, and an event of EventBridge.

use serde_json::{Value, json};
use tests::{Socket, System};

/// Invokes the publisher, and gives its answer, or the type and the text of its error.
async fn invoke(system: &System, payload: &Value) -> Result<Value, (String, String)> {
    let url = format!(
        "{}/2015-03-31/functions/publisher/invocations",
        system.variable("AWS_ENDPOINT_URL_LAMBDA")
    );
    let request = system.client().post(url).body(payload.to_string());
    let request = request.header("authorization", "AWS4-HMAC-SHA256 Credential=tests");
    let answer = request.send().await.expect("an answer");
    let failed = answer.headers().contains_key("x-amz-function-error");
    let text = answer.text().await.expect("a body");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    if failed {
        let text = |name: &str| answer[name].as_str().expect("text").to_owned();
        return Err((text("errorType"), text("errorMessage")));
    }
    Ok(answer)
}

fn in_event(id: &str, detail: Value) -> Value {
    json!({
        "version": "0", "id": id, "detail-type": "Publish", "source": "tests",
        "account": "123456789012", "time": "2026-09-21T12:53:20Z", "region": "us-east-1",
        "resources": [], "detail": detail,
    })
}

fn event(data: &str) -> Value {
    json!({"name": "e", "channel": "a", "data": data})
}

#[tokio::test]
async fn an_invocation_publishes_without_a_signature() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("a").await;
    assert_eq!(invoke(&system, &event("1")).await, Ok(json!({})));
    let mut asking = event("2");
    asking["info"] = json!("subscription_count");
    asking["socket_id"] = json!("1.2");
    let told = json!({"channels": {"a": {"subscription_count": 1}}});
    assert_eq!(invoke(&system, &asking).await, Ok(told));
    for data in ["1", "2"] {
        assert_eq!(socket.expect("e").await["data"], data);
    }
    socket.nothing_came().await;
}

#[tokio::test]
async fn an_event_that_comes_twice_is_published_once() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("a").await;
    for _ in 0..2 {
        assert_eq!(
            invoke(&system, &in_event("1", event("1"))).await,
            Ok(json!({}))
        );
    }
    assert_eq!(
        invoke(&system, &in_event("2", event("1"))).await,
        Ok(json!({}))
    );
    // A key of its own, by whatever events it comes.
    let mut keyed = event("2");
    keyed["idempotency_key"] = json!("k");
    for id in ["3", "4"] {
        assert_eq!(
            invoke(&system, &in_event(id, keyed.clone())).await,
            Ok(json!({}))
        );
    }
    for data in ["1", "1", "2"] {
        assert_eq!(socket.expect("e").await["data"], data);
    }
    socket.nothing_came().await;
    let other = invoke(&system, &in_event("1", event("3"))).await;
    let (kind, text) = other.expect_err("it is another request");
    assert_eq!(kind, "Rejected");
    assert!(text.contains("idempotency key"), "{text}");
}

#[tokio::test]
async fn what_cannot_be_published_fails_and_says_why() {
    let system = System::start_with(&[
        "--app",
        "1001:local-key:local-secret",
        "--app",
        "1002:other-key:other-secret",
    ]);
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("a").await;
    let of = |app_id: Value| {
        let mut event = event("1");
        event["app_id"] = app_id;
        event
    };
    for (payload, said) in [
        (event("1"), "app_id"),
        (of(json!("1003")), "no app with this id"),
        (of(json!(1001)), "not the JSON object"),
        (json!({"app_id": "1001"}), "missing field"),
        (json!([]), "no object"),
        (json!("text"), "no object"),
        (json!(null), "no object"),
        (
            json!({"app_id": "1001", "name": "e", "data": "", "channel": "a b"}),
            "a b",
        ),
        (in_event("1", json!("text")), "no object"),
        (in_event("1", event("1")), "app_id"),
        (in_event("no key", of(json!("1001"))), "idempotency key"),
    ] {
        let (kind, text) = invoke(&system, &payload).await.expect_err("it is refused");
        assert_eq!(kind, "Rejected", "{payload}");
        assert!(text.contains(said), "{payload}: {text}");
    }
    socket.nothing_came().await;
    assert_eq!(invoke(&system, &of(json!("1001"))).await, Ok(json!({})));
    assert_eq!(socket.expect("e").await["data"], "1");
}

#[tokio::test]
async fn what_fails_on_our_side_fails_with_a_constant() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let rule = json!([{"function": "publisher", "operation": "write", "fault": "fail"}]);
    system.faults().set(rule).await;
    let (kind, text) = invoke(&system, &event("1")).await.expect_err("it fails");
    assert_eq!(kind, "TableUnavailable");
    assert!(text.contains("on our side"), "{text}");
}
