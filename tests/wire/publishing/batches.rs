//! Publishing several events at once, and through the deprecated endpoint.

use serde_json::{Value, json};
use tests::{Socket, System, now_secs, signed_query_with};

const PATH: &str = "/apps/1001/batch_events";

async fn post(system: &System, batch: Value) -> (u16, String) {
    let reply = system
        .post(PATH, json!({ "batch": batch }).to_string())
        .await;
    (reply.status, reply.text)
}

fn event(channel: &str, data: &str) -> Value {
    json!({"name": "e", "channel": channel, "data": data})
}

#[tokio::test]
async fn a_batch_arrives_in_its_order() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("a").await;
    let mut other = Socket::connect(&system).await;
    other.subscribe("a").await;
    other.subscribe("b").await;
    let mut batch: Vec<Value> = (0..9).map(|n| event("a", &n.to_string())).collect();
    batch[3]["socket_id"] = json!(socket.socket_id);
    batch.insert(5, event("b", "b"));
    assert_eq!(post(&system, json!(batch)).await, (200, "{}".to_owned()));
    let mut last = None;
    for n in (0..9).filter(|n| *n != 3) {
        let frame = socket.expect("e").await;
        assert_eq!(frame["data"], n.to_string());
        let serial = frame["serial"].as_u64().expect("a serial");
        let step = if n == 4 { 2 } else { 1 };
        assert!(last.is_none_or(|last| serial == last + step), "{frame}");
        last = Some(serial);
    }
    socket.nothing_came().await;
    let mut came = Vec::new();
    for _ in 0..10 {
        let frame = other.expect("e").await;
        if frame["channel"] == "a" {
            came.push(frame["data"].as_str().expect("text").to_owned());
        }
    }
    assert_eq!(came, ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
    let polled = system.poll("channels=a").await.json();
    let logged = polled["events"].as_array().expect("a list").iter();
    let logged: Vec<&Value> = logged.map(|event| &event["data"]).collect();
    assert_eq!(json!(logged), json!(came));
}

#[tokio::test]
async fn a_batch_tells_what_was_asked_in_its_order() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("my-channel").await;
    let asking = |channel: &str, info: &str| {
        let mut event = event(channel, "");
        event["info"] = json!(info);
        event
    };
    // As PHP's SDK expects it.
    let batch = json!([
        asking("my-channel", "subscription_count"),
        event("my-channel-2", ""),
        asking("presence-my-channel", "user_count,subscription_count"),
    ]);
    let told = r#"{"batch":[{"subscription_count":1},{},{"user_count":0,"subscription_count":0}]}"#;
    assert_eq!(post(&system, batch).await, (200, told.to_owned()));
}

#[tokio::test]
async fn nothing_of_a_batch_is_published_when_an_event_of_it_is_refused() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("a").await;
    let long = "d".repeat(10_241);
    for (status, last, said) in [
        (
            413,
            event("a", &long),
            "event 3 of the batch: the data content of this event",
        ),
        (400, event("a b", ""), "event 3 of the batch: \"a b\""),
        (
            400,
            json!({"name": "", "channel": "a", "data": ""}),
            "event 3 of the batch",
        ),
        (
            400,
            json!({"name": "e", "channel": "a", "data": "", "socket_id": "x"}),
            "event 3",
        ),
        (
            400,
            json!({"name": "e", "channel": "a", "data": {}}),
            "JSON object",
        ),
        (
            400,
            json!({"name": "e", "channels": ["a"], "data": ""}),
            "channel",
        ),
        (400, json!(7), "JSON object"),
    ] {
        let (answered, text) = post(&system, json!([event("a", "1"), event("b", "2"), last])).await;
        let told: Value = serde_json::from_str(&text).expect("JSON");
        let told = told["error"].as_str().expect("text");
        assert_eq!(answered, status, "{told}");
        assert!(told.contains(said), "{told}");
    }
    for (count, status) in [(0, 400), (11, 400)] {
        let (answered, text) = post(&system, Value::from(vec![event("a", ""); count])).await;
        assert_eq!(answered, status, "{text}");
        assert!(text.contains("Batch too large"), "{text}");
    }
    socket.nothing_came().await;
    let polled = system.poll("channels=a,b").await.json();
    assert_eq!(polled["events"], json!([]));
    // All that it may hold, every byte escaped.
    let full = Value::from(vec![event("a", &"\u{1}".repeat(10_240)); 10]);
    assert_eq!(post(&system, full).await, (200, "{}".to_owned()));
}

#[tokio::test]
async fn an_event_may_be_published_as_long_ago() {
    let system = System::start();
    let mut sender = Socket::connect(&system).await;
    let mut other = Socket::connect(&system).await;
    sender.subscribe("orders").await;
    other.subscribe("orders").await;
    let path = "/apps/1001/channels/orders/events";
    let post = async |parameters: &[(&str, &str)], body: &[u8]| {
        let query = signed_query_with("POST", path, parameters, body, now_secs());
        system
            .request("POST", &format!("{path}?{query}"), body.into())
            .await
    };
    let data = "[not JSON, but data: é";
    let parameters = [
        ("name", "created"),
        ("socket_id", sender.socket_id.as_str()),
    ];
    let reply = post(&parameters, data.as_bytes()).await;
    assert_eq!((reply.status, reply.text.as_str()), (202, "{}"));
    assert_eq!(other.expect("created").await["data"], data);
    sender.nothing_came().await;
    for (parameters, body, status) in [
        (&[][..], &b""[..], 400),
        (&[("name", "pusher:x")][..], b"", 400),
        (&[("name", "e"), ("socket_id", "x")][..], b"", 400),
        (&[("name", "e")][..], b"\xff", 400),
        (&[("name", "e")][..], &[b'd'; 10_241], 413),
    ] {
        let reply = post(parameters, body).await;
        assert_eq!(reply.status, status, "{parameters:?}: {reply:?}");
    }
    other.nothing_came().await;
}
