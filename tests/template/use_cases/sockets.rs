//! What clients with sockets, readers and servers have every function do.

use std::time::Duration;

use serde_json::json;
use tests::{PATIENCE, Session, Socket, Stream, System};

use super::leaving::{presence, watching};
use super::sessions::over_http;
use super::steps::{event, forgotten, live};

/// Takes every use case through everything that it can have to do.
pub(crate) async fn everything(system: &System) {
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
    // The same for who has missed something, a part of it left behind by a publisher that died.
    system.publish(event("r")).await;
    let rule =
        json!([{"operation": "PutItem", "containing": "log/1001/r", "fault": "kill", "times": 1}]);
    faults.set(rule).await;
    system
        .post("/apps/1001/events", event("r").to_string())
        .await;
    let mut resuming = Socket::connect(system).await;
    resuming
        .send_event("pusher:subscribe", json!({"channel": "r", "after": 0}))
        .await;
    resuming.acknowledged("r").await;
    resuming.expect("e").await;
    let conflict = json!([{"operation": "TransactWriteItems", "fault": "conflict"}]);
    faults.set(conflict).await;
    let mut attending = resuming.presence("presence-r", &json!({"user_id": "r"}));
    attending["after"] = json!(0);
    resuming.send_event("pusher:subscribe", attending).await;
    resuming.roster("presence-r").await;
    live(system, "presence-r").await;
    faults.lift().await;
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
    asking(system).await;
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
    for function in ["status", "stream"] {
        reading(system, function).await;
    }
    // `disconnect`.
    socket.close().await;
    forgotten(system, "a").await;
    over_http(system).await;
    for function in [
        "connect",
        "disconnect",
        "message",
        "publisher",
        "reaper",
        "session",
    ] {
        presence(system, function).await;
        watching(system, function).await;
    }
}

/// Has a reader be let in in place of a socket, and of another reader, read all that it may, and be
/// displaced by a socket.
async fn reading(system: &System, function: &str) {
    let channels = format!("private-{function},cache-{function}");
    let grant = json!({"channels": ["private-*"], "reconnect_seconds": 60});
    let token = system.token(grant).await;
    let path = format!("/token/{token}/app/local-key?protocol=7");
    let mut socket = Socket::connect_at(system, &path).await;
    for _ in 0..2 {
        let query = format!("channels={channels}&token={token}");
        if function == "status" {
            let polled = system.poll(&query).await.json();
            let cursor = polled["cursor"].as_str().expect("a cursor").to_owned();
            let query = format!("channels={channels}&cursor={cursor}");
            while system.poll(&query).await.status == 429 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        } else {
            Stream::connected(system, &query, None).await;
        }
    }
    socket.close_code().await;
    // The same in place of a session, which has taken a reader's.
    Session::open_with(system, &token).await;
    let query = format!("channels={channels}&token={token}");
    if function == "status" {
        system.poll(&query).await;
    } else {
        Stream::connected(system, &query, None).await;
    }
    let token = system.token(json!({"channels": ["private-*"]})).await;
    let query = format!("channels={channels}&token={token}");
    let mut stream = Stream::connected(system, &query, None).await;
    // A serial that its publisher has left behind.
    let log = format!("log/1001/private-{function}");
    let faults = system.faults();
    let kill = json!([{"operation": "PutItem", "containing": log, "fault": "kill", "times": 1}]);
    faults.set(kill).await;
    let channel = format!("private-{function}");
    let lost = event(&channel).to_string();
    system.post("/apps/1001/events", lost).await;
    system.publish(event(&channel)).await;
    if function == "stream" {
        stream.message().await;
    }
    Socket::connect_at(system, &path).await;
}

/// Asks `publisher` all that it can be asked.
async fn asking(system: &System) {
    let mut socket = Socket::connect(system).await;
    socket.sign_in(json!({"id": "asked"})).await;
    socket.attend("presence-cache-asked", json!("asked")).await;
    socket.roster("presence-cache-asked").await;
    let counts = [
        ("filter_by_prefix", "presence-"),
        ("info", "user_count,subscription_count"),
    ];
    system.get("/apps/1001/channels", &counts).await;
    let info = [("info", "user_count,cache")];
    let channel = "/apps/1001/channels/presence-cache-asked";
    system.get(channel, &info).await;
    system.get(&format!("{channel}/users"), &[]).await;
    let grant = json!({"channels": [], "user_id": "asked"});
    let token = system.token(grant).await;
    system.poll(&format!("channels=a&token={token}")).await;
    let mut once = event("asked");
    once["idempotency_key"] = json!("asked");
    system.publish(once).await;
    system
        .post("/apps/1001/users/asked/terminate_connections", "{}")
        .await;
    socket.close_code().await;
}
