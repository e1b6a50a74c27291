//! Resuming: which missed events a client that comes back is shown.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{Socket, System, inner};

use super::resume_steps::{ask, event, is_live, log, resume, serial};

/// Every kind of channel that a client may join by itself.
const KINDS: [&str; 8] = [
    "a",
    "private-a",
    "private-encrypted-a",
    "presence-a",
    "cache-a",
    "private-cache-a",
    "private-encrypted-cache-a",
    "presence-cache-a",
];

#[tokio::test]
async fn who_comes_back_is_shown_what_it_missed_and_then_what_is_published() {
    let system = System::start();
    for channel in KINDS {
        for n in 0..4 {
            system.publish(event(channel, &n.to_string())).await;
        }
        let serials = log(&system, channel).await;
        // They stay: on a presence channel their going would be told.
        let mut others = Vec::new();
        for missed in [3, 1, 0] {
            let mut socket = Socket::connect(&system).await;
            resume(&mut socket, channel, serials[3 - missed]).await;
            for (n, serial) in serials.iter().enumerate().skip(4 - missed) {
                let frame = json!({"event": "e", "channel": channel, "data": n.to_string(), "serial": serial});
                assert_eq!(socket.frame().await, frame);
            }
            socket.nothing_came().await;
            others.push(socket);
        }
        // From the beginning of what is kept.
        let mut socket = Socket::connect(&system).await;
        resume(&mut socket, channel, 0).await;
        for serial in serials {
            assert_eq!(socket.expect("e").await["serial"], serial);
        }
        is_live(&system, &mut socket, channel).await;
        // Whoever joins again without it is shown nothing but the last event.
        ask(&mut socket, channel, &Value::Null).await;
        socket
            .expect("pusher_internal:subscription_succeeded")
            .await;
        if channel.contains("cache") {
            socket.expect("e").await;
        }
        is_live(&system, &mut socket, channel).await;
    }
    let mut socket = Socket::connect(&system).await;
    resume(&mut socket, "nobody-has-published", 0).await;
    is_live(&system, &mut socket, "nobody-has-published").await;
}

#[tokio::test]
async fn nothing_is_lost_and_nothing_comes_twice_while_publishing_goes_on() {
    const EVENTS: usize = 300;
    let system = System::start_with(&["--quiet"]);
    system.publish(event("a", "first")).await;
    let first = log(&system, "a").await[0];
    let publishing = async {
        let mut every = tokio::time::interval(Duration::from_millis(20));
        for n in 0..EVENTS {
            every.tick().await;
            system.publish(event("a", &n.to_string())).await;
        }
    };
    let coming_back = async {
        let (mut came, mut drops) = (vec![first], 0);
        while came.len() <= EVENTS {
            let mut socket = Socket::connect(&system).await;
            resume(&mut socket, "a", came[came.len() - 1]).await;
            // Some of them before it is live, some long after.
            for _ in 0..[3, 40, 17][drops % 3] {
                if came.len() <= EVENTS {
                    came.push(serial(&socket.expect("e").await));
                }
            }
            if came.len() > EVENTS {
                socket.nothing_came().await;
            }
            socket.vanish();
            drops += 1;
        }
        (came, drops)
    };
    let ((), (came, drops)) = tokio::join!(publishing, coming_back);
    assert!(drops > 10, "{drops}");
    assert_eq!(came, log(&system, "a").await);
    let last = first + u64::try_from(EVENTS).expect("few");
    assert_eq!(came, (first..=last).collect::<Vec<_>>());
}

#[tokio::test]
async fn many_come_back_at_once_while_publishing_goes_on() {
    const EVENTS: usize = 60;
    let system = System::start_with(&["--quiet"]);
    system.publish(event("a", "first")).await;
    let first = log(&system, "a").await[0];
    let publishing = async {
        let mut every = tokio::time::interval(Duration::from_millis(20));
        for n in 0..EVENTS {
            every.tick().await;
            system.publish(event("a", &n.to_string())).await;
        }
    };
    let coming_back = (0..10).map(async |_| {
        let mut socket = Socket::connect(&system).await;
        resume(&mut socket, "a", first).await;
        let mut came = Vec::new();
        while came.len() < EVENTS {
            came.push(serial(&socket.expect("e").await));
        }
        socket.nothing_came().await;
        came
    });
    let ((), all) = tokio::join!(publishing, futures_util::future::join_all(coming_back));
    let last = first + u64::try_from(EVENTS).expect("few");
    for came in all {
        assert_eq!(came, (first + 1..=last).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn whoever_missed_more_than_is_kept_is_told_so() {
    let system = System::start();
    for n in 0..4 {
        system.publish(event("a", &n.to_string())).await;
        system.publish(event("cache-a", &n.to_string())).await;
    }
    for channel in ["a", "cache-a"] {
        let serials = log(&system, channel).await;
        // As if the time of the second and the third were long over, and they were deleted.
        for serial in &serials[1..3] {
            let key = json!({"pk": {"S": format!("log/1001/{channel}")}, "sk": {"S": format!("{serial:020}")}});
            system.table().call("DeleteItem", json!({"Key": key})).await;
        }
        let key = json!({"pk": {"S": format!("log/1001/{channel}")}, "sk": {"S": format!("{:020}", serials[3])}});
        let update = json!({
            "Key": key, "UpdateExpression": "SET previous_at = :past",
            "ExpressionAttributeValues": {":past": {"N": "1"}},
        });
        system.table().call("UpdateItem", update).await;

        let mut socket = Socket::connect(&system).await;
        resume(&mut socket, channel, serials[0]).await;
        let failed = socket.expect("pusher:resume_failed").await;
        assert_eq!(failed["channel"], channel);
        let told = json!({"after": serials[0], "oldest": serials[3]});
        assert_eq!(inner(&failed), told);
        if channel == "cache-a" {
            assert_eq!(socket.expect("e").await["serial"], serials[3]);
        }
        is_live(&system, &mut socket, channel).await;
        // What nothing was ever published under is not known.
        resume(&mut socket, channel, 999_999_999_999_999).await;
        let failed = socket.expect("pusher:resume_failed").await;
        assert_eq!(inner(&failed), json!({"after": 999_999_999_999_999_u64}));
        if channel == "cache-a" {
            socket.expect("e").await;
        }
        is_live(&system, &mut socket, channel).await;
    }
}

#[tokio::test]
async fn whoever_missed_more_than_it_is_shown_is_told_so() {
    let system = System::start_with(&["--quiet"]);
    system.publish(event("a", "first")).await;
    let batch: Vec<Value> = (0..10).map(|n| event("a", &n.to_string())).collect();
    for _ in 0..50 {
        let body = json!({"batch": batch}).to_string();
        let reply = system.post("/apps/1001/batch_events", body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    let serials = log(&system, "a").await;
    // A serial may be skipped: what counts is how far it is to the last one.
    let after = serials[serials.len() - 1] - 500;
    let missed: Vec<u64> = serials
        .into_iter()
        .filter(|serial| *serial > after)
        .collect();
    let mut socket = Socket::connect(&system).await;
    resume(&mut socket, "a", after).await;
    // What is published meanwhile was not missed.
    system.publish(event("a", "meanwhile")).await;
    for serial in &missed {
        assert_eq!(socket.expect("e").await["serial"], *serial);
    }
    assert_eq!(socket.expect("e").await["data"], "meanwhile");
    is_live(&system, &mut socket, "a").await;
    resume(&mut socket, "a", after).await;
    let failed = inner(&socket.expect("pusher:resume_failed").await);
    assert_eq!(failed, json!({"after": after, "oldest": missed[0]}));
    is_live(&system, &mut socket, "a").await;
}

#[tokio::test]
async fn a_serial_that_is_none_is_refused() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    for after in [
        json!(-1),
        json!(1.5),
        json!("7"),
        json!([]),
        json!(1_000_000_000_000_000_u64),
        json!(1e300),
    ] {
        ask(&mut socket, "a", &after).await;
        let refused = socket.expect("pusher:subscription_error").await;
        assert_eq!(
            (&refused["channel"], &refused["data"]["status"]),
            (&json!("a"), &json!(400)),
            "{after}"
        );
        let error = refused["data"]["error"].as_str().expect("text");
        assert!(error.contains("15 digits"), "{error}");
    }
    system.publish(event("a", "")).await;
    socket.nothing_came().await;
}

#[tokio::test]
async fn whoever_is_refused_is_shown_nothing() {
    let settings = json!({"max_presence_members": 1});
    let system = System::start_with_app(&settings, &["--quiet"]);
    for channel in ["private-a", "presence-a"] {
        system.publish(event(channel, "secret")).await;
    }
    let mut socket = Socket::connect(&system).await;
    let subscribe = json!({"channel": "private-a", "auth": "local-key:00", "after": 0});
    socket.send_event("pusher:subscribe", subscribe).await;
    socket.expect("pusher:subscription_error").await;
    let mut first = Socket::connect(&system).await;
    resume(&mut first, "presence-a", 0).await;
    first.expect("e").await;
    ask(&mut socket, "presence-a", &json!(0)).await;
    socket.expect("pusher:subscription_error").await;
    first.nothing_came().await;
    is_live(&system, &mut first, "presence-a").await;
    socket.nothing_came().await;
}

#[tokio::test]
async fn a_log_that_cannot_be_read_leaves_a_live_subscription_and_a_word() {
    let system = System::start_with(&["--faults"]);
    system.publish(event("a", "0")).await;
    system.publish(event("a", "1")).await;
    let after = log(&system, "a").await[0];
    for operation in ["Query", "TransactWriteItems"] {
        let rule = json!([{"function": "message", "operation": operation, "containing": "1001/a", "fault": "fail"}]);
        system.faults().set(rule).await;
        let mut socket = Socket::connect(&system).await;
        resume(&mut socket, "a", after).await;
        let (mut has, mut frame) = (after, socket.frame().await);
        while frame["event"] == "e" {
            has = serial(&frame);
            frame = socket.frame().await;
        }
        assert_eq!(frame["event"], "pusher:resume_failed");
        assert_eq!(inner(&frame), json!({"after": has}), "{operation}");
        assert_eq!(has == after, operation == "Query");
        system.faults().lift().await;
        system.publish(event("a", "live")).await;
        assert_eq!(socket.expect("e").await["data"], "live");
        socket.nothing_came().await;
    }
}
