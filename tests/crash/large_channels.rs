//! Large channels: the worker of a shard dies, or the queue refuses.

use std::time::Instant;

use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tests::{PATIENCE, Socket};

use crate::stage::Stage;

const EVENTS: &str = "/apps/1001/events";

/// A system in which every channel with more than two subscribers is a large one.
fn large(per_shard: &str) -> Stage {
    Stage::with(&["--inline-max", "2", "--per-shard", per_shard])
}

async fn joined(stage: &Stage, count: usize) -> Vec<Socket> {
    let join = async |_| {
        let mut socket = Socket::connect(stage).await;
        socket.subscribe("orders").await;
        socket
    };
    stream::iter(0..count)
        .map(join)
        .buffer_unordered(16)
        .collect()
        .await
}

/// Waits until nothing is in the queue, and that nothing is dead.
async fn drained(stage: &Stage) {
    let started = Instant::now();
    loop {
        let queue = stage.faults().queue("fanout.fifo").await;
        assert_eq!(queue["dead"], json!([]));
        if queue["waiting"] == 0 && queue["in_flight"] == 0 {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{queue}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// What a socket has got of two publications that followed one another: copies of the first, then of the
/// second.
async fn copies(socket: &mut Socket, first: &str, second: &str) -> (usize, usize) {
    socket.send_event("pusher:ping", json!({})).await;
    let (mut of_first, mut of_second) = (0, 0);
    loop {
        let frame = socket.frame().await;
        if frame["event"] == "pusher:pong" {
            return (of_first, of_second);
        }
        if frame["data"] == first {
            assert_eq!(of_second, 0, "{first} comes after {second}");
            of_first += 1;
        } else {
            assert_eq!(frame["data"], second);
            of_second += 1;
        }
    }
}

/// Has requests of a function fail, of which some have to.
async fn fail(stage: &Stage, rule: Value) {
    stage.faults().forget().await;
    stage.faults().set(json!([rule])).await;
}

/// Makes sure that one has.
async fn failed(stage: &Stage, what: &str) {
    let made = stage.faults().made().await;
    assert!(made.iter().any(|made| made.fault.is_some()), "{what}");
}

async fn publish(stage: &Stage, data: &str) {
    stage
        .publish(json!({"name": "e", "channel": "orders", "data": data}))
        .await;
}

#[tokio::test]
async fn a_worker_that_dies_at_the_37th_of_100_costs_nobody_a_copy() {
    let stage = large("1000");
    let mut sockets = joined(&stage, 100).await;
    for fault in ["kill", "kill_after"] {
        let rule = json!({
            "function": "fanout", "operation": "PostToConnection", "skip": 36, "times": 1, "fault": fault,
        });
        fail(&stage, rule).await;
        let second = format!("after {fault}");
        publish(&stage, fault).await;
        publish(&stage, &second).await;
        drained(&stage).await;
        failed(&stage, fault).await;
        let mut twice = 0;
        for socket in &mut sockets {
            let copies = copies(socket, fault, &second).await;
            assert!([(1, 1), (2, 1)].contains(&copies), "{fault}: {copies:?}");
            twice += usize::from(copies.0 == 2);
        }
        // Those who had it before the worker died: some of the 36, or all of the page, which was on its way.
        assert!((1..=100).contains(&twice), "{fault}: {twice} have it twice");
    }
}

#[tokio::test]
async fn a_worker_that_dies_after_a_page_repeats_none_of_it() {
    const PAGE: usize = 500;
    const MORE: usize = 20;
    let stage = large("1000");
    let mut sockets = joined(&stage, PAGE + MORE).await;
    // Before the page is noted, when it is, and while the next one is posted. How many may have it twice.
    for (n, (operation, skip, fault, twice_max)) in [
        ("PutItem", 0, "kill", PAGE),
        ("PutItem", 0, "kill_after", 0),
        ("PostToConnection", PAGE, "kill", MORE),
        ("PostToConnection", PAGE + 5, "kill_after", MORE),
    ]
    .into_iter()
    .enumerate()
    {
        let rule = json!({
            "function": "fanout", "operation": operation, "skip": skip, "times": 1, "fault": fault,
        });
        fail(&stage, rule).await;
        let (first, second) = (format!("{n}"), format!("after {n}"));
        publish(&stage, &first).await;
        publish(&stage, &second).await;
        drained(&stage).await;
        failed(&stage, operation).await;
        let mut twice = 0;
        for socket in &mut sockets {
            let copies = copies(socket, &first, &second).await;
            assert!([(1, 1), (2, 1)].contains(&copies), "{n}: {copies:?}");
            twice += usize::from(copies.0 == 2);
        }
        assert!(twice <= twice_max, "{n}: {twice} have it twice");
    }
}

#[tokio::test]
async fn a_page_that_cannot_be_read_or_noted_is_made_up_for() {
    let stage = large("1000");
    let mut sockets = joined(&stage, 30).await;
    for fault in ["drop", "fail", "throttle"] {
        // As often as the client tries, so that the message comes again.
        let rule = json!({
            "function": "fanout", "operation": "Query", "times": 3, "fault": fault,
        });
        fail(&stage, rule).await;
        let second = format!("after {fault}");
        publish(&stage, fault).await;
        publish(&stage, &second).await;
        drained(&stage).await;
        failed(&stage, fault).await;
        for socket in &mut sockets {
            assert_eq!(copies(socket, fault, &second).await, (1, 1), "{fault}");
        }
    }
}

#[tokio::test]
async fn what_the_queue_takes_at_last_arrives_once() {
    let stage = large("3");
    let mut sockets = joined(&stage, 9).await;
    for fault in ["drop", "lose_answer", "throttle", "fail", "partly"] {
        let rule = json!({
            "function": "publisher", "operation": "SendMessageBatch", "times": 1, "fault": fault,
        });
        fail(&stage, rule).await;
        let second = format!("after {fault}");
        publish(&stage, fault).await;
        publish(&stage, &second).await;
        drained(&stage).await;
        failed(&stage, fault).await;
        for socket in &mut sockets {
            assert_eq!(copies(socket, fault, &second).await, (1, 1), "{fault}");
        }
    }
}

/// Publishes again under the same key until it is answered.
async fn again(stage: &Stage, body: &Value, fault: &str) {
    for _ in 0..3 {
        let reply = stage.post(EVENTS, body.to_string()).await;
        match reply.status {
            200 => return,
            409 => stage.attempts_overdue().await,
            status => panic!("{fault}: {status}: {reply:?}"),
        }
    }
    panic!("{fault}: it is never over");
}

#[tokio::test]
async fn what_is_not_queued_is_not_answered_and_under_its_key_arrives_once() {
    let stage = large("3");
    let mut sockets = joined(&stage, 9).await;
    for (fault, times) in [
        ("fail", 100),
        ("partly", 100),
        ("lose_answer", 100),
        ("kill", 1),
        ("kill_after", 1),
    ] {
        let rule = json!({
            "function": "publisher", "operation": "SendMessageBatch", "times": times, "fault": fault,
        });
        fail(&stage, rule).await;
        let body =
            json!({"name": "e", "channel": "orders", "data": fault, "idempotency_key": fault});
        let reply = stage.post(EVENTS, body.to_string()).await;
        assert_eq!(reply.status, 500, "{fault}: {reply:?}");
        stage.faults().lift().await;
        // It is in the log in any case.
        let polled = stage.poll("channels=orders").await.json();
        let events = polled["events"].as_array().expect("a list");
        let logged = events.iter().filter(|event| event["data"] == fault);
        assert_eq!(logged.count(), 1, "{fault}: {polled}");
        again(&stage, &body, fault).await;
        let second = format!("after {fault}");
        publish(&stage, &second).await;
        drained(&stage).await;
        for socket in &mut sockets {
            assert_eq!(copies(socket, fault, &second).await, (1, 1), "{fault}");
        }
    }
}

#[tokio::test]
async fn a_channel_whose_growth_fails_turns_nobody_away() {
    for (n, fault) in ["drop", "lose_answer", "fail", "kill", "kill_after"]
        .into_iter()
        .enumerate()
    {
        let stage = large("2");
        let mut sockets = joined(&stage, 2).await;
        // The write after the count.
        let rule = json!({
            "function": "message", "operation": "UpdateItem", "containing": "shards = :more", "fault": fault,
            "times": if fault.starts_with("kill") { 1 } else { 100 },
        });
        fail(&stage, rule).await;
        let mut third = Socket::connect(&stage).await;
        if fault.starts_with("kill") {
            let subscribe = json!({"channel": "orders"});
            third
                .send_event("pusher:subscribe", subscribe.clone())
                .await;
            // API Gateway's own words for a function that has died.
            let message = third.message().await.expect("open");
            let text = message.to_text().expect("text");
            assert!(text.contains("Internal server error"), "{text}");
        }
        third.subscribe("orders").await;
        failed(&stage, fault).await;
        stage.faults().lift().await;
        sockets.push(third);
        sockets.extend(joined(&stage, 2).await);
        let data = n.to_string();
        publish(&stage, &data).await;
        publish(&stage, "next").await;
        drained(&stage).await;
        for socket in &mut sockets {
            assert_eq!(copies(socket, &data, "next").await, (1, 1), "{fault}");
        }
        let (rows, count) = stage.subscribers("orders").await;
        assert_eq!(rows.len(), 5, "{fault}");
        assert!(count >= 5, "{fault}: {count}");
    }
}

#[tokio::test]
async fn who_joins_again_after_a_leave_that_died_is_there_once() {
    let stage = large("2");
    let (mut back, id) = stage.connect().await;
    back.subscribe("orders").await;
    let rule =
        json!({"function": "message", "operation": "DeleteItem", "times": 1, "fault": "kill"});
    fail(&stage, rule).await;
    let channel = json!({"channel": "orders"});
    back.send_event("pusher:unsubscribe", channel).await;
    let message = back.message().await.expect("open");
    assert!(
        message
            .to_text()
            .expect("text")
            .contains("Internal server error")
    );
    failed(&stage, "the leave").await;
    // Meanwhile the channel grows, so that it goes to another shard.
    let mut sockets = joined(&stage, 3).await;
    back.subscribe("orders").await;
    let rows = stage.table().rows("subs/1001/orders/").await;
    let of_it: Vec<&Value> = rows.iter().filter(|row| row["sk"] == id).collect();
    assert_eq!(of_it.len(), 1, "{of_it:?}");
    assert_ne!(of_it[0]["pk"], "subs/1001/orders/0");
    sockets.push(back);
    publish(&stage, "1").await;
    publish(&stage, "2").await;
    drained(&stage).await;
    for socket in &mut sockets {
        assert_eq!(copies(socket, "1", "2").await, (1, 1));
    }
}
