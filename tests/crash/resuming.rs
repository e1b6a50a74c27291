//! Joining a channel after a serial, as a client that comes back does.

use serde_json::{Value, json};
use tests::{PATIENCE, Socket};

use crate::stage::{Stage, cases};

async fn ask(socket: &mut Socket, channel: &str, after: u64) {
    let subscribe = json!({"channel": channel, "after": after});
    socket.send_event("pusher:subscribe", subscribe).await;
}

/// The next frame; `None` for API Gateway's own error, which has no event.
async fn frame(socket: &mut Socket) -> Option<Value> {
    let message = socket.message().await.expect("open");
    let frame: Value = serde_json::from_str(message.to_text().expect("text")).expect("JSON");
    frame["event"].is_string().then_some(frame)
}

async fn publish(stage: &Stage, channel: &str, data: &str) {
    stage
        .publish(json!({"name": "e", "channel": channel, "data": data}))
        .await;
}

/// The serial of a channel's only publication.
async fn serial(stage: &Stage, channel: &str) -> u64 {
    let rows = stage.table().rows(&format!("log/1001/{channel}")).await;
    let serial = rows[0]["sk"].as_str().expect("a key").parse();
    serial.expect("a serial")
}

#[tokio::test]
async fn a_subscriber_whose_reader_died_is_reached_again() {
    let stage = Stage::new();
    for fault in ["kill", "kill_after"] {
        let channel = &format!("c-{fault}");
        publish(&stage, channel, "0").await;
        let (mut socket, _) = stage.connect().await;
        // When it would be acknowledged.
        let rule = json!([{"function": "message", "operation": "PostToConnection", "times": 1, "fault": fault}]);
        stage.faults().set(rule).await;
        ask(&mut socket, channel, 0).await;
        while frame(&mut socket).await.is_some() {}
        stage.faults().lift().await;
        // It is still held.
        publish(&stage, channel, "held").await;
        socket.nothing_came().await;
        let rows = stage.table().rows(&format!("subs/1001/{channel}/")).await;
        let until = rows[0]["held_until"].as_u64().expect("a time");
        let at = rows[0]["at"].as_u64().expect("a time");
        assert!((20_001..=60_000).contains(&(until - at)), "{rows:?}");
        // That time is over.
        let over = json!({
            "Key": { "pk": { "S": rows[0]["pk"] }, "sk": { "S": rows[0]["sk"] } },
            "UpdateExpression": "SET held_until = :past",
            "ExpressionAttributeValues": { ":past": { "N": "1" } },
        });
        stage.table().call("UpdateItem", over).await;
        stage.served(&mut socket, channel, "later").await;
        socket.nothing_came().await;
    }
}

#[tokio::test]
async fn who_asks_again_after_a_crash_has_missed_nothing() {
    let stage = Stage::new();
    let (mut steady, steady_id) = stage.connect().await;
    publish(&stage, "count", "0").await;
    let (mut first, _) = stage.connect().await;
    stage.faults().forget().await;
    ask(&mut first, "count", 0).await;
    first.acknowledged("count").await;
    first.expect("e").await;
    let started = std::time::Instant::now();
    while stage.writes_of("message").await < 4 {
        assert!(started.elapsed() < PATIENCE, "it does not go live");
    }
    for (n, case) in cases(4).enumerate() {
        let channel = &format!("c{n}");
        steady.subscribe(channel).await;
        publish(&stage, channel, "0").await;
        steady.expect("e").await;
        let mut has = serial(&stage, channel).await;
        publish(&stage, channel, "1").await;
        steady.expect("e").await;
        let (mut resuming, _) = stage.connect().await;
        stage.fail("message", case).await;
        ask(&mut resuming, channel, has).await;
        // Whatever it is told, until that is known: an error, or an end of the frames.
        let mut asked_again = false;
        let mut came = Vec::new();
        let mut published = false;
        loop {
            let told = frame(&mut resuming).await;
            let name = told
                .as_ref()
                .map(|told| told["event"].as_str().expect("text"));
            match name {
                Some("pusher_internal:subscription_succeeded") => {}
                Some("e") => {
                    let told = told.expect("a frame");
                    has = told["serial"].as_u64().expect("a serial");
                    came.push(told["data"].as_str().expect("text").to_owned());
                }
                // What could not be written, or not be shown: it asks for it again.
                Some("pusher:subscription_error" | "pusher:resume_failed") | None
                    if !asked_again =>
                {
                    asked_again = true;
                    stage.faults().lift().await;
                    ask(&mut resuming, channel, has).await;
                }
                other => panic!("{case:?}: {other:?}"),
            }
            if came == ["1"] && !published {
                published = true;
                stage.faults().lift().await;
                publish(&stage, channel, "2").await;
                steady.expect("e").await;
            }
            if came.last().is_some_and(|last| last == "2") {
                break;
            }
        }
        assert_eq!(came, ["1", "2"], "{case:?}");
        stage.served(&mut steady, channel, "3").await;
        stage.check(channel, case).await;
        drop(resuming);
        stage.only(channel, &[&steady_id], case).await;
    }
}
