//! What large channels ask of DynamoDB, of SQS and of `@connections`, counted on the wire.

use serde_json::json;
use tests::{Socket, System};

/// Writes, reads, requests to SQS and posts of a function, since they were forgotten.
async fn asked(system: &System, function: &str) -> [usize; 4] {
    let made = system.faults().made().await;
    let mut asked = [0; 4];
    for made in made.iter().filter(|made| made.function == function) {
        let kind = match made.operation.as_str() {
            _ if made.is_write() => 0,
            _ if made.is_read() => 1,
            "SendMessageBatch" => 2,
            "PostToConnection" => 3,
            other => panic!("{function} asks for {other}"),
        };
        asked[kind] += 1;
    }
    println!("{function}: {asked:?}");
    asked
}

#[tokio::test]
async fn a_large_channel_costs_what_it_may() {
    let arguments = [
        "--faults",
        "--quiet",
        "--inline-max",
        "2",
        "--per-shard",
        "2",
    ];
    let system = System::start_with(&arguments);
    let mut sockets = Vec::new();
    for n in 1..=5 {
        let mut socket = Socket::connect(&system).await;
        system.faults().forget().await;
        socket.subscribe("orders").await;
        // The third and the fifth have the channel grow.
        let writes = if n == 3 || n == 5 { 4 } else { 3 };
        assert_eq!(asked(&system, "message").await, [writes, 1, 0, 1], "{n}");
        sockets.push(socket);
    }
    // The first time that the channel is large it is noted.
    for (n, writes) in [(1, 3), (2, 2)] {
        system.faults().forget().await;
        let event = json!({"name": "e", "channel": "orders", "data": "d"});
        system.publish(event).await;
        for socket in &mut sockets {
            socket.expect("e").await;
        }
        // One request for up to ten shards, and of each shard one query for up to 500.
        assert_eq!(asked(&system, "publisher").await, [writes, 0, 1, 0], "{n}");
        assert_eq!(asked(&system, "fanout").await, [0, 3, 0, 5], "{n}");
    }
}
