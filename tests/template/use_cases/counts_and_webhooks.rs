//! What each function leaves to a queue: counts to tell later, and what webhooks are told.

use serde_json::json;
use tests::{PATIENCE, Session, Socket, System};

use super::leaving::{presence, session, watching};
use super::steps::{come_and_go, displace, event, reap};

/// Has each function find somebody gone from a channel whose others are told how many are left.
pub(crate) async fn everything_counted(system: &System) {
    let faults = system.faults();
    let mut listener = Socket::connect(system).await;
    listener.subscribe_counted("a").await;
    // `connect` displaces one, and `disconnect` forgets the other.
    let grant = json!({"channels": [], "reconnect_seconds": 60});
    let path = format!(
        "/token/{}/app/local-key?protocol=7",
        system.token(grant).await
    );
    for function in ["connect", "session", "disconnect"] {
        leave(system, function, &path, "a").await;
        left_alone(system, function).await;
    }
    // The others find out when they post to it: once it is gone, and once it takes nothing in.
    for function in ["message", "publisher", "fanout"] {
        for fault in ["gone", "throttle"] {
            let mut socket = Socket::connect(system).await;
            socket.subscribe_counted("a").await;
            let id = newest(system).await;
            // Its padding a path spells in another way.
            let id = id.trim_end_matches('=');
            let rule = json!([{
                "function": function, "operation": "PostToConnection", "containing": id,
                "fault": fault,
            }]);
            faults.set(rule).await;
            match function {
                "message" => socket.send_event("pusher:ping", json!({})).await,
                "publisher" => system.publish(event("a")).await,
                _ => come_and_go(system, "a").await,
            }
            left_alone(system, function).await;
            faults.lift().await;
        }
    }
    let mut expired = Socket::connect(system).await;
    expired.subscribe_counted("a").await;
    reap(system, &newest(system).await).await;
    left_alone(system, "reaper").await;
    presence(system, "fanout").await;
    watching(system, "fanout").await;
    session(system).await;
}

/// Has each function tell webhooks of something, and `webhook` look at what was held, try in vain, and
/// give up.
pub(crate) async fn everything_told(system: &System) {
    let mut session = Session::open(system).await;
    session.subscribe("session").await;
    tell(system, "session").await;
    // Which is what `message` does, too.
    let mut leaving = Socket::connect(system).await;
    leaving.attend("presence-disconnect", json!("u")).await;
    leaving.roster("presence-disconnect").await;
    leaving.close().await;
    // Who stays is told by `fanout` how many are left.
    let mut staying = Socket::connect(system).await;
    let mut leaving = Socket::connect(system).await;
    staying.subscribe_counted("fanout").await;
    leaving.subscribe_counted("fanout").await;
    leaving.close().await;
    for function in ["disconnect", "message", "fanout"] {
        tell(system, function).await;
    }
    let faults = system.faults();
    // One is counted, and nobody is there.
    let row = json!({"pk": "chan/1001/publisher", "sk": "chan", "subscribers": 1, "joined_at": 0});
    system.table().put(&row).await;
    system.publish(event("publisher")).await;
    tell(system, "publisher").await;
    let mut expired = Socket::connect(system).await;
    expired.subscribe("reaper").await;
    let rows = system.table().rows("subs/1001/reaper/").await;
    reap(system, rows[0]["sk"].as_str().expect("a key")).await;
    tell(system, "reaper").await;
    let started = std::time::Instant::now();
    loop {
        let queue = faults.queue("webhooks").await;
        if queue["waiting"] == 0 && queue["in_flight"] == 0 {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{queue}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Has somebody displaced or gone from a channel until that function has left to be done later what follows from
/// it: others run at the same time that may be the ones to find out.
async fn leave(system: &System, function: &str, path: &str, channel: &str) {
    let started = std::time::Instant::now();
    let of_channel = format!("subs/1001/{channel}/");
    let staying = system.table().rows(&of_channel).await.len();
    loop {
        let mut leaving = Socket::connect_at(system, path).await;
        leaving.subscribe_counted(channel).await;
        if function == "connect" {
            Socket::connect_at(system, path).await.close().await;
        } else if function == "session" {
            displace(system, path).await;
        } else {
            leaving.close().await;
        }
        while system.table().rows(&of_channel).await.len() > staying {
            assert!(started.elapsed() < PATIENCE, "{function}: it stays");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let made = system.faults().made().await;
        let queued = |made: &tests::Made| made.function == function && made.target == "later";
        if made.iter().any(queued) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{function} queues nothing");
    }
}

/// Waits until a function has told webhooks of something.
async fn tell(system: &System, function: &str) {
    let started = std::time::Instant::now();
    loop {
        let made = system.faults().made().await;
        let told = |made: &tests::Made| made.function == function && made.target == "webhooks";
        if made.iter().any(told) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{function}: {made:?}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Waits until a function has left it to be told later that the listener is alone, and it is.
async fn left_alone(system: &System, function: &str) {
    let faults = system.faults();
    let started = std::time::Instant::now();
    loop {
        let made = faults.made().await;
        let left = made
            .iter()
            .any(|made| made.function == function && made.operation == "SendMessage");
        let rows = system.table().rows("subs/1001/a/").await;
        let queue = faults.queue("later").await;
        if left && rows.len() == 1 && queue["waiting"] == 0 && queue["in_flight"] == 0 {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{function}: {rows:?} {queue}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// The connection that was last to join.
async fn newest(system: &System) -> String {
    let rows = system.table().rows("subs/1001/a/").await;
    let newest = rows.iter().max_by_key(|row| row["at"].as_u64());
    let id = newest.expect("somebody")["sk"].as_str().expect("a key");
    id.to_owned()
}
