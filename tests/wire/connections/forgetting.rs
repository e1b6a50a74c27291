//! What a connection leaves behind when it is gone: nothing that costs anything.

use serde_json::{Value, json};
use tests::{PATIENCE, Socket, System};

/// Waits until nothing hangs on any connection.
async fn nothing_hangs(system: &System) {
    let started = std::time::Instant::now();
    loop {
        let mut rows = system.table().rows("conn/").await;
        // What says that a connection is over stays for some minutes.
        rows.retain(|row| row["closed"] != true);
        rows.extend(system.table().rows("subs/").await);
        // The last write counts it out.
        if rows.is_empty() && counts(system).await.iter().all(|&count| count == 0) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{rows:?}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// How many subscribers each channel counts.
async fn counts(system: &System) -> Vec<u64> {
    let rows = system.table().rows("chan/").await;
    let count = |row: &Value| row["subscribers"].as_u64().expect("a number");
    rows.iter().map(count).collect()
}

#[tokio::test]
async fn a_channel_that_lost_its_last_subscriber_costs_nothing() {
    let system = System::start_with(&["--faults"]);
    for polite in [true, false] {
        let mut socket = Socket::connect(&system).await;
        socket.subscribe("orders").await;
        socket.subscribe("invoices").await;
        assert_eq!(counts(&system).await, [1, 1]);
        if polite {
            socket.close().await;
        } else {
            drop(socket);
        }
        nothing_hangs(&system).await;

        system.faults().forget().await;
        system
            .publish(json!({"name": "e", "channel": "orders", "data": ""}))
            .await;
        let made = system.faults().made().await;
        let of_publisher = made.iter().filter(|made| made.function == "publisher");
        let operations: Vec<_> = of_publisher.map(|made| made.operation.as_str()).collect();
        assert_eq!(operations, ["UpdateItem", "PutItem"]);
    }
}

#[tokio::test]
async fn subscribers_beyond_one_page_are_served() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let mut sockets = Vec::new();
    for _ in 0..3 {
        let mut socket = Socket::connect(&system).await;
        socket.subscribe("orders").await;
        sockets.push(socket);
    }
    let table = system.table();
    // Rows of connections that are long over, which sort before and after any real one, and fill
    // more than two pages of a megabyte.
    for n in 0..250 {
        for place in ['!', '~'] {
            table
                .put(&json!({
                    "pk": "subs/1001/orders/0", "sk": format!("{place}{n:015}"),
                    "ttl": 1, "at": 1, "padding": "x".repeat(5_000),
                }))
                .await;
        }
    }
    system.faults().forget().await;
    for n in 0..3 {
        system
            .publish(json!({"name": "e", "channel": "orders", "data": n.to_string()}))
            .await;
    }
    for socket in &mut sockets {
        for n in 0..3 {
            assert_eq!(socket.expect("e").await["data"], n.to_string());
        }
        socket.nothing_came().await;
    }
    let made = system.faults().made().await;
    let queries = made
        .iter()
        .filter(|made| made.function == "publisher" && made.operation == "Query");
    assert!(queries.count() >= 3 * 3, "{} requests", made.len());
}
