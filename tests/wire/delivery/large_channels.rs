//! Large channels: what is published goes through the queue, shard by shard, and arrives in order and
//! once all the same.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shared::aws::queue::{FifoMessage, FifoQueue};
use shared::channel::Channel;
use shared::config::{Config, variable};
use shared::task::{Delivery, DeliveryName, Task};
use shared::time::UnixMillis;
use tests::{PATIENCE, Socket, System};

/// A system in which a channel is large with three subscribers, and three fill a shard.
fn start() -> System {
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

async fn joined(system: &System, channel: &str, count: usize) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        let mut socket = Socket::connect(system).await;
        socket.subscribe_private(channel).await;
        sockets.push(socket);
    }
    sockets
}

async fn publish(system: &System, channel: &str, data: &str) {
    let event = json!({"name": "e", "channel": channel, "data": data});
    system.publish(event).await;
}

/// How often a function has asked for something since that was forgotten.
async fn asked(system: &System, function: &str, operation: &str) -> usize {
    let made = system.faults().made().await;
    let of = made
        .iter()
        .filter(|made| made.function == function && made.operation == operation);
    of.count()
}

async fn item(system: &System, channel: &str) -> Value {
    let rows = system.table().rows(&format!("chan/1001/{channel}")).await;
    rows.into_iter().next().expect("a channel")
}

/// How many are in each shard of a channel.
async fn in_shards(system: &System, channel: &str) -> Vec<usize> {
    let shards = item(system, channel).await["shards"].as_u64().unwrap_or(1);
    let mut counts = Vec::new();
    for shard in 0..shards {
        let partition = format!("subs/1001/{channel}/{shard}");
        counts.push(system.table().rows(&partition).await.len());
    }
    counts
}

async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_follows_one_another_arrives_in_that_order_at_everybody_and_once() {
    let system = start();
    let mut sockets = joined(&system, "orders", 10).await;
    system.faults().forget().await;
    for n in 0..10 {
        publish(&system, "orders", &n.to_string()).await;
    }
    let batch = json!({"batch": [
        {"name": "e", "channel": "orders", "data": "10"}, {"name": "e", "channel": "orders", "data": "11"},
    ]});
    let reply = system
        .post("/apps/1001/batch_events", batch.to_string())
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let mut serials = Vec::new();
    for socket in &mut sockets {
        let mut seen = Vec::new();
        for n in 0..12 {
            let frame = socket.expect("e").await;
            assert_eq!(frame["data"], n.to_string());
            seen.push(frame["serial"].as_u64().expect("a serial"));
        }
        serials.push(seen);
    }
    assert!(serials.iter().all(|seen| *seen == serials[0]));
    for socket in &mut sockets {
        socket.nothing_came().await;
    }
    // It was not the publisher that posted.
    assert_eq!(asked(&system, "publisher", "PostToConnection").await, 0);
    assert_eq!(asked(&system, "publisher", "SendMessageBatch").await, 12);
    assert_eq!(asked(&system, "fanout", "PostToConnection").await, 120);
    let queue = system.faults().queue("fanout.fifo").await;
    assert_eq!(queue["dead"], json!([]));
}

#[tokio::test]
async fn a_small_channel_is_delivered_to_at_once() {
    let system = start();
    let mut sockets = joined(&system, "orders", 2).await;
    system.faults().forget().await;
    publish(&system, "orders", "1").await;
    assert_eq!(asked(&system, "publisher", "PostToConnection").await, 2);
    assert_eq!(asked(&system, "publisher", "SendMessageBatch").await, 0);
    for socket in &mut sockets {
        assert_eq!(socket.expect("e").await["data"], "1");
    }
    assert_eq!(item(&system, "orders").await.get("queued"), None);
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
async fn what_a_client_tells_the_others_takes_its_place_among_what_is_published() {
    let system = start();
    let mut sockets = joined(&system, "private-a", 7).await;
    publish(&system, "private-a", "1").await;
    for n in 0..3 {
        let event = json!({"event": "client-e", "channel": "private-a", "data": {"n": n}});
        sockets[0].send_text(event.to_string()).await;
        // It is answered in order: the event is on its way.
        sockets[0].send_event("pusher:ping", json!({})).await;
        while sockets[0].frame().await["event"] != "pusher:pong" {}
        eventually("it is queued", async || {
            asked(&system, "message", "SendMessageBatch").await > n
        })
        .await;
    }
    publish(&system, "private-a", "2").await;
    for socket in &mut sockets[1..] {
        assert_eq!(socket.expect("e").await["data"], "1");
        for _ in 0..3 {
            socket.expect("client-e").await;
        }
        assert_eq!(socket.expect("e").await["data"], "2");
        socket.nothing_came().await;
    }
    // The sender has what was published, and nothing of its own.
    while sockets[0].expect("e").await["data"] != "2" {}
    sockets[0].nothing_came().await;
    assert_eq!(asked(&system, "message", "SendMessageBatch").await, 3);
    // `socket_id` leaves out whoever has it.
    publish(&system, "private-a", "3").await;
    for socket in &mut sockets {
        assert_eq!(socket.expect("e").await["data"], "3");
    }
}

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

#[tokio::test]
async fn who_comes_back_while_something_waits_has_it_once_and_in_order() {
    // Five posts a second of each worker: what is published takes a while.
    let arguments = [
        "--faults",
        "--quiet",
        "--inline-max",
        "2",
        "--per-shard",
        "4",
        "--posts-per-second",
        "20",
    ];
    let system = System::start_with(&arguments);
    let mut sockets = joined(&system, "orders", 4).await;
    for n in 0..5 {
        publish(&system, "orders", &n.to_string()).await;
    }
    let mut back = Socket::connect(&system).await;
    let subscribe = json!({"channel": "orders", "after": 0});
    back.send_event("pusher:subscribe", subscribe).await;
    back.acknowledged("orders").await;
    let queue = system.faults().queue("fanout.fifo").await;
    assert_ne!(queue["in_flight"], 0, "something waits");
    publish(&system, "orders", "5").await;
    sockets.push(back);
    for socket in &mut sockets {
        for n in 0..6 {
            assert_eq!(socket.expect("e").await["data"], n.to_string());
        }
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
async fn what_nobody_understands_dies_and_what_comes_after_it_arrives() {
    let system = start();
    let mut sockets = joined(&system, "orders", 3).await;
    let lookup = |name: &str| match name {
        variable::FUNCTION_NAME => Some("tests".to_owned()),
        variable::LOG => None,
        name => system.find_variable(name),
    };
    let config = Config::from(lookup, &[variable::FANOUT_QUEUE_URL])
        .map_err(|problems| problems.to_string())
        .expect("complete");
    let queue = FifoQueue::fanout(&config).expect("there is a URL");
    let to_the_shard = Delivery {
        app_id: "1001".to_owned(),
        channel: Channel::parse("orders").expect("a name"),
        shard: 0,
        shards: 1,
        subscribers: 3,
        name: DeliveryName::Serial(7),
        at: UnixMillis(0),
        except: None,
        frame: String::new(),
    };
    let newer = Task::Deliver(to_the_shard.clone())
        .print()
        .replace(r#""v":1"#, r#""v":2"#);
    let message = FifoMessage {
        group: to_the_shard.group(),
        deduplication: to_the_shard.deduplication(),
        body: newer.clone(),
    };
    // Known by its name, it is there once.
    for _ in 0..2 {
        queue
            .send_all(std::slice::from_ref(&message))
            .await
            .expect("taken");
    }
    eventually("it was handed out", async || {
        system
            .log()
            .iter()
            .any(|line| line.contains("not understood"))
            || system.faults().queue("fanout.fifo").await["in_flight"] == 0
    })
    .await;
    publish(&system, "orders", "1").await;
    for socket in &mut sockets {
        assert_eq!(socket.expect("e").await["data"], "1");
        socket.nothing_came().await;
    }
    let dead = system.faults().queue("fanout.fifo").await["dead"].clone();
    assert_eq!(dead.as_array().map(Vec::len), Some(1), "{dead}");
    assert_eq!(dead[0]["body"], newer);
}
