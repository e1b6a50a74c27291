//! Receivers that refuse, hang or are not public, and when a webhook is retried.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{Answers, PATIENCE, Receiver, Socket, System};
use tokio::net::TcpListener;

use super::steps::{all_done, start};

#[tokio::test]
async fn what_a_receiver_refuses_it_gets_again() {
    let receiver = Receiver::start().await;
    receiver.answers_next(&[Answers::With(500), Answers::With(302)]);
    let system = start(
        json!([{"url": receiver.base, "events": ["channel_occupied"]}]),
        &[],
    );
    Socket::connect(&system).await.subscribe("a").await;
    let told = receiver.until(3).await;
    all_done(&system).await;
    assert_eq!(receiver.told().len(), 3);
    for (told, pause_secs) in told.windows(2).zip([1, 2]) {
        assert_eq!(
            (&told[0].body, &told[1].path),
            (&told[1].body, &"/".to_owned())
        );
        assert!(
            told[1].at - told[0].at >= Duration::from_secs(pause_secs),
            "{told:?}"
        );
        told[1].is_signed();
    }
}

#[tokio::test]
async fn what_no_receiver_takes_is_kept_among_the_dead() {
    let receiver = Receiver::start().await;
    receiver.answers(Answers::With(503));
    let webhooks = json!([{"url": receiver.base, "events": ["channel_occupied"]}]);
    let system = start(webhooks, &["--webhook-patience", "1"]);
    Socket::connect(&system).await.subscribe("a").await;
    receiver.until(2).await;
    all_done(&system).await;
    assert_eq!(receiver.told().len(), 2);
    let queue = system.faults().queue("webhooks").await;
    let dead = queue["dead"].as_array().expect("a list");
    assert_eq!(dead.len(), 1, "{queue}");
    let dead: Value = serde_json::from_str(dead[0]["body"].as_str().expect("text")).expect("JSON");
    let event = json!({"name": "channel_occupied", "channel": "a"});
    assert_eq!(
        (
            &dead["problem"],
            &dead["events"][0]["event"],
            dead.get("tried")
        ),
        (&json!("answered 503"), &event, None)
    );
}

#[tokio::test]
async fn a_receiver_that_hangs_keeps_nobody_waiting() {
    let (hanging, other) = (Receiver::start().await, Receiver::start().await);
    hanging.answers(Answers::Never);
    let events = ["channel_occupied"];
    let webhooks = json!([
        {"url": hanging.base, "events": events},
        {"url": other.base, "events": events},
    ]);
    // Such a receiver is left alone for a second.
    let system = start(webhooks, &["--webhook-patience", "20"]);
    let mut socket = Socket::connect(&system).await;
    for n in 0..3 {
        socket.subscribe(&format!("channel-{n}")).await;
        socket.expect("pusher_internal:subscription_count").await;
    }
    let hangs_since = hanging.until(1).await[0].at;
    let told = other.until(3).await;
    // All of them before the first one was given up.
    let last = told.iter().map(|told| told.at).max().expect("three");
    assert!(last - hangs_since < Duration::from_secs(5), "{told:?}");
    for n in 3..20 {
        socket.subscribe(&format!("channel-{n}")).await;
        socket.expect("pusher_internal:subscription_count").await;
    }
    other.until(20).await;
    // What was not answered is told again.
    hanging.answers(Answers::With(204));
    let sorted = |receiver: &Receiver| -> Vec<String> {
        let mut names: Vec<_> = receiver.events().iter().map(Value::to_string).collect();
        names.dedup();
        names
    };
    let started = Instant::now();
    while sorted(&hanging).len() < 20 {
        assert!(started.elapsed() < PATIENCE, "{:?}", sorted(&hanging));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(other.told().len(), 20);
}

#[tokio::test]
async fn an_address_that_is_not_public_is_not_asked() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    for host in ["127.0.0.1", "localhost", "[::1]"] {
        let webhooks =
            json!([{"url": format!("https://{host}:{port}/"), "events": ["channel_occupied"]}]);
        let arguments = ["--webhooks-to", "public", "--webhook-patience", "0"];
        let system = start(webhooks, &arguments);
        Socket::connect(&system).await.subscribe("a").await;
        let started = Instant::now();
        let dead = loop {
            let queue = system.faults().queue("webhooks").await;
            if let Some(dead) = queue["dead"].get(0) {
                break dead["body"].to_string();
            }
            assert!(started.elapsed() < PATIENCE, "{queue}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert!(dead.contains("is no public address"), "{host}: {dead}");
    }
    tokio::select! {
        biased;
        came = listener.accept() => panic!("{came:?}"),
        () = std::future::ready(()) => {}
    }
    let plain = json!({"webhooks": [{"url": "http://example.com/"}]});
    let file = std::env::temp_dir().join(format!("plain-{}.json", std::process::id()));
    let mut app = json!({"id": "1001", "key": "k", "secret": "s"});
    app["webhooks"] = plain["webhooks"].clone();
    std::fs::write(&file, json!([app]).to_string()).expect("written");
    let path = file.to_str().expect("a path");
    let refused = System::refused(&["--apps", path, "--webhooks-to", "public", "--port", "0"]);
    std::fs::remove_file(&file).expect("removed");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("https"),
        "{said}"
    );
}
