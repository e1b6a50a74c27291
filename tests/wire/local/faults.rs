//! What API Gateway does not promise, made to happen: a `$disconnect` that never comes or overtakes its
//! `$connect`, and frames that overtake each other.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{PATIENCE, Socket, System};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Waits until something is so.
async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let started = std::time::Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The connections' own rows: those that are over, and those that are not.
async fn connections(system: &System) -> (Vec<Value>, Vec<Value>) {
    let mut rows = system.table().rows("conn/").await;
    rows.retain(|row| row["sk"] == "conn");
    rows.into_iter().partition(|row| row["closed"] == true)
}

/// How often functions have asked for something since they were forgotten.
async fn asked(system: &System, function: &str, operation: &str) -> usize {
    let made = system.faults().made().await;
    let such = made
        .iter()
        .filter(|made| made.function == function && made.operation == operation);
    such.count()
}

/// A client that has asked for an upgrade and waits for the answer.
async fn at_the_door(system: &System) -> TcpStream {
    let host = system.base.strip_prefix("http://").expect("http");
    let mut stream = TcpStream::connect(host).await.expect("it listens");
    let request = format!(
        "GET /app/local-key?protocol=7 HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let sent = stream.write_all(request.as_bytes()).await;
    sent.expect("it reads");
    stream
}

#[tokio::test]
async fn a_disconnect_that_is_dropped_leaves_all_that_it_would_have_forgotten() {
    let system = System::start_with(&["--faults"]);
    let faults = system.faults();
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("orders").await;
    let (_, open) = connections(&system).await;
    let id = &open[0]["pk"].as_str().expect("a key")[5..];
    let other =
        json!({"operation": "Disconnect", "containing": "AAAAAAAAAAAAAAA=", "fault": "hold"});
    let rule = json!({"operation": "Disconnect", "containing": id, "fault": "drop"});
    faults.set(json!([other, rule])).await;
    faults.forget().await;
    drop(socket);
    eventually("dropped", async || {
        asked(&system, "disconnect", "Disconnect").await == 1
    })
    .await;
    let made = &faults.made().await[0];
    assert_eq!((&*made.target, made.fault.as_deref()), (id, Some("drop")));
    // Whoever comes and goes in the meantime is forgotten; that one is not.
    Socket::connect(&system).await.close().await;
    eventually("forgotten", async || {
        connections(&system).await.0.len() == 1
    })
    .await;
    assert_eq!(connections(&system).await.1, open);
    assert_eq!(system.table().rows("subs/1001/orders/").await.len(), 1);
}

#[tokio::test]
async fn without_disconnects_nobody_learns_who_has_left() {
    let system = System::start_with(&["--disconnects", "drop"]);
    for polite in [true, false] {
        let socket = Socket::connect(&system).await;
        if polite {
            socket.close().await;
        } else {
            drop(socket);
        }
    }
    let mut last = Socket::connect(&system).await;
    last.subscribe("orders").await;
    last.nothing_came().await;
    assert!(system.environments_of("disconnect").is_empty());
    let (over, open) = connections(&system).await;
    assert_eq!((over.len(), open.len()), (0, 3));
}

#[tokio::test]
async fn a_disconnect_that_is_held_comes_when_the_rules_change() {
    let system = System::start_with(&["--faults"]);
    let faults = system.faults();
    faults
        .set(json!([{"operation": "Disconnect", "fault": "hold"}]))
        .await;
    let socket = Socket::connect(&system).await;
    drop(socket);
    faults.held(1).await;
    assert_eq!(connections(&system).await.0.len(), 0);
    assert!(system.environments_of("disconnect").is_empty());
    faults.lift().await;
    eventually("forgotten", async || {
        connections(&system).await.0.len() == 1
    })
    .await;
    assert_eq!(connections(&system).await.1.len(), 0);
}

#[tokio::test]
async fn a_client_that_leaves_while_connect_is_at_work_is_disconnected_at_once() {
    let system = System::start_with(&["--faults"]);
    let faults = system.faults();
    let mut left = 0;
    // Before its invocation, and in the middle of it.
    for rule in [
        json!({"operation": "Connect", "fault": "hold"}),
        json!({"function": "connect", "operation": "PutItem", "fault": "hold"}),
    ] {
        for politely in [true, false] {
            faults.set(json!([rule])).await;
            faults.forget().await;
            let stream = at_the_door(&system).await;
            faults.held(1).await;
            if !politely {
                stream.set_zero_linger().expect("a reset");
            }
            drop(stream);
            left += 1;
            eventually("marked as over", async || {
                connections(&system).await.0.len() == left
            })
            .await;
            // Which `connect` finds when it goes on: nothing of the connection is left.
            faults.held(1).await;
            faults.lift().await;
            eventually("refused", async || {
                let made = faults.made().await;
                let put = |made: &tests::Made| made.operation == "PutItem" && made.status == 400;
                made.iter().any(put)
            })
            .await;
            let (over, open) = connections(&system).await;
            assert_eq!((over.len(), open.len()), (left, 0), "{rule}");
            // Its mark, and that nothing else is to be done.
            assert_eq!(asked(&system, "disconnect", "UpdateItem").await, 2);
        }
    }
    Socket::connect(&system).await.subscribe("orders").await;
}

#[tokio::test]
async fn a_connect_that_is_dropped_lets_nobody_in() {
    let system = System::start_with(&["--faults"]);
    let faults = system.faults();
    faults
        .set(json!([{"operation": "Connect", "times": 1, "fault": "drop"}]))
        .await;
    let refused = Socket::open(&system, "/app/local-key?protocol=7").await;
    let refused = refused.err().map(|error| error.to_string());
    let refused = refused.expect("not let in");
    assert!(refused.contains("500"), "{refused}");
    assert!(system.environments_of("connect").is_empty());
    Socket::connect(&system).await;
}

#[tokio::test]
async fn a_frame_can_be_lost_or_overtaken() {
    let system = System::start_with(&["--faults"]);
    let faults = system.faults();
    let mut socket = Socket::connect(&system).await;
    let rule = |channel: &str, fault: &str| json!([{"operation": "Message", "containing": channel, "fault": fault}]);
    faults.set(rule("slow", "hold")).await;
    socket
        .send_event("pusher:subscribe", json!({"channel": "slow"}))
        .await;
    faults.held(1).await;
    socket.subscribe("quick").await;
    faults.set(rule("lost", "drop")).await;
    socket.acknowledged("slow").await;
    socket
        .send_event("pusher:subscribe", json!({"channel": "lost"}))
        .await;
    socket.nothing_came().await;
    assert_eq!(asked(&system, "message", "Message").await, 2);
}
