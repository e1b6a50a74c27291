//! Webhooks: an operation succeeds even if its webhooks cannot be queued, and a queued webhook is sent.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Answers, PATIENCE, Receiver, Socket, System};

fn start(receiver: &Receiver) -> System {
    let settings = json!({"webhooks": [{"url": receiver.base}]});
    System::start_with_app(&settings, &["--faults", "--quiet"])
}

/// Waits until nobody is on a channel and nobody is counted.
async fn forgotten(system: &System, channel: &str, fault: &str) {
    let started = Instant::now();
    loop {
        let rows = system.table().rows(&format!("subs/1001/{channel}/")).await;
        let item = system.table().rows(&format!("chan/1001/{channel}")).await;
        if rows.is_empty() && item[0]["subscribers"] == 0 {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{fault}: {rows:?} {item:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_webhooks_are_not_told_happens_all_the_same() {
    let receiver = Receiver::start().await;
    let system = start(&receiver);
    let faults = system.faults();
    for fault in [
        "drop",
        "lose_answer",
        "throttle",
        "fail",
        "silence",
        "kill",
        "kill_after",
    ] {
        let channel = &format!("presence-{fault}");
        let mut rule = json!({"operation": "SendMessageBatch", "fault": fault});
        if fault.starts_with("kill") {
            // Of a `message` that dies API Gateway tells its client.
            rule["function"] = json!("disconnect");
        }
        faults.set(json!([rule])).await;
        let mut socket = Socket::connect(&system).await;
        socket.attend(channel, json!("u")).await;
        let roster = socket.roster(channel).await;
        assert_eq!(roster["count"], 1, "{fault}");
        let event = json!({"name": "e", "channel": channel, "data": ""});
        system.publish(event).await;
        socket.expect("e").await;
        socket.close().await;
        forgotten(&system, channel, fault).await;
        faults.lift().await;
    }
}

#[tokio::test]
async fn what_is_queued_is_told_at_least_once_whatever_happens_to_its_function() {
    let receiver = Receiver::start().await;
    let system = start(&receiver);
    let faults = system.faults();
    // It fails once, and then there is a fault where it is put off.
    for fault in ["drop", "lose_answer", "fail", "kill", "kill_after"] {
        receiver.answers_next(&[Answers::With(500)]);
        let rule = json!([{
            "function": "webhook", "operation": "SendMessageBatch", "times": 4, "fault": fault,
        }]);
        faults.set(rule).await;
        let before = receiver.told().len();
        let mut socket = Socket::connect(&system).await;
        socket.subscribe(fault).await;
        let told = receiver.until(before + 2).await;
        let expected = json!([{"name": "channel_occupied", "channel": fault}]);
        for told in &told[before..] {
            assert_eq!(Value::from(told.events()), expected, "{fault}");
            told.is_signed();
        }
        faults.lift().await;
        let started = Instant::now();
        loop {
            let queue = faults.queue("webhooks").await;
            if queue["waiting"] == 0 && queue["in_flight"] == 0 {
                assert_eq!(queue["dead"], json!([]), "{fault}");
                break;
            }
            assert!(started.elapsed() < PATIENCE, "{fault}: {queue}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    // What cannot be looked at is looked at again.
    let rule = json!([{"function": "webhook", "operation": "read", "times": 4, "fault": "fail"}]);
    faults.set(rule).await;
    let mut socket = Socket::connect(&system).await;
    socket.attend("presence-a", json!("u")).await;
    socket.roster("presence-a").await;
    socket.close().await;
    let started = Instant::now();
    let told = |name: &str| {
        let of = |event: &Value| event["name"] == name && event["channel"] == "presence-a";
        receiver.events().iter().any(of)
    };
    while !told("member_removed") || !told("channel_vacated") {
        assert!(started.elapsed() < PATIENCE, "{:?}", receiver.events());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
