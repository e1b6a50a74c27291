//! The presence channel of these tests, and what they wait for.

use std::time::Instant;

use serde_json::json;
use tests::{PATIENCE, Socket, System};

pub(super) const ROOM: &str = "presence-room";

/// Waits until so many are subscribed to the room and nobody announces on it.
pub(super) async fn settled(system: &System, subscribers: u64) {
    let started = Instant::now();
    loop {
        let items = system.table().rows(&format!("chan/1001/{ROOM}")).await;
        let item = items.first().cloned().unwrap_or_default();
        if item["subscribers"] == subscribers && item.get("lease").is_none() {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{subscribers}: {item}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

pub(super) async fn leave(socket: &mut Socket) {
    let channel = json!({"channel": ROOM});
    socket.send_event("pusher:unsubscribe", channel).await;
}
