//! Steps of a client that comes back.

use serde_json::{Value, json};
use tests::{Socket, System};

pub(super) fn event(channel: &str, data: &str) -> Value {
    json!({"name": "e", "channel": channel, "data": data})
}

/// Asks to join a channel after a serial, with whatever auth it takes.
pub(super) async fn ask(socket: &mut Socket, channel: &str, after: &Value) {
    let mut subscribe = if channel.starts_with("presence-") {
        socket.presence(channel, &json!({"user_id": socket.socket_id}))
    } else {
        json!({"channel": channel, "auth": socket.auth(channel)})
    };
    subscribe["after"] = after.clone();
    socket.send_event("pusher:subscribe", subscribe).await;
}

/// Joins a channel after a serial, and takes the acknowledgement.
pub(super) async fn resume(socket: &mut Socket, channel: &str, after: u64) {
    ask(socket, channel, &json!(after)).await;
    let frame = socket
        .expect("pusher_internal:subscription_succeeded")
        .await;
    assert_eq!(frame["channel"], channel);
}

pub(super) fn serial(frame: &Value) -> u64 {
    frame["serial"].as_u64().expect("a serial")
}

/// The serials in a channel's log.
pub(super) async fn log(system: &System, channel: &str) -> Vec<u64> {
    let rows = system.table().rows(&format!("log/1001/{channel}")).await;
    let serial = |row: &Value| row["sk"].as_str().and_then(|serial| serial.parse().ok());
    let mut serials: Vec<u64> = rows
        .iter()
        .map(|row| serial(row).expect("a serial"))
        .collect();
    serials.sort_unstable();
    serials
}

/// Makes sure that what is published now comes, and nothing else before it.
pub(super) async fn is_live(system: &System, socket: &mut Socket, channel: &str) {
    system.publish(event(channel, "live")).await;
    assert_eq!(socket.expect("e").await["data"], "live");
    socket.nothing_came().await;
}
