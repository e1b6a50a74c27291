//! `@connections` refuses, loses or delays one post. The other recipients notice nothing.

use serde_json::json;
use tests::Socket;

use crate::stage::{NO_CASE, Stage};

const RECIPIENTS: usize = 8;

/// So many sockets on one channel, with their connections' ids.
async fn recipients(stage: &Stage, count: usize) -> Vec<(Socket, String)> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        let (mut socket, id) = stage.connect().await;
        socket.subscribe("orders").await;
        sockets.push((socket, id));
    }
    sockets
}

/// How many copies of a publication a socket has got, and whether it is still open.
async fn copies(socket: &mut Socket, data: &str) -> (usize, bool) {
    socket.send_event("pusher:ping", json!({})).await;
    let mut copies = 0;
    while let Some(message) = socket.message().await {
        if message.is_close() {
            return (copies, false);
        }
        let frame: serde_json::Value =
            serde_json::from_str(message.to_text().expect("text")).expect("JSON");
        if frame["event"] == "pusher:pong" {
            return (copies, true);
        }
        copies += usize::from(frame["data"] == data);
    }
    (copies, false)
}

#[tokio::test]
async fn one_bad_recipient_costs_nobody_else_a_copy() {
    let stage = Stage::new();
    let mut sockets = recipients(&stage, RECIPIENTS).await;
    let mut ended = Vec::new();
    // The fault, how often, how many copies the one it hits may get, and whether it stays.
    for (n, (fault, times, allowed, stays)) in [
        // Whoever may have missed it is closed, comes back and sees what there is.
        ("drop", 1, 0..=0, false),
        ("lose_answer", 1, 1..=1, false),
        ("throttle", 2, 1..=1, true),
        ("fail", 1, 0..=0, false),
        ("silence", 1, 0..=0, false),
        ("throttle", 100, 0..=0, false),
    ]
    .into_iter()
    .enumerate()
    {
        let data = n.to_string();
        let (_, broken) = &sockets[n];
        let broken = broken.replace('=', "%3D");
        let posts = json!([{
            "function": "publisher", "operation": "PostToConnection", "containing": broken,
            "times": times, "fault": fault,
        }]);
        stage.faults().set(posts).await;
        stage
            .publish(json!({"name": "e", "channel": "orders", "data": data}))
            .await;
        stage.faults().lift().await;
        for (m, (socket, _)) in sockets.iter_mut().enumerate() {
            let (copies, open) = copies(socket, &data).await;
            if m == n {
                assert!(allowed.contains(&copies), "{fault}: {copies} copies");
                assert_eq!(open, stays, "{fault}");
            } else if !ended.contains(&m) {
                assert_eq!((copies, open), (1, true), "{fault}");
            }
        }
        if !stays {
            ended.push(n);
        }
    }
}

#[tokio::test]
async fn a_share_of_bad_recipients_costs_the_others_nothing() {
    let stage = Stage::new();
    let mut sockets = recipients(&stage, 60).await;
    // It is always the same ones, and all but the last two faults end them: so their shares grow.
    for (fault, share) in [
        ("drop", 0.15),
        ("fail", 0.3),
        ("lose_answer", 0.45),
        ("silence", 0.6),
        ("throttle", 0.75),
        ("gone", 0.9),
    ] {
        let rule = json!([{
            "function": "publisher", "operation": "PostToConnection", "share": share, "fault": fault,
        }]);
        stage.faults().forget().await;
        stage.faults().set(rule).await;
        let body = json!({"name": "e", "channel": "orders", "data": fault}).to_string();
        let reply = stage.post("/apps/1001/events", body).await;
        // So many at once are not refused for what they do.
        let is_accounts = fault == "throttle";
        assert_eq!(reply.status, if is_accounts { 503 } else { 200 }, "{fault}");
        stage.faults().lift().await;
        let mut made = stage.faults().made().await;
        made.retain(|made| made.fault.is_some());
        let hit = |id: &String| made.iter().any(|made| made.target == *id);
        let all = sockets.len();
        let count = sockets.iter().filter(|(_, id)| hit(id)).count();
        assert!((1..all).contains(&count), "{fault}: {count} of {all}");
        for (socket, id) in &mut sockets {
            let (copies, open) = copies(socket, fault).await;
            if hit(id) {
                assert!(copies <= 1, "{fault}: {copies} copies");
                assert!(
                    fault == "gone" || open == is_accounts,
                    "{fault}: open {open}"
                );
            } else {
                assert_eq!((copies, open), (1, true), "{fault}");
            }
        }
        // Whoever may have missed it is closed.
        sockets.retain(|(_, id)| is_accounts || !hit(id));
    }
}

#[tokio::test]
async fn a_recipient_that_is_gone_is_asked_once() {
    let stage = Stage::new();
    let mut sockets = recipients(&stage, RECIPIENTS).await;
    let posts = json!([{ "operation": "PostToConnection", "containing": sockets[0].1.replace('=', "%3D"), "fault": "gone" }]);
    stage.faults().set(posts).await;
    stage.faults().forget().await;
    for data in ["1", "2", "3"] {
        stage
            .publish(json!({"name": "e", "channel": "orders", "data": data}))
            .await;
        for (socket, _) in &mut sockets[1..] {
            assert_eq!(socket.expect("e").await["data"], data);
        }
        // Who is found gone is forgotten soon after.
        let others: Vec<&str> = sockets[1..].iter().map(|(_, id)| id.as_str()).collect();
        stage.only("orders", &others, NO_CASE).await;
    }
    let made = stage.faults().made().await;
    let asked = made
        .iter()
        .filter(|made| made.operation == "PostToConnection" && made.target == sockets[0].1);
    assert_eq!(asked.count(), 1);
}

#[tokio::test]
async fn a_publisher_that_dies_posts_nothing_twice() {
    let stage = Stage::new();
    let mut sockets = recipients(&stage, RECIPIENTS).await;
    for skip in 0..RECIPIENTS {
        for fault in ["kill", "kill_after"] {
            let data = format!("{skip} {fault}");
            let posts = json!([{
                "function": "publisher", "operation": "PostToConnection", "skip": skip, "times": 1,
                "fault": fault,
            }]);
            stage.faults().set(posts).await;
            let body = json!({"name": "e", "channel": "orders", "data": data}).to_string();
            let reply = stage.post("/apps/1001/events", body).await;
            assert_eq!(reply.status, 500, "{data}: {reply:?}");
            for (socket, _) in &mut sockets {
                let (copies, open) = copies(socket, &data).await;
                assert!(copies <= 1 && open, "{data}: {copies} copies");
            }
            // Whoever missed it can read it.
            let polled = stage.poll("channels=orders").await.json();
            let events = polled["events"].as_array().expect("a list").iter();
            assert_eq!(
                events
                    .filter(|event| event["data"] == data.as_str())
                    .count(),
                1
            );
        }
    }
}

#[tokio::test]
async fn what_the_table_never_answers_is_asked_again() {
    let stage = Stage::new();
    let silence = async |function: &str, operation: &str| {
        let rule = json!([{
            "function": function, "operation": operation, "times": 1, "fault": "silence",
        }]);
        stage.faults().forget().await;
        stage.faults().set(rule).await;
    };
    let met = async || {
        let made = stage.faults().made().await;
        assert!(made.iter().any(|made| made.fault.is_some()));
    };
    silence("connect", "write").await;
    let mut socket = Socket::connect(&stage).await;
    met().await;
    silence("message", "read").await;
    socket.subscribe("orders").await;
    met().await;
    silence("publisher", "read").await;
    stage.served(&mut socket, "orders", "1").await;
    met().await;
}

#[tokio::test]
async fn reads_that_ask_for_the_latest_get_it() {
    let stage = Stage::new();
    let stale = json!([{"operation": "read", "fault": "stale"}]);
    stage.faults().set(stale).await;
    let (mut socket, _) = stage.connect().await;
    socket.subscribe("orders").await;
    stage.served(&mut socket, "orders", "1").await;
    let polled = stage.poll("channels=orders").await.json();
    assert_eq!(polled["events"][0]["data"], "1", "{polled}");

    // The fault is one: who does not ask for the latest gets what was before the last write.
    let read = async |consistent: bool| {
        let key = json!({"pk": {"S": "chan/1001/orders"}, "sk": {"S": "chan"}});
        let item = stage
            .faults()
            .table("GetItem", json!({"Key": key, "ConsistentRead": consistent}))
            .await;
        item["Item"]["serial"]["N"]
            .as_str()
            .expect("a number")
            .to_owned()
    };
    stage.served(&mut socket, "orders", "2").await;
    // Its last write was to the log, the one before to the channel's item.
    assert_eq!(read(false).await, read(true).await);
    let hold = json!([
        {"operation": "PutItem", "containing": "log/1001/orders", "fault": "hold"},
        {"operation": "read", "fault": "stale"},
    ]);
    stage.faults().set(hold).await;
    let publishing = stage.served(&mut socket, "orders", "3");
    let reading = async {
        stage.faults().held(1).await;
        let (stale, latest) = (read(false).await, read(true).await);
        stage.faults().lift().await;
        (stale, latest)
    };
    let ((), (stale, latest)) = tokio::join!(publishing, reading);
    assert_ne!(stale, latest);
}
