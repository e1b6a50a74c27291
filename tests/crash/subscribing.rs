//! Subscribing and unsubscribing.

use serde_json::{Value, json};
use tests::Socket;

use crate::stage::{Stage, cases};

/// Asks to join and gives what came of it; `None` for API Gateway's own error.
async fn ask(socket: &mut Socket, channel: &str) -> Option<bool> {
    socket
        .send_event("pusher:subscribe", json!({"channel": channel}))
        .await;
    let message = socket.message().await.expect("open");
    let frame: Value = serde_json::from_str(message.to_text().expect("text")).expect("JSON");
    match frame["event"].as_str() {
        Some("pusher_internal:subscription_succeeded") => Some(true),
        Some("pusher:subscription_error") => Some(false),
        Some(other) => panic!("{other}: {frame}"),
        None => None,
    }
}

#[tokio::test]
async fn who_was_told_of_a_subscription_has_it() {
    let stage = Stage::new();
    let (mut steady, steady_id) = stage.connect().await;
    let (mut first, _) = stage.connect().await;
    stage.faults().forget().await;
    first.subscribe("count").await;
    let writes = stage.writes_of("message").await;
    assert_eq!(writes, 3);
    for (n, case) in cases(writes).enumerate() {
        let channel = &format!("c{n}");
        steady.subscribe(channel).await;
        let (mut joining, joining_id) = stage.connect().await;
        stage.fail("message", case).await;
        let told = ask(&mut joining, channel).await;
        stage.faults().lift().await;
        stage.served(&mut steady, channel, "1").await;
        stage.check(channel, case).await;
        match told {
            Some(true) => assert_eq!(joining.expect("e").await["data"], "1", "{case:?}"),
            // It may or may not have joined; asking again is what a client does.
            _ => loop {
                joining
                    .send_event("pusher:subscribe", json!({"channel": channel}))
                    .await;
                let mut frame = joining.frame().await;
                if frame["event"] == "e" {
                    frame = joining.frame().await;
                }
                if frame["event"] == "pusher_internal:subscription_succeeded" {
                    break;
                }
            },
        }
        stage.served(&mut steady, channel, "2").await;
        assert_eq!(joining.expect("e").await["data"], "2", "{case:?}");
        joining.nothing_came().await;
        let (rows, _) = stage.subscribers(channel).await;
        assert_eq!(rows.len(), 2, "{case:?}: {rows:?}");

        // Whatever it left behind goes with it.
        drop(joining);
        stage.only(channel, &[&steady_id], case).await;
        stage.served(&mut steady, channel, "3").await;
        stage.check(channel, case).await;
        assert!(!stage.connections().await.contains(&joining_id));
    }
    steady.nothing_came().await;
}

#[tokio::test]
async fn a_subscription_that_was_begun_and_left_is_forgotten() {
    let stage = Stage::new();
    let (mut steady, steady_id) = stage.connect().await;
    for (n, case) in cases(3).enumerate() {
        let channel = &format!("c{n}");
        steady.subscribe(channel).await;
        let (mut leaving, _) = stage.connect().await;
        stage.fail("message", case).await;
        ask(&mut leaving, channel).await;
        stage.faults().lift().await;
        leaving.close().await;
        // The first publication that finds it gone removes what `disconnect` could not know of.
        for data in ["1", "2"] {
            stage.served(&mut steady, channel, data).await;
        }
        stage.only(channel, &[&steady_id], case).await;
        stage.check(channel, case).await;
    }
    steady.nothing_came().await;
}

#[tokio::test]
async fn who_leaves_again_has_left_and_nobody_else_has() {
    let stage = Stage::new();
    let (mut steady, steady_id) = stage.connect().await;
    let (mut leaving, _) = stage.connect().await;
    let (mut staying, _) = stage.connect().await;
    staying.subscribe("count").await;
    leaving.subscribe("count").await;
    stage.faults().forget().await;
    leaving
        .send_event("pusher:unsubscribe", json!({"channel": "count"}))
        .await;
    leaving.left(&stage, "count").await;
    let writes = stage.writes_of("message").await;
    assert_eq!(writes, 3);
    for (n, case) in cases(writes).enumerate() {
        let channel = &format!("c{n}");
        steady.subscribe(channel).await;
        leaving.subscribe(channel).await;
        stage.fail("message", case).await;
        leaving
            .send_event("pusher:unsubscribe", json!({"channel": channel}))
            .await;
        // It has no answer but an error, which need not come.
        stage.met_once(case).await;
        stage.faults().lift().await;
        stage.faults().forget().await;
        stage.served(&mut steady, channel, "1").await;
        stage.check(channel, case).await;
        leaving
            .send_event("pusher:unsubscribe", json!({"channel": channel}))
            .await;
        stage.only(channel, &[&steady_id], case).await;
        stage.served(&mut steady, channel, "2").await;
        stage.check(channel, case).await;
        // It may have got the first, and errors; never the second.
        leaving.send_event("pusher:ping", json!({})).await;
        loop {
            let message = leaving.message().await.expect("open");
            let frame: Value =
                serde_json::from_str(message.to_text().expect("text")).expect("JSON");
            if frame["event"] == "pusher:pong" {
                break;
            }
            assert_ne!(frame["data"], "2", "{case:?}");
        }
    }
    steady.nothing_came().await;
}

#[tokio::test]
async fn a_channel_that_the_last_one_leaves_is_occupied_no_more() {
    let stage = Stage::new();
    let (mut leaving, _) = stage.connect().await;
    leaving.subscribe("count").await;
    stage.faults().forget().await;
    leaving
        .send_event("pusher:unsubscribe", json!({"channel": "count"}))
        .await;
    leaving.left(&stage, "count").await;
    // One more than for one of several: it is counted out as one of them, which is refused.
    let writes = stage.writes_of("message").await;
    assert_eq!(writes, 4);
    for (n, case) in cases(writes).enumerate() {
        let channel = &format!("c{n}");
        let (mut leaving, id) = stage.connect().await;
        leaving.subscribe(channel).await;
        stage.fail("message", case).await;
        leaving
            .send_event("pusher:unsubscribe", json!({"channel": channel}))
            .await;
        stage.met_once(case).await;
        stage.faults().lift().await;
        stage.faults().forget().await;
        leaving
            .send_event("pusher:unsubscribe", json!({"channel": channel}))
            .await;
        stage.only(channel, &[], case).await;
        stage.check(channel, case).await;
        // Whoever comes now is on it, whatever the count was left at.
        let (mut last, last_id) = stage.connect().await;
        last.subscribe(channel).await;
        stage.served(&mut last, channel, "1").await;
        stage.check(channel, case).await;
        stage.only(channel, &[&last_id], case).await;
        assert_ne!(id, last_id);
        last.close().await;
        stage.only(channel, &[], case).await;
        stage.check(channel, case).await;
    }
}
