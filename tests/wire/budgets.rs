//! What each operation asks of DynamoDB and of `@connections`, counted on the wire.

use futures_util::{StreamExt as _, stream};
use serde_json::json;
use tests::{PATIENCE, Socket, System};

/// What one function has asked for.
#[derive(Debug, Default, PartialEq)]
struct Asked {
    writes: usize,
    write_units: f64,
    reads: usize,
    read_units: f64,
    posts: usize,
}

/// Requests; DynamoDB bills a write of up to 1 KB and a consistent read of up to 4 KB as a unit.
fn asked(writes: usize, reads: usize, posts: usize) -> Asked {
    #[expect(clippy::cast_precision_loss, reason = "few")]
    let units = |requests: usize| requests as f64;
    Asked {
        writes,
        write_units: units(writes),
        reads,
        read_units: units(reads),
        posts,
    }
}

async fn of(system: &System, function: &str) -> Asked {
    let mut asked = Asked::default();
    for made in system.faults().made().await {
        // A greeting is repeated for as long as the gateway is still opening its connection.
        if made.function != function || (function == "connect" && made.status == 410) {
            continue;
        }
        if made.is_write() {
            asked.writes += 1;
            asked.write_units += made.capacity_units;
        } else if made.is_read() {
            asked.reads += 1;
            asked.read_units += made.capacity_units;
        } else {
            assert_eq!(made.operation, "PostToConnection");
            asked.posts += 1;
        }
    }
    system.faults().forget().await;
    println!("{function}: {asked:?}");
    asked
}

#[tokio::test]
async fn a_connection_costs_what_it_may() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let mut socket = Socket::connect(&system).await;
    assert_eq!(of(&system, "connect").await, asked(1, 0, 1));
    // The second time there is a row to be read before it.
    for channel in ["orders", "invoices"] {
        socket.subscribe(channel).await;
        assert_eq!(of(&system, "message").await, asked(3, 1, 1));
    }
    socket.send_event("pusher:ping", json!({})).await;
    socket.expect("pusher:pong").await;
    assert_eq!(of(&system, "message").await, asked(0, 0, 1));

    // Its last write is the own row of one of its two channels.
    socket.close().await;
    let started = std::time::Instant::now();
    let own = async || {
        let mut rows = system.table().rows("conn/").await;
        rows.retain(|row| row["sk"] != "conn");
        rows.len()
    };
    while own().await > 0 {
        assert!(started.elapsed() < PATIENCE, "it does not end");
    }
    assert_eq!(of(&system, "disconnect").await, asked(1 + 2 * 3, 1, 0));

    let token = system.token(json!({"channels": ["private-a"]})).await;
    assert_eq!(of(&system, "token").await, asked(1, 0, 0));
    let path = format!("/token/{token}/app/local-key?protocol=7");
    let mut socket = Socket::connect_at(&system, &path).await;
    assert_eq!(of(&system, "connect").await, asked(2, 0, 1));
    socket.subscribe("private-a").await;
    assert_eq!(of(&system, "message").await, asked(3, 1, 1));
}

#[tokio::test]
async fn a_publication_costs_what_it_may() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let publish = async || {
        let event = json!({"name": "e", "channel": "orders", "data": "d"});
        system.publish(event).await;
        of(&system, "publisher").await
    };
    assert_eq!(publish().await, asked(2, 0, 0));
    system.poll("channels=orders,invoices").await;
    assert_eq!(of(&system, "status").await.reads, 2);

    let mut first = Socket::connect(&system).await;
    first.subscribe("orders").await;
    system.faults().forget().await;
    assert_eq!(publish().await, asked(2, 1, 1));

    let join = async |_| {
        let mut socket = Socket::connect(&system).await;
        socket.subscribe("orders").await;
        socket
    };
    let mut sockets: Vec<Socket> = stream::iter(1..1_000)
        .map(join)
        .buffer_unordered(32)
        .collect()
        .await;
    system.faults().forget().await;
    let thousand = publish().await;
    let Asked {
        writes,
        write_units,
        reads,
        read_units,
        posts,
    } = thousand;
    assert_eq!((writes, write_units, reads, posts), (2, 2.0, 1, 1_000));
    // 1,000 rows of under 128 bytes.
    assert!(read_units <= 32.0, "{read_units}");
    for socket in &mut sockets {
        socket.expect("e").await;
    }

    let channels: Vec<String> = (0..100).map(|n| format!("c{n}")).collect();
    system
        .publish(json!({"name": "e", "channels": channels, "data": "d"}))
        .await;
    assert_eq!(of(&system, "publisher").await, asked(200, 0, 0));
}
