//! Client events: who may send one, and who receives it.

use serde_json::{Value, json};
use tests::{PATIENCE, Socket, System};

/// A system whose app lets clients talk, and nothing else.
fn talking(arguments: &[&str]) -> System {
    System::start_with_app(&json!({"client_events": true}), arguments)
}

/// Joins a private channel.
async fn on(system: &System, channel: &str) -> Socket {
    let mut socket = Socket::connect(system).await;
    socket.subscribe_private(channel).await;
    socket
}

fn event(channel: &str, data: &Value) -> String {
    json!({"event": "client-typing", "channel": channel, "data": data}).to_string()
}

/// Takes the refusal of a client event.
async fn refused(socket: &mut Socket, text: &str) -> String {
    socket.send_text(text).await;
    let frame = socket.expect("pusher:error").await;
    assert_eq!(frame["data"]["code"], 4301, "{text}: {frame}");
    frame["data"]["message"].as_str().expect("text").to_owned()
}

#[tokio::test]
async fn the_others_get_it_as_it_was_sent_and_the_sender_does_not() {
    let system = talking(&[]);
    let mut sender = on(&system, "private-a").await;
    let mut others = [
        on(&system, "private-a").await,
        on(&system, "private-a").await,
    ];
    let mut elsewhere = on(&system, "private-b").await;
    for data in [
        r#"{"b": 1.0,  "a":"\u00e9 ☕ \u0000"}"#,
        "[1, null]",
        r#""{\"x\":1}""#,
        "7.50",
        "null",
    ] {
        sender
            .send_text(format!(
                r#"{{"event":"client-typing","channel":"private-a","data":{data},"user_id":"forged"}}"#
            ))
            .await;
        for other in &mut others {
            let message = other.message().await.expect("open");
            let expected =
                format!(r#"{{"event":"client-typing","channel":"private-a","data":{data}}}"#);
            assert_eq!(message.to_text().expect("text"), expected);
        }
    }
    for socket in others.iter_mut().chain([&mut sender, &mut elsewhere]) {
        socket.nothing_came().await;
    }
    // It was said, not published.
    assert_eq!(system.table().rows("log/").await, Vec::<Value>::new());
}

#[tokio::test]
async fn on_a_presence_channel_the_others_know_who_talks() {
    let system = talking(&[]);
    let mut anna = Socket::connect(&system).await;
    let mut bob = Socket::connect(&system).await;
    anna.attend("presence-a", json!("anna")).await;
    anna.roster("presence-a").await;
    bob.attend("presence-a", json!(7)).await;
    bob.roster("presence-a").await;
    anna.expect("pusher_internal:member_added").await;
    let forged = r#"{"event":"client-typing","channel":"presence-a","data":1,"user_id":"anna"}"#;
    bob.send_text(forged).await;
    let message = anna.message().await.expect("open");
    assert_eq!(
        message.to_text().expect("text"),
        r#"{"event":"client-typing","channel":"presence-a","data":1,"user_id":"7"}"#
    );
    bob.nothing_came().await;
}

#[tokio::test]
async fn who_may_not_talk_is_told_so() {
    let system = talking(&[]);
    let mut listener = on(&system, "private-a").await;
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("a").await;
    for channel in ["private-encrypted-a", "private-left"] {
        socket.subscribe_private(channel).await;
    }
    socket
        .send_event("pusher:unsubscribe", json!({"channel": "private-left"}))
        .await;
    socket.left(&system, "private-left").await;
    for (channel, said) in [
        ("a", "private and presence"),
        ("private-encrypted-a", "private and presence"),
        ("#server-to-user-7", "private and presence"),
        ("private-a", "not on private-a"),
        ("private-left", "not on private-left"),
        ("presence-a", "not on presence-a"),
        ("a b", "channel name"),
        ("", "channel name"),
        ("#a", "reserved"),
    ] {
        let message = refused(&mut socket, &event(channel, &json!({}))).await;
        assert!(message.contains(said), "{channel}: {message}");
    }
    listener.nothing_came().await;

    // Within the limits, and just beyond.
    socket.subscribe_private("private-a").await;
    let name = |chars: usize| format!("client-{}", "é".repeat(chars - 7));
    let sized = |chars: usize, bytes: usize| {
        json!({"event": name(chars), "channel": "private-a", "data": "d".repeat(bytes - 2)})
            .to_string()
    };
    socket.send_text(sized(200, 10_240)).await;
    listener.expect(&name(200)).await;
    for (chars, bytes) in [(201, 2), (200, 10_241)] {
        refused(&mut socket, &sized(chars, bytes)).await;
    }
    listener.nothing_came().await;
}

#[tokio::test]
async fn an_app_that_has_not_switched_it_on_relays_nothing() {
    let system = System::start();
    let mut listener = on(&system, "private-a").await;
    let mut sender = on(&system, "private-a").await;
    let message = refused(&mut sender, &event("private-a", &json!({}))).await;
    assert!(message.contains("not enabled"), "{message}");
    listener.nothing_came().await;
    assert_eq!(system.table().rows("rate/").await, Vec::<Value>::new());
}

#[tokio::test]
async fn ten_a_second_and_no_more() {
    let system = talking(&[]);
    let mut listener = on(&system, "private-a").await;
    let mut sender = on(&system, "private-a").await;
    let mut other_sender = on(&system, "private-a").await;
    other_sender
        .send_text(event("private-a", &json!("other")))
        .await;
    for socket in [&mut listener, &mut sender] {
        assert_eq!(socket.expect("client-typing").await["data"], "other");
    }
    for n in 0..15 {
        sender.send_text(event("private-a", &json!(n))).await;
    }
    for _ in 0..5 {
        let refused = sender.expect("pusher:error").await;
        assert_eq!(refused["data"]["code"], 4301);
    }
    for _ in 0..10 {
        listener.expect("client-typing").await;
        other_sender.expect("client-typing").await;
    }
    // All 15 are accounted for.
    listener.nothing_came().await;
    // Others are not held to it, and after a pause the sender is not, either.
    other_sender
        .send_text(event("private-a", &json!("other")))
        .await;
    for socket in [&mut listener, &mut sender] {
        assert_eq!(socket.expect("client-typing").await["data"], "other");
    }
    let started = std::time::Instant::now();
    loop {
        sender.send_text(event("private-a", &json!("again"))).await;
        sender.send_event("pusher:ping", json!({})).await;
        let mut through = true;
        // The two may be answered in either order.
        while sender.frame().await["event"] != "pusher:pong" {
            through = false;
        }
        if through && has_got_something(&mut listener).await {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "it is never well again");
    }
}

/// Whether a socket has got something up to now.
async fn has_got_something(listener: &mut Socket) -> bool {
    listener.send_event("pusher:ping", json!({})).await;
    let mut got = false;
    while listener.frame().await["event"] != "pusher:pong" {
        got = true;
    }
    got
}

#[tokio::test]
async fn what_clients_say_is_not_kept_for_those_who_join_later() {
    let system = talking(&[]);
    let mut listener = Socket::connect(&system).await;
    let mut sender = Socket::connect(&system).await;
    for socket in [&mut listener, &mut sender] {
        socket.subscribe_private("private-cache-a").await;
        socket.expect("pusher:cache_miss").await;
    }
    sender.send_text(event("private-cache-a", &json!({}))).await;
    listener.expect("client-typing").await;
    let mut late = Socket::connect(&system).await;
    late.subscribe_private("private-cache-a").await;
    late.expect("pusher:cache_miss").await;
}

#[tokio::test]
async fn a_listener_that_is_gone_is_forgotten_and_the_others_are_served() {
    let system = talking(&["--faults"]);
    let mut listeners = Vec::new();
    for _ in 0..3 {
        listeners.push(on(&system, "private-a").await);
    }
    let mut sender = on(&system, "private-a").await;
    let gone = json!([{
        "function": "message", "operation": "PostToConnection", "fault": "gone", "times": 1,
    }]);
    system.faults().set(gone).await;
    sender.send_text(event("private-a", &json!({}))).await;
    let started = std::time::Instant::now();
    while system.table().rows("subs/1001/private-a/").await.len() != 3 {
        assert!(started.elapsed() < PATIENCE, "it is not forgotten");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let mut served = 0;
    for listener in &mut listeners {
        served += usize::from(has_got_something(listener).await);
    }
    assert_eq!(served, 2);
    sender.nothing_came().await;
}
