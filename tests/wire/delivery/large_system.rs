//! A system in which three subscribers make a channel large, and what its tests look up.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{PATIENCE, Socket, System};

/// A system in which a channel is large with three subscribers, and three fill a shard.
pub(super) fn start() -> System {
    let arguments = [
        "--faults",
        "--quiet",
        "--inline-max",
        "2",
        "--per-shard",
        "3",
    ];
    System::start_with_app(&json!({"client_events": true}), &arguments)
}

pub(super) async fn joined(system: &System, channel: &str, count: usize) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        let mut socket = Socket::connect(system).await;
        socket.subscribe_private(channel).await;
        sockets.push(socket);
    }
    sockets
}

pub(super) async fn publish(system: &System, channel: &str, data: &str) {
    let event = json!({"name": "e", "channel": channel, "data": data});
    system.publish(event).await;
}

/// How often a function has asked for something since that was forgotten.
pub(super) async fn asked(system: &System, function: &str, operation: &str) -> usize {
    let made = system.faults().made().await;
    let of = made
        .iter()
        .filter(|made| made.function == function && made.operation == operation);
    of.count()
}

pub(super) async fn item(system: &System, channel: &str) -> Value {
    let rows = system.table().rows(&format!("chan/1001/{channel}")).await;
    rows.into_iter().next().expect("a channel")
}

/// How many are in each shard of a channel.
pub(super) async fn in_shards(system: &System, channel: &str) -> Vec<usize> {
    let shards = item(system, channel).await["shards"].as_u64().unwrap_or(1);
    let mut counts = Vec::new();
    for shard in 0..shards {
        let partition = format!("subs/1001/{channel}/{shard}");
        counts.push(system.table().rows(&partition).await.len());
    }
    counts
}

pub(super) async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
