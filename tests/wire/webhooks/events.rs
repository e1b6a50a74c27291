//! Which events an app's own server is told of, once and signed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{PATIENCE, Receiver, Socket, System, now_secs};

use super::steps::{all_done, counted, settled, start, unsubscribe};

#[tokio::test]
async fn everything_that_happens_is_told_once_and_signed() {
    let receiver = Receiver::start().await;
    let url = format!("{}/hooks?from=channels", receiver.base);
    let system = start(
        json!([{"url": url, "headers": {"X-From": "channels"}}]),
        &[],
    );
    let began_ms = now_secs() * 1_000;
    let of = "presence-cache-a";
    let mut one = Socket::connect(&system).await;
    let mut other = Socket::connect(&system).await;
    one.attend(of, json!("u1")).await;
    one.roster(of).await;
    one.expect("pusher:cache_miss").await;
    other.attend(of, json!("u2")).await;
    other.roster(of).await;
    other.expect("pusher:cache_miss").await;
    one.expect("pusher_internal:member_added").await;
    for data in [json!({"n": 1}), json!("text")] {
        let said = json!({"event": "client-e", "channel": of, "data": data});
        one.send_text(said.to_string()).await;
        other.expect("client-e").await;
    }
    other.subscribe("b").await;
    other.expect("pusher_internal:subscription_count").await;
    let socket_id = one.socket_id.clone();
    let expected = [
        json!({"name": "channel_occupied", "channel": of}),
        json!({"name": "member_added", "channel": of, "user_id": "u1"}),
        // Only once, however many miss it.
        json!({"name": "cache_miss", "channel": of}),
        json!({"name": "member_added", "channel": of, "user_id": "u2"}),
        json!({"name": "client_event", "channel": of, "event": "client-e", "data": "{\"n\":1}", "socket_id": socket_id, "user_id": "u1"}),
        json!({"name": "client_event", "channel": of, "event": "client-e", "data": "text", "socket_id": socket_id, "user_id": "u1"}),
        json!({"name": "channel_occupied", "channel": "b"}),
        json!({"name": "subscription_count", "channel": "b", "subscription_count": 1}),
    ];
    let sorted = |events: &[Value]| {
        let mut events = events.to_vec();
        events.sort_by_key(Value::to_string);
        events
    };
    receiver.until(expected.len()).await;
    all_done(&system).await;
    assert_eq!(receiver.events(), sorted(&expected));
    // Those who go are told of when they have not come back.
    let left = Instant::now();
    one.close().await;
    other.close().await;
    let gone = [
        json!({"name": "member_removed", "channel": of, "user_id": "u1"}),
        json!({"name": "member_removed", "channel": of, "user_id": "u2"}),
        json!({"name": "channel_vacated", "channel": of}),
        json!({"name": "channel_vacated", "channel": "b"}),
    ];
    let told = receiver.until(expected.len() + gone.len()).await;
    all_done(&system).await;
    assert_eq!(receiver.events(), sorted(&[&expected[..], &gone].concat()));
    for told in &told[expected.len()..] {
        assert!(told.at - left >= Duration::from_secs(3), "{told:?}");
    }
    for told in told {
        told.is_signed();
        assert_eq!((told.path.as_str(), told.events().len()), ("/hooks", 1));
        assert_eq!(told.header("x-from"), Some("channels"));
        let time_ms = told.json()["time_ms"].as_u64().expect("a number");
        assert!((began_ms..=now_secs() * 1_000 + 1_000).contains(&time_ms));
        assert_eq!(told.json().as_object().expect("an object").len(), 2);
    }
    let queue = system.faults().queue("webhooks").await;
    assert_eq!(queue["dead"], json!([]));
}

#[tokio::test]
async fn a_publication_makes_the_next_miss_another_one() {
    let receiver = Receiver::start().await;
    let webhooks = json!([{"url": receiver.base, "events": ["cache_miss"]}]);
    let settings = json!({"cache_seconds": 1, "webhooks": webhooks});
    let system = System::start_with_app(&settings, &["--faults"]);
    for count in 1..=2 {
        for _ in 0..2 {
            let mut socket = Socket::connect(&system).await;
            socket.subscribe("cache-a").await;
            socket.expect("pusher:cache_miss").await;
        }
        receiver.until(count).await;
        let event = json!({"name": "e", "channel": "cache-a", "data": ""});
        system.publish(event).await;
        // What was kept is shown for a second.
        let started = Instant::now();
        loop {
            let mut socket = Socket::connect(&system).await;
            socket.subscribe("cache-a").await;
            if count == 2 || socket.frame().await["event"] == "pusher:cache_miss" {
                break;
            }
            assert!(started.elapsed() < PATIENCE, "it is kept for ever");
        }
    }
    all_done(&system).await;
    assert_eq!(receiver.told().len(), 2);
}

#[tokio::test]
async fn a_webhook_gets_what_it_asked_for_and_an_app_without_one_asks_the_queue_nothing() {
    let (all, some) = (Receiver::start().await, Receiver::start().await);
    let system = start(
        json!([
            {"url": all.base, "events": ["channel_occupied"]},
            {
                "url": some.base, "events": ["channel_occupied", "member_added"],
                "filter_by_prefix": "presence-", "filter_by_suffix": "-eu",
            },
        ]),
        &[],
    );
    let mut socket = Socket::connect(&system).await;
    for channel in ["presence-a-eu", "presence-a-us"] {
        socket.attend(channel, json!("u")).await;
        socket.roster(channel).await;
    }
    socket.subscribe("a-eu").await;
    all.until(3).await;
    some.until(2).await;
    all_done(&system).await;
    let occupied = |channel: &str| json!({"name": "channel_occupied", "channel": channel});
    assert_eq!(
        all.events(),
        ["a-eu", "presence-a-eu", "presence-a-us"].map(occupied)
    );
    let added = json!({"name": "member_added", "channel": "presence-a-eu", "user_id": "u"});
    let mut expected = [occupied("presence-a-eu"), added];
    expected.sort_by_key(Value::to_string);
    assert_eq!(some.events(), expected);

    let without = System::start_with(&["--faults"]);
    let mut socket = Socket::connect(&without).await;
    socket.attend("presence-cache-a", json!("u")).await;
    socket.roster("presence-cache-a").await;
    socket.close().await;
    counted(&without, "presence-cache-a", 0).await;
    let made = without.faults().made().await;
    assert!(
        made.iter().all(|made| made.target != "webhooks"),
        "{made:?}"
    );
}

/// Goes from a presence channel and comes back, twice, and says whether that was within the time for
/// which its going is held.
async fn comes_back(system: &System, socket: &mut Socket, of: &str) -> bool {
    let left = Instant::now();
    for _ in 0..2 {
        unsubscribe(socket, of).await;
        counted(system, of, 0).await;
        settled(system, of).await;
        socket.attend(of, json!("u")).await;
        socket.roster(of).await;
    }
    left.elapsed() < Duration::from_secs(2)
}

#[tokio::test]
async fn who_comes_back_soon_has_never_been_away() {
    let receiver = Receiver::start().await;
    let system = start(json!([{"url": receiver.base}]), &[]);
    // On a busy machine it may take longer. Whoever was too slow stays: that it goes would be told, too.
    let mut slow = Vec::new();
    let (mut socket, of, before) = loop {
        let of = format!("presence-{}", slow.len());
        let mut socket = Socket::connect(&system).await;
        let before = receiver.told().len();
        socket.attend(&of, json!("u")).await;
        socket.roster(&of).await;
        receiver.until(before + 2).await;
        if comes_back(&system, &mut socket, &of).await {
            break (socket, of, before);
        }
        all_done(&system).await;
        slow.push(socket);
    };
    let started = Instant::now();
    // They are queued after the answer.
    while system.faults().queue("webhooks").await["waiting"] != 4 {
        assert!(started.elapsed() < PATIENCE, "they are not held");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    all_done(&system).await;
    let told = receiver.told();
    assert_eq!(told.len(), before + 2, "{told:?}");
    // The last word is the state, whoever went last.
    unsubscribe(&mut socket, &of).await;
    let told = receiver.until(before + 4).await;
    all_done(&system).await;
    let of_channel = |told: &[tests::Told]| -> Vec<String> {
        let events = told.iter().flat_map(tests::Told::events);
        let mut names: Vec<_> = events.map(|event| event["name"].to_string()).collect();
        names.sort();
        names
    };
    assert_eq!(
        of_channel(&told[before..]),
        [
            "\"channel_occupied\"",
            "\"channel_vacated\"",
            "\"member_added\"",
            "\"member_removed\"",
        ]
    );
    // What had gone for good has come when it comes again.
    socket.attend(&of, json!("u")).await;
    socket.roster(&of).await;
    let told = receiver.until(before + 6).await;
    assert_eq!(
        of_channel(&told[before + 4..]),
        ["\"channel_occupied\"", "\"member_added\""]
    );
}

#[tokio::test]
async fn what_happens_at_once_is_told_at_once_where_the_app_batches() {
    let receiver = Receiver::start().await;
    let webhooks = json!([{"url": receiver.base}]);
    let settings = json!({"webhooks": webhooks, "webhook_batching": true});
    let system = System::start_with_app(&settings, &["--faults"]);
    let mut socket = Socket::connect(&system).await;
    let channels: Vec<String> = (0..30).map(|n| format!("channel-{n}")).collect();
    socket.attend("presence-a", json!("u")).await;
    socket.roster("presence-a").await;
    let told = receiver.until(1).await;
    assert_eq!(told[0].events().len(), 2, "{told:?}");
    for channel in &channels {
        socket.subscribe(channel).await;
    }
    let started = Instant::now();
    while receiver.events().len() < 32 {
        assert!(started.elapsed() < PATIENCE, "{:?}", receiver.events());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let before = receiver.told().len();
    system.faults().forget().await;
    socket.close().await;
    let told = receiver.until(before + 1).await;
    assert_eq!(told[before].events().len(), 32, "{told:?}");
    told[before].is_signed();
    let made = system.faults().made().await;
    let sent = made.iter().filter(|made| made.target == "webhooks");
    assert_eq!(sent.count(), 1, "{made:?}");
}
