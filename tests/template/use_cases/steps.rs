//! Steps that several use cases take, and what they wait for.

use serde_json::{Value, json};
use tests::{PATIENCE, Session, Socket, System};

/// The body of a publication.
pub(crate) fn event(channel: &str) -> Value {
    json!({"name": "e", "channel": channel, "data": ""})
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

/// Has the subscribers of a channel told how many they are, by way of the queue.
pub(crate) async fn come_and_go(system: &System, channel: &str) {
    let mut socket = Socket::connect(system).await;
    socket.subscribe_counted(channel).await;
    socket.close().await;
}

/// Has a session take the place of what the token in a socket's path has admitted before.
pub(crate) async fn displace(system: &System, path: &str) {
    let token = path.split('/').nth(2).expect("a token");
    Session::open_with(system, token).await;
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
pub(crate) async fn forgotten(system: &System, channel: &str) {
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
