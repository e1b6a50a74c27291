//! Shards of large channels: how they grow, who counts them, and the pace of their workers.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::System;

use super::large_system::{asked, eventually, in_shards, item, joined, publish, start};

#[tokio::test]
async fn shards_grow_with_the_subscribers_and_everybody_is_found_in_its_own() {
    let system = start();
    let mut sockets = joined(&system, "orders", 12).await;
    let shards = in_shards(&system, "orders").await;
    assert_eq!(shards.iter().sum::<usize>(), 12, "{shards:?}");
    assert_eq!(shards.len(), 4, "{shards:?}");
    assert_eq!(shards[0], 3, "{shards:?}");
    // Who joins again is where it was.
    for socket in &mut sockets {
        socket.subscribe("orders").await;
    }
    assert_eq!(in_shards(&system, "orders").await, shards);
    assert_eq!(item(&system, "orders").await["subscribers"], 12);

    publish(&system, "orders", "1").await;
    for socket in &mut sockets {
        assert_eq!(socket.expect("e").await["data"], "1");
    }
    // Some leave, some go, some go without a word.
    let mut still_connected = Vec::new();
    for (n, mut socket) in sockets.drain(..9).enumerate() {
        match n % 3 {
            0 => {
                socket
                    .send_event("pusher:unsubscribe", json!({"channel": "orders"}))
                    .await;
                still_connected.push(socket);
            }
            1 => socket.close().await,
            _ => socket.vanish(),
        }
    }
    let channel = "/apps/1001/channels/orders";
    let told = async || {
        let info = [("info", "subscription_count")];
        system.get(channel, &info).await.json()["subscription_count"].clone()
    };
    eventually("they are counted out", async || told().await == 3).await;
    assert_eq!(in_shards(&system, "orders").await.iter().sum::<usize>(), 3);
    publish(&system, "orders", "2").await;
    for socket in &mut sockets {
        assert_eq!(socket.expect("e").await["data"], "2");
        socket.nothing_came().await;
    }
    for socket in &mut still_connected {
        socket.nothing_came().await;
    }
}

#[tokio::test]
async fn a_count_that_is_wrong_is_corrected_by_a_publication_that_finds_nobody() {
    let system = start();
    let sockets = joined(&system, "orders", 7).await;
    publish(&system, "orders", "1").await;
    // As a crash leaves it: counted, but not there, and that long ago.
    for shard in 0..3 {
        for row in system
            .table()
            .rows(&format!("subs/1001/orders/{shard}"))
            .await
        {
            let key = json!({"pk": {"S": row["pk"]}, "sk": {"S": row["sk"]}});
            system
                .table()
                .call("DeleteItem", json!({ "Key": key }))
                .await;
        }
    }
    let long_ago = json!({
        "Key": {"pk": {"S": "chan/1001/orders"}, "sk": {"S": "chan"}},
        "UpdateExpression": "SET joined_at = :past",
        "ExpressionAttributeValues": {":past": {"N": "1"}},
    });
    system.table().call("UpdateItem", long_ago).await;
    publish(&system, "orders", "2").await;
    eventually("it is corrected", async || {
        item(&system, "orders").await["subscribers"] == 0
    })
    .await;
    let corrected = item(&system, "orders").await;
    for name in ["queued", "shards", "occupied_shard"] {
        assert_eq!(corrected.get(name), None, "{corrected}");
    }
    drop(sockets);
}

#[tokio::test]
async fn a_channel_stays_in_the_queue_until_the_last_one_has_left() {
    let system = start();
    let mut sockets = joined(&system, "orders", 4).await;
    publish(&system, "orders", "1").await;
    for socket in &mut sockets {
        assert_eq!(socket.expect("e").await["data"], "1");
    }
    while sockets.len() > 1 {
        let left = sockets.pop().expect("one more");
        left.close().await;
        let count = sockets.len();
        eventually("it is counted out", async || {
            item(&system, "orders").await["subscribers"] == count
        })
        .await;
    }
    system.faults().forget().await;
    publish(&system, "orders", "2").await;
    assert_eq!(sockets[0].expect("e").await["data"], "2");
    assert_eq!(asked(&system, "publisher", "PostToConnection").await, 0);

    sockets[0]
        .send_event("pusher:unsubscribe", json!({"channel": "orders"}))
        .await;
    eventually("it is vacated", async || {
        item(&system, "orders").await["subscribers"] == 0
    })
    .await;
    let vacated = item(&system, "orders").await;
    assert_eq!((vacated.get("queued"), vacated.get("shards")), (None, None));
    sockets[0].subscribe("orders").await;
    publish(&system, "orders", "3").await;
    assert_eq!(asked(&system, "publisher", "PostToConnection").await, 1);
    assert_eq!(sockets[0].expect("e").await["data"], "3");
}

#[tokio::test]
async fn workers_keep_their_pace_and_go_on_where_they_were() {
    // Two posts a second of each of four workers, and ten seconds for a message.
    let arguments = [
        "--faults",
        "--quiet",
        "--inline-max",
        "2",
        "--posts-per-second",
        "8",
    ];
    let system = System::start_with(&arguments);
    let mut sockets = joined(&system, "orders", 25).await;
    system.faults().forget().await;
    let started = Instant::now();
    publish(&system, "orders", "1").await;
    eventually("it is given back", async || {
        asked(&system, "fanout", "PutItem").await == 1
    })
    .await;
    // What comes after it waits for it.
    publish(&system, "orders", "2").await;
    for socket in &mut sockets {
        assert_eq!(socket.expect("e").await["data"], "1");
    }
    assert!(started.elapsed() > Duration::from_secs(11));
    for socket in &mut sockets {
        socket.send_event("pusher:ping", json!({})).await;
        loop {
            let frame = socket.frame().await;
            if frame["event"] == "pusher:pong" {
                break;
            }
            assert_eq!(frame["data"], "2", "nobody has the first one twice");
        }
    }
}
