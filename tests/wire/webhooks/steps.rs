//! A system with webhooks, and what its tests wait for.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{PATIENCE, Socket, System};

/// A system whose app has webhooks, and all features.
pub(super) fn start(webhooks: Value, arguments: &[&str]) -> System {
    let settings = json!({"client_events": true, "subscription_count": true, "webhooks": webhooks});
    System::start_with_app(&settings, &[&["--faults"], arguments].concat())
}

/// Waits until there is nothing in the queue of webhooks: what was held was looked at, too.
pub(super) async fn all_done(system: &System) {
    let started = Instant::now();
    loop {
        let queue = system.faults().queue("webhooks").await;
        if queue["waiting"] == 0 && queue["in_flight"] == 0 {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{queue}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until so many subscribers of a channel are counted.
pub(super) async fn counted(system: &System, channel: &str, count: u64) {
    let started = Instant::now();
    loop {
        let item = system.table().rows(&format!("chan/1001/{channel}")).await;
        if item[0]["subscribers"] == count {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{item:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until nobody of a presence channel is to be told anything.
pub(super) async fn settled(system: &System, channel: &str) {
    let started = Instant::now();
    loop {
        let item = system.table().rows(&format!("chan/1001/{channel}")).await;
        if item[0].get("lease").is_none() {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{item:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(super) async fn unsubscribe(socket: &mut Socket, channel: &str) {
    let channel = json!({"channel": channel});
    socket.send_event("pusher:unsubscribe", channel).await;
}
