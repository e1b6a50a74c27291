//! Every use case, taken through everything that it can have to do.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{PATIENCE, Session, Socket, Stream, System};

use super::queued::come_and_go;
use super::sessions::{displace, over_http};

pub(crate) fn event(channel: &str) -> Value {
    json!({"name": "e", "channel": channel, "data": ""})
}

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

/// Waits until a channel's subscriber has seen what it has missed.
pub(crate) async fn live(system: &System, channel: &str) {
    let started = std::time::Instant::now();
    loop {
        let rows = system.table().rows(&format!("subs/1001/{channel}/")).await;
        if rows.iter().any(|row| row.get("live_from").is_some()) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "still held: {rows:?}");
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

/// Has a user who watches others and is watched leave through a function, which finds those who are
/// to be told gone.
pub(crate) async fn watching(system: &System, function: &str) {
    let faults = system.faults();
    let user = &format!("user-{function}");
    let channel = &format!("channel-{function}");
    let grant = json!({"channels": [], "reconnect_seconds": 60});
    let path = format!(
        "/token/{}/app/local-key?protocol=7",
        system.token(grant).await
    );
    let mut watcher = Socket::connect(system).await;
    watcher
        .sign_in(json!({"id": "watcher", "watchlist": [user]}))
        .await;
    watcher.watched().await;
    // Whoever tells one that has a socket tells one that has none.
    let mut remote = Session::open(system).await;
    remote
        .sign_in(json!({"id": "remote", "watchlist": [user]}))
        .await;
    let mut leaving = Socket::connect_at(system, &path).await;
    // The second time there is a watchlist already.
    for watched in ["a", "b"] {
        let user_data = json!({"id": user, "watchlist": [watched]});
        leaving.sign_in(user_data).await;
        leaving.watched().await;
    }
    told(system, user, true).await;
    watcher.watched().await;
    leaving.subscribe_counted(channel).await;
    let rule = json!([{"function": function, "operation": "PostToConnection", "fault": "gone"}]);
    faults.set(rule).await;
    match function {
        "connect" => drop(Socket::open(system, &path).await.expect("let in")),
        "session" => displace(system, &path).await,
        "disconnect" => leaving.close().await,
        "message" => leaving.send_event("pusher:ping", json!({})).await,
        "publisher" => {
            system.publish(event(channel)).await;
        }
        "reaper" => {
            let row = system.table().rows(&format!("user/1001/{user}")).await;
            let mut names = row[0].as_object().expect("a row").keys();
            let id = names.find_map(|name| name.strip_prefix("c/")).expect("one");
            reap(system, id).await;
        }
        // It finds out when it tells how many are left.
        "fanout" => come_and_go(system, channel).await,
        other => panic!("{other}"),
    }
    told(system, user, false).await;
    let remote = "/apps/1001/users/remote/terminate_connections";
    assert_eq!(system.post(remote, "{}").await.status, 200);
    let started = std::time::Instant::now();
    while !system.table().rows("watch/").await.is_empty() {
        assert!(started.elapsed() < PATIENCE, "{function}: still watched");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    faults.lift().await;
}

/// Waits until the watchers of a user were told that it is online, or is not.
async fn told(system: &System, user: &str, online: bool) {
    let started = std::time::Instant::now();
    loop {
        let rows = system.table().rows(&format!("user/1001/{user}")).await;
        if rows[0]["announced"] == online && rows[0].get("lease").is_none() {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{rows:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
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

/// Has somebody leave a presence channel through a function, which finds one who is to be told gone,
/// one who waits and can come, and one for whom there is no room.
pub(crate) async fn presence(system: &System, function: &str) {
    let faults = system.faults();
    let channel = &format!("presence-cache-{function}");
    let grant = json!({"user_id": "b", "channels": [channel], "reconnect_seconds": 60});
    let path = format!(
        "/token/{}/app/local-key?protocol=7",
        system.token(grant).await
    );
    let mut told = Socket::connect(system).await;
    told.attend(channel, json!("a")).await;
    told.roster(channel).await;
    let mut leaving = Socket::connect_at(system, &path).await;
    leaving
        .send_event("pusher:subscribe", json!({"channel": channel}))
        .await;
    leaving.roster(channel).await;
    if function == "fanout" {
        // It finds out when it tells how many are on another channel.
        leaving.expect("pusher:cache_miss").await;
        leaving.subscribe_counted("f").await;
    }
    waiting(system, channel).await;
    let rule =
        json!([{"function": function, "operation": "PostToConnection", "fault": "throttle"}]);
    faults.set(rule).await;
    match function {
        "connect" => drop(Socket::open(system, &path).await.expect("let in")),
        "session" => displace(system, &path).await,
        "disconnect" => leaving.close().await,
        "message" => {
            let channel = json!({"channel": channel});
            leaving.send_event("pusher:unsubscribe", channel).await;
        }
        "publisher" => {
            system.publish(event(channel)).await;
        }
        "reaper" => {
            let members = system.table().rows(&format!("memb/1001/{channel}")).await;
            let row = members.iter().find(|row| row["sk"] == "b").expect("a row");
            let mut names = row.as_object().expect("a row").keys();
            let id = names.find_map(|name| name.strip_prefix("c/")).expect("one");
            reap(system, id).await;
        }
        "fanout" => come_and_go(system, "f").await,
        other => panic!("{other}"),
    }
    let started = std::time::Instant::now();
    loop {
        let rows = system.table().rows(&format!("memb/1001/{channel}")).await;
        let item = system.table().rows(&format!("chan/1001/{channel}")).await;
        if rows.is_empty() && item[0].get("lease").is_none() {
            break;
        }
        // What takes an announcer too long it leaves to the reaper.
        if item[0].get("due_at").is_some() && item[0].get("lease").is_none() {
            system.reap().await;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{function}: {rows:?} {item:?}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    faults.lift().await;
}

/// Puts the rows of two connections that wait to be acknowledged, each as a user of its own.
async fn waiting(system: &System, channel: &str) {
    let ids = ["AAAAAAAAAAAAAAA=", "zzzzzzzzzzzzzzw="];
    let far = 9_999_999_999_u64;
    for (id, user) in ids.into_iter().zip(["c", "d"]) {
        let own = json!({"pk": format!("conn/{id}"), "sk": format!("sub/{channel}"), "app": "1001", "shard": 0, "user": user, "at": 1, "ttl": far});
        let subscriber = json!({"pk": format!("subs/1001/{channel}/0"), "sk": id, "at": 1, "op": "x", "ttl": far});
        system.table().put(&own).await;
        system.table().put(&subscriber).await;
        let member = json!({ "Item": {
            "pk": { "S": format!("memb/1001/{channel}") },
            "sk": { "S": user },
            "user": { "S": json!({"id": user}).to_string() },
            "v": { "N": "1" },
            format!("c/{id}"): { "M": { "e": { "N": far.to_string() }, "a": { "N": "1" } } },
            format!("j/{id}/x"): { "N": "1" },
        }});
        system.table().call("PutItem", member).await;
    }
}

/// Has a connection expire, and the reaper look at it.
pub(crate) async fn reap(system: &System, id: &str) {
    let due = json!({
        "Key": { "pk": { "S": format!("conn/{id}") }, "sk": { "S": "conn" } },
        "UpdateExpression": "SET expires_at = :past, due_at = :past",
        "ExpressionAttributeValues": { ":past": { "N": "1" } },
    });
    system.table().call("UpdateItem", due).await;
    system.reap().await;
}

/// Waits until nobody is on a channel and nobody is counted.
async fn forgotten(system: &System, channel: &str) {
    let started = std::time::Instant::now();
    loop {
        let rows = system.table().rows(&format!("subs/1001/{channel}/")).await;
        let item = system.table().rows(&format!("chan/1001/{channel}")).await;
        let own = system.table().rows("conn/").await;
        let own = own
            .iter()
            .filter(|row| row["sk"] == format!("sub/{channel}").as_str());
        if rows.is_empty() && item[0]["subscribers"] == 0 && own.count() == 0 {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{rows:?} {item:?}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
