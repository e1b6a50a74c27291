//! Failing posts, a throttled account, clients that vanish: nothing is lost in silence, and nobody pays for
//! strangers.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{PATIENCE, Socket, System, inner};
use tokio::io::AsyncWriteExt as _;

const EVENTS: &str = "/apps/1001/events";

fn event(channel: &str, data: &str) -> Value {
    json!({"name": "e", "channel": channel, "data": data})
}

async fn users(system: &System, channel: &str) -> usize {
    let path = format!("/apps/1001/channels/{channel}/users");
    let reply = system.get(&path, &[]).await.json();
    reply["users"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn a_publish_pays_for_no_stranger() {
    const GONE: usize = 16;
    let arguments = [
        "--faults",
        "--disconnects",
        "drop",
        "--reap-every",
        "0",
        "--quiet",
    ];
    let system = System::start_with(&arguments);
    let mut strangers = Vec::new();
    for n in 0..GONE {
        let room = format!("presence-room-{n}");
        let mut stranger = Socket::connect(&system).await;
        stranger.attend(&room, json!("member")).await;
        stranger.roster(&room).await;
        let mut ghost = Socket::connect(&system).await;
        ghost.attend(&room, json!("ghost")).await;
        ghost.roster(&room).await;
        ghost.subscribe("orders").await;
        stranger.expect("pusher_internal:member_added").await;
        ghost.vanish();
        strangers.push(stranger);
    }
    let mut healthy = Socket::connect(&system).await;
    healthy.subscribe("orders").await;
    let rows = system.table().rows("subs/1001/orders/").await;
    let own: Vec<String> = rows
        .iter()
        .map(|row| row["sk"].as_str().expect("an id").to_owned())
        .collect();
    assert_eq!(own.len(), GONE + 1);
    let hang = json!([{"operation": "PostToConnection", "containing": "member_removed", "fault": "silence"}]);
    system.faults().set(hang).await;
    system.faults().forget().await;
    let began = Instant::now();
    system.publish(event("orders", "1")).await;
    // One that hangs would cost it two seconds, and all of them 29.
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(healthy.expect("e").await["data"], "1");
    let made = system.faults().made().await;
    let by_publisher = made.iter().filter(|made| made.function == "publisher");
    for made in by_publisher.filter(|made| made.operation == "PostToConnection") {
        assert!(
            own.iter().any(|id| made.target.starts_with(id.as_str())),
            "{made:?}"
        );
    }
    // Workers undo what hangs on them.
    system.faults().lift().await;
    for (n, stranger) in strangers.iter_mut().enumerate() {
        let room = format!("presence-room-{n}");
        let started = Instant::now();
        while users(&system, &room).await != 1 {
            assert!(started.elapsed() < PATIENCE, "{room}: the ghost stays");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        stranger.send_event("pusher:ping", json!({})).await;
    }
}

#[tokio::test]
async fn a_publish_fails_when_subscribers_cannot_be_read_and_its_retry_delivers() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("orders").await;
    let unreadable =
        json!([{"function": "publisher", "operation": "Query", "times": 3, "fault": "fail"}]);
    system.faults().set(unreadable).await;
    let mut body = event("orders", "1");
    body["idempotency_key"] = json!("k");
    assert_eq!(system.post(EVENTS, body.to_string()).await.status, 500);
    assert_eq!(system.post(EVENTS, body.to_string()).await.status, 200);
    assert_eq!(socket.expect("e").await["data"], "1");
    socket.nothing_came().await;
}

#[tokio::test]
async fn when_the_account_is_throttled_nobody_is_closed_for_it() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let mut sockets = Vec::new();
    for _ in 0..20 {
        let mut socket = Socket::connect(&system).await;
        socket.subscribe("orders").await;
        sockets.push(socket);
    }
    let throttled = json!([{"operation": "PostToConnection", "fault": "throttle"}]);
    system.faults().set(throttled).await;
    let publishing = system.publish(event("orders", "1"));
    let lifting = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        system.faults().lift().await;
    };
    tokio::join!(publishing, lifting);
    for socket in &mut sockets {
        assert_eq!(socket.expect("e").await["data"], "1");
        socket.nothing_came().await;
    }
}

#[tokio::test]
async fn a_slow_client_that_could_not_be_closed_is_closed_later() {
    let system = System::start_with(&["--faults", "--quiet", "--reap-every", "0"]);
    let mut slow = Socket::connect(&system).await;
    slow.subscribe("orders").await;
    let deaf = json!([
        {"operation": "PostToConnection", "fault": "throttle"},
        {"operation": "DeleteConnection", "fault": "throttle"},
    ]);
    system.faults().set(deaf).await;
    system.publish(event("orders", "1")).await;
    system.faults().lift().await;
    let started = Instant::now();
    while !system.table().rows("subs/1001/orders/").await.is_empty() {
        assert!(started.elapsed() < PATIENCE, "it is not forgotten");
        system.reap().await;
    }
    assert_eq!(slow.close_code().await, Some(1000));
}

#[tokio::test]
async fn what_a_client_must_have_is_posted_again() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let once = |containing: &str| json!([{"operation": "PostToConnection", "containing": containing, "times": 1, "fault": "fail"}]);
    system.faults().set(once("connection_established")).await;
    let mut one = Socket::connect(&system).await;
    system.faults().set(once("subscription_succeeded")).await;
    one.subscribe("orders").await;
    one.attend("presence-room", json!("one")).await;
    one.roster("presence-room").await;
    let mut other = Socket::connect(&system).await;
    system.faults().set(once("member_added")).await;
    other.attend("presence-room", json!("other")).await;
    other.roster("presence-room").await;
    one.expect("pusher_internal:member_added").await;
    system.faults().set(once("member_removed")).await;
    other.close().await;
    let removed = one.expect("pusher_internal:member_removed").await;
    assert_eq!(inner(&removed)["user_id"], "other");
    one.nothing_came().await;
}

#[tokio::test]
async fn an_event_that_did_not_arrive_closes_its_connection() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let mut healthy = Socket::connect(&system).await;
    healthy.subscribe("orders").await;
    for _ in 0..4 {
        system.publish(event("orders", "0")).await;
        healthy.expect("e").await;
    }
    let known = system.table().rows("subs/1001/orders/").await;
    let mut broken = Socket::connect(&system).await;
    broken.subscribe("orders").await;
    let rows = system.table().rows("subs/1001/orders/").await;
    let id = rows.iter().find(|row| !known.contains(row)).expect("a row")["sk"].clone();
    let id = id.as_str().expect("an id").replace('=', "%3D");
    let rule = json!([{"function": "publisher", "operation": "PostToConnection", "containing": id, "times": 1, "fault": "fail"}]);
    system.faults().set(rule).await;
    system.publish(event("orders", "1")).await;
    assert_eq!(healthy.expect("e").await["data"], "1");
    assert_eq!(broken.close_code().await, Some(1000));
    healthy.nothing_came().await;
}

#[tokio::test]
async fn an_aborted_upgrade_costs_a_few_posts() {
    let system = System::start_with(&["--faults", "--quiet"]);
    system.faults().forget().await;
    let address = system.socket_base().replace("ws://", "");
    for _ in 0..5 {
        let mut stream = tokio::net::TcpStream::connect(&address)
            .await
            .expect("connects");
        let upgrade = format!(
            "GET /app/local-key?protocol=7 HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(upgrade.as_bytes()).await.expect("sent");
        drop(stream);
    }
    // All of them are over once their rows are marked and nothing runs any more.
    let started = Instant::now();
    loop {
        let rows = system.table().rows("conn/").await;
        let over = rows.iter().filter(|row| row["closed"] == true).count();
        if over == 5 {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{rows:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let made = system.faults().made().await;
    let posts = made
        .iter()
        .filter(|made| made.operation == "PostToConnection");
    assert!(posts.clone().count() <= 5 * 5, "{}", posts.count());
}

#[tokio::test]
async fn who_joins_again_as_somebody_else_leaves_no_ghost() {
    let system = System::start_with(&["--quiet"]);
    let mut socket = Socket::connect(&system).await;
    for user in ["u1", "u2"] {
        socket.attend("presence-room", json!(user)).await;
        socket.roster("presence-room").await;
    }
    let started = Instant::now();
    while users(&system, "presence-room").await != 1 {
        assert!(started.elapsed() < PATIENCE, "u1 stays");
    }
    socket
        .send_event("pusher:unsubscribe", json!({"channel": "presence-room"}))
        .await;
    while users(&system, "presence-room").await != 0 {
        assert!(started.elapsed() < PATIENCE, "somebody stays");
    }
}

#[tokio::test]
async fn a_reader_ahead_of_the_channel_is_told_so() {
    let system = System::start_with(&["--quiet"]);
    system.publish(event("orders", "1")).await;
    let ahead = system
        .poll("channels=orders&after=999999999999998")
        .await
        .json();
    assert_eq!(ahead["truncated"], json!(["orders"]));
    let after = ahead["after"].as_str().expect("a serial").to_owned();
    system.publish(event("orders", "2")).await;
    let next = system
        .poll(&format!("channels=orders&after={after}"))
        .await
        .json();
    assert_eq!(next["events"][0]["data"], "2");
}
