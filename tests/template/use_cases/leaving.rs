//! A user who leaves through a function, and those who are to be told.

use serde_json::{Value, json};
use tests::{PATIENCE, Session, Socket, System};

use super::steps::{come_and_go, displace, event, reap};

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
    for watchlist in [json!(["a"]), json!([user])] {
        let user_data = json!({"id": "remote", "watchlist": watchlist});
        remote.sign_in(user_data).await;
        remote.expect("pusher_internal:watchlist_events").await;
    }
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
    // Whoever forgets it, a function itself or a worker, finds those who are to be told gone.
    faults.set(gone_for(function)).await;
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

/// Whoever a function posts to is gone, or takes nothing in and is closed; whoever the worker posts to is gone.
fn gone_for(function: &str) -> Value {
    let fault = match function {
        "disconnect" | "reaper" => "throttle",
        _ => "gone",
    };
    let rule = |function, fault| json!({"function": function, "operation": "PostToConnection", "fault": fault});
    json!([rule(function, fault), rule("fanout", "gone")])
}

/// Has one without a socket come and go before one that has one, while two wait and there is room for one.
pub(crate) async fn session(system: &System) {
    let channel = "presence-session-room";
    let mut told = Socket::connect(system).await;
    told.attend(channel, json!("a")).await;
    told.roster(channel).await;
    let mut leaving = Session::open(system).await;
    leaving.attend(channel, "b").await;
    told.expect("pusher_internal:member_added").await;
    waiting(system, channel).await;
    let unsubscribed = json!({"channel": channel});
    leaving.send_event("pusher:unsubscribe", unsubscribed).await;
    told.expect("pusher_internal:member_removed").await;
    // Nobody has a socket who waited: the one that could come is forgotten, and the other one was refused.
    let started = std::time::Instant::now();
    let own = format!("sub/{channel}");
    loop {
        let rows = system.table().rows("conn/").await;
        if rows.iter().filter(|row| row["sk"] == own.as_str()).count() == 2 {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{rows:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
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
    faults.set(gone_for(function)).await;
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
