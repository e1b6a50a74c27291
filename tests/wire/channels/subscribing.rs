//! Subscribing, unsubscribing and pinging, and the answers to frames that cannot be followed.

use serde_json::{Value, json};
use tests::{Socket, System};

#[tokio::test]
async fn a_channel_is_joined_and_left() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("orders").await;
    // Again, as a string, and by an app that sends an empty `auth`.
    socket
        .send_event(
            "pusher:subscribe",
            json!(r#"{"channel":"orders","auth":""}"#),
        )
        .await;
    socket.acknowledged("orders").await;
    system
        .publish(json!({"name": "e", "channel": "orders", "data": "1"}))
        .await;
    assert_eq!(socket.expect("e").await["data"], "1");
    socket.nothing_came().await;

    socket
        .send_event("pusher:unsubscribe", json!({"channel": "orders"}))
        .await;
    socket
        .send_event("pusher:unsubscribe", json!({"channel": "never-joined"}))
        .await;
    // It has no answer, so what comes after it tells that it was done.
    socket.left(&system, "orders").await;
    socket.subscribe("orders").await;
    system
        .publish(json!({"name": "e", "channel": "orders", "data": "2"}))
        .await;
    assert_eq!(socket.expect("e").await["data"], "2");
}

#[tokio::test]
async fn a_private_channel_takes_the_apps_signature() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    for channel in [
        "private-orders",
        "private-encrypted-orders",
        "private-cache-orders",
    ] {
        let subscribe = |auth: Value| json!({"channel": channel, "auth": auth});
        let valid = socket.auth(channel);
        for auth in [
            json!(""),
            Value::Null,
            json!("local-key"),
            json!(valid.replace("local-key", "other-key")),
            json!(valid.to_uppercase()),
            json!(socket.auth("private-other")),
        ] {
            socket.send_event("pusher:subscribe", subscribe(auth)).await;
            let refused = socket.expect("pusher:subscription_error").await;
            assert_eq!(refused["channel"], channel);
            assert_eq!(
                (&refused["data"]["type"], &refused["data"]["status"]),
                (&json!("AuthError"), &json!(401))
            );
        }
        system
            .publish(json!({"name": "e", "channel": channel, "data": "secret"}))
            .await;
        socket.nothing_came().await;
        socket
            .send_event("pusher:subscribe", subscribe(json!(valid)))
            .await;
        socket.acknowledged(channel).await;
        system
            .publish(json!({"name": "e", "channel": channel, "data": "d"}))
            .await;
        assert_eq!(socket.expect("e").await["channel"], channel);
    }
    // Another socket's signature.
    let mut other = Socket::connect(&system).await;
    other
        .send_event(
            "pusher:subscribe",
            json!({"channel": "private-orders", "auth": socket.auth("private-orders")}),
        )
        .await;
    other.expect("pusher:subscription_error").await;
}

#[tokio::test]
async fn what_cannot_be_followed_is_answered_clearly() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    let deep = format!(
        r#"{{"event":"pusher:subscribe","data":{}}}"#,
        "[".repeat(20_000)
    );
    let long = format!(r#"{{"event":"{}"}}"#, "x".repeat(30_000));
    for text in [
        "",
        " ",
        "hello",
        "null",
        "7",
        "[]",
        "{}",
        "{\"event\":",
        r#"{"event":null}"#,
        r#"{"event":"pusher:subscribe"}"#,
        r#"{"event":"pusher:subscribe","data":null}"#,
        r#"{"event":"pusher:subscribe","data":[]}"#,
        r#"{"event":"pusher:subscribe","data":"[]"}"#,
        r#"{"event":"pusher:subscribe","data":{"channel":null}}"#,
        r#"{"event":"pusher:unsubscribe","data":{}}"#,
        r#"{"event":"pusher:signin","data":{"auth":"a"}}"#,
        r#"{"event":"pusher_internal:subscription_succeeded","channel":"a","data":"{}"}"#,
        r#"{"event":"something"}"#,
        "{\"event\":\"\u{0}\"}",
        &deep,
        &long,
    ] {
        socket.send_text(text).await;
        let refused = socket.expect("pusher:error").await;
        assert_eq!(refused["data"]["code"], Value::Null, "{text}");
        assert!(
            refused["data"]["message"]
                .as_str()
                .is_some_and(|text| text.len() > 10),
            "{refused}"
        );
    }
    for name in ["", "a b", "a/b", "é", "#orders", &"a".repeat(201)] {
        socket
            .send_event(
                "pusher:subscribe",
                json!({"channel": name, "auth": socket.auth(name)}),
            )
            .await;
        let refused = socket.expect("pusher:subscription_error").await;
        assert_eq!(
            (&refused["channel"], &refused["data"]["status"]),
            (&json!(name), &json!(400))
        );
    }
    socket
        .send_text(r#"{"event":"client-typing","channel":"private-a","data":{}}"#)
        .await;
    assert_eq!(socket.expect("pusher:error").await["data"]["code"], 4301);
    socket
        .send_text(r#"{"event":"pusher:pong","data":{}}"#)
        .await;
    // It all changed nothing.
    socket.subscribe("orders").await;
}

#[tokio::test]
async fn a_burst_of_frames_ends_as_its_last_one_says() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    // pusher-js leaves and joins in one burst, and the gateway runs them at once.
    for _ in 0..10 {
        for event in ["pusher:subscribe", "pusher:unsubscribe", "pusher:subscribe"] {
            socket.send_event(event, json!({"channel": "orders"})).await;
        }
        socket.acknowledged("orders").await;
        socket.acknowledged("orders").await;
        system
            .publish(json!({"name": "e", "channel": "orders", "data": "d"}))
            .await;
        socket.expect("e").await;
        socket.nothing_came().await;
    }
}

#[tokio::test]
async fn two_hundred_channels_and_no_more() {
    let system = System::start_with(&["--quiet"]);
    let mut socket = Socket::connect(&system).await;
    for n in 0..200 {
        socket.subscribe(&format!("c{n}")).await;
    }
    socket
        .send_event("pusher:subscribe", json!({"channel": "one-more"}))
        .await;
    socket.expect("pusher:subscription_error").await;
    socket.subscribe("c7").await;
    socket
        .send_event("pusher:unsubscribe", json!({"channel": "c7"}))
        .await;
    socket.left(&system, "c7").await;
    socket.subscribe("one-more").await;
}

#[tokio::test]
async fn a_burst_on_a_hundred_channels_is_acknowledged_once_each() {
    let system = System::start_with(&["--quiet"]);
    let mut socket = Socket::connect(&system).await;
    let names: Vec<String> = (0..100)
        .map(|n| match n % 4 {
            0 => format!("presence-{n}"),
            1 => format!("private-{n}"),
            _ => format!("public-{n}"),
        })
        .collect();
    for name in &names {
        let subscribe = match name.split_once('-').map(|(kind, _)| kind) {
            Some("presence") => socket.presence(name, &json!({"user_id": "u"})),
            Some("private") => json!({"channel": name, "auth": socket.auth(name)}),
            _ => json!({"channel": name}),
        };
        socket.send_event("pusher:subscribe", subscribe).await;
    }
    let mut acknowledged = std::collections::BTreeSet::new();
    for _ in &names {
        let frame = socket
            .expect("pusher_internal:subscription_succeeded")
            .await;
        let name = frame["channel"].as_str().expect("a name").to_owned();
        assert!(acknowledged.insert(name), "twice: {frame}");
    }
    socket.nothing_came().await;
    system
        .publish(json!({"name": "e", "channels": names, "data": ""}))
        .await;
    for _ in &names {
        socket.expect("e").await;
    }
    socket.nothing_came().await;
}

#[tokio::test]
async fn a_burst_on_a_presence_channel_ends_as_its_last_one_says() {
    let system = System::start_with(&["--quiet"]);
    let mut anna = Socket::connect(&system).await;
    anna.attend("presence-a", json!("anna")).await;
    anna.roster("presence-a").await;
    let mut bob = Socket::connect(&system).await;
    let subscribe = bob.presence("presence-a", &json!({"user_id": "bob"}));
    let unsubscribe = json!({"channel": "presence-a"});
    // Each subscribe is acknowledged once, whatever came after it.
    for _ in 0..5 {
        for (event, data) in [
            ("pusher:subscribe", &subscribe),
            ("pusher:subscribe", &subscribe),
            ("pusher:unsubscribe", &unsubscribe),
            ("pusher:subscribe", &subscribe),
        ] {
            bob.send_event(event, data.clone()).await;
        }
        for _ in 0..3 {
            bob.roster("presence-a").await;
        }
        bob.nothing_came().await;
    }
    let mut carl = Socket::connect(&system).await;
    carl.attend("presence-a", json!("carl")).await;
    assert_eq!(
        carl.roster("presence-a").await["ids"],
        json!(["anna", "bob", "carl"])
    );
    for (event, data) in [
        ("pusher:subscribe", &subscribe),
        ("pusher:unsubscribe", &unsubscribe),
    ] {
        bob.send_event(event, data.clone()).await;
    }
    // Whether a millisecond lay between the two decides, and nothing else: on a tie it stays.
    let mut there = std::collections::BTreeSet::from(["bob".to_owned()]);
    loop {
        let mut last = Socket::connect(&system).await;
        last.attend("presence-a", json!("last")).await;
        let ids = last.roster("presence-a").await["ids"].clone();
        last.close().await;
        let mut heard = 0;
        while heard < 2 {
            let frame = carl.frame().await;
            let user = tests::inner(&frame)["user_id"]
                .as_str()
                .expect("an id")
                .to_owned();
            heard += usize::from(user == "last");
            match frame["event"].as_str() {
                Some("pusher_internal:member_added") => assert!(there.insert(user), "{frame}"),
                _ => assert!(there.remove(&user), "{frame}"),
            }
        }
        let listed = ids.as_array().expect("ids").contains(&json!("bob"));
        if listed == there.contains("bob") {
            break;
        }
    }
}
