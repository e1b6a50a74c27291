//! Polling: the publications after a serial, in order.

use serde_json::{Value, json};
use tests::{PATIENCE, Socket, System};

fn data_of(polled: &Value) -> Vec<&str> {
    polled["events"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|event| event["data"].as_str().expect("text"))
        .collect()
}

#[tokio::test]
async fn a_poll_goes_on_where_the_last_one_ended() {
    let system = System::start();
    let empty = system.poll("channels=a,b").await;
    assert_eq!(
        (empty.status, empty.header("access-control-allow-origin")),
        (200, Some("*")),
        "{empty:?}"
    );
    assert_eq!(empty.json(), json!({"events": [], "after": "0,0"}));
    assert_eq!(empty.header("retry-after"), Some("30"));

    for n in 0..3 {
        system.publish(json!({"name": "progress", "channel": "a", "data": json!({"value": n}).to_string()})).await;
    }
    system
        .publish(json!({"name": "e", "channel": "b", "data": "not JSON"}))
        .await;
    let reply = system.poll("channels=a,b&after=0,0").await;
    assert_eq!(reply.header("retry-after"), Some("1"));
    let polled = reply.json();
    assert_eq!(
        data_of(&polled),
        [
            "{\"value\":0}",
            "{\"value\":1}",
            "{\"value\":2}",
            "not JSON"
        ]
    );
    let first = &polled["events"][0];
    assert_eq!(
        (&first["type"], &first["channel"], &first["value"]),
        (&json!("progress"), &json!("a"), &json!(0))
    );
    let serials: Vec<u64> = (0..3)
        .map(|n| polled["events"][n]["serial"].as_u64().expect("a serial"))
        .collect();
    assert_eq!((serials[1], serials[2]), (serials[0] + 1, serials[0] + 2));

    let after = polled["after"].as_str().expect("text");
    assert_eq!(
        data_of(
            &system
                .poll(&format!("channels=a,b&after={after}"))
                .await
                .json()
        ),
        Vec::<&str>::new()
    );
    system
        .publish(json!({"name": "e", "channel": "a", "data": "next"}))
        .await;
    let polled = system
        .poll(&format!("channels=a,b&after={after}"))
        .await
        .json();
    assert_eq!(data_of(&polled), ["next"]);
    assert!(polled.get("truncated").is_none(), "{polled}");
    // From the middle.
    let polled = system
        .poll(&format!("channels=a&after={}", serials[1]))
        .await
        .json();
    assert_eq!(data_of(&polled), ["{\"value\":2}", "next"]);
}

#[tokio::test]
async fn who_begins_now_is_shown_nothing_from_before() {
    let system = System::start();
    let nothing = system.poll("channels=a,cache-b&after=now,now").await;
    assert_eq!(nothing.json(), json!({"events": [], "after": "0,0"}));
    for (channel, data) in [("a", "0"), ("a", "1"), ("cache-b", "2"), ("cache-b", "3")] {
        system
            .publish(json!({"name": "e", "channel": channel, "data": data}))
            .await;
    }
    let all = system.poll("channels=a,cache-b&after=0,0").await.json();
    assert_eq!(data_of(&all), ["0", "1", "2", "3"]);
    // The last one of a channel that keeps it is not from before.
    let now = system.poll("channels=a,cache-b&after=now,now").await.json();
    assert_eq!(data_of(&now), ["3"]);
    assert_eq!(now["after"], all["after"]);
    let after = now["after"].as_str().expect("text");
    system
        .publish(json!({"name": "e", "channels": ["a", "cache-b"], "data": "4"}))
        .await;
    let next = system
        .poll(&format!("channels=a,cache-b&after={after}"))
        .await
        .json();
    assert_eq!(data_of(&next), ["4", "4"]);
    let serial = all["events"][0]["serial"].as_u64().expect("a serial");
    let mixed = system
        .poll(&format!("channels=cache-b,a&after=now,{serial}"))
        .await
        .json();
    assert_eq!(data_of(&mixed), ["4", "1", "4"]);
}

#[tokio::test]
async fn a_long_log_comes_in_parts() {
    let system = System::start_with(&["--quiet"]);
    let channels: Vec<String> = (0..2).map(|n| format!("c{n}")).collect();
    for n in 0..120 {
        system
            .publish(
                json!({"name": "e", "channels": channels, "data": format!("{n:05}").repeat(1_000)}),
            )
            .await;
    }
    let (mut after, mut seen) = ("0,0".to_owned(), [0, 0]);
    while seen != [120, 120] {
        let reply = system.poll(&format!("channels=c0,c1&after={after}")).await;
        let polled = reply.json();
        assert!(reply.text.len() < 1_000_000, "{}", reply.text.len());
        for event in polled["events"].as_array().expect("a list") {
            let channel = usize::from(event["channel"] == "c1");
            assert_eq!(
                event["data"].as_str().expect("text")[..5],
                format!("{:05}", seen[channel])
            );
            seen[channel] += 1;
        }
        assert_ne!(polled["after"], after, "it gets on");
        after = polled["after"].as_str().expect("text").to_owned();
    }
}

#[tokio::test]
async fn a_bad_poll_is_explained() {
    let system = System::start();
    let many: Vec<String> = (0..21).map(|n| format!("c{n}")).collect();
    for (status, query) in [
        (400, String::new()),
        (400, "channels=".to_owned()),
        (400, "channels=a,a".to_owned()),
        (400, "channels=a&channels=b".to_owned()),
        (400, "channels=a%20b".to_owned()),
        (400, format!("channels={}", many.join(","))),
        (400, "channels=a&after=x".to_owned()),
        (400, "channels=a&after=-1".to_owned()),
        (400, "channels=a&after=now,now".to_owned()),
        (400, "channels=a&after=1,2".to_owned()),
        (403, "channels=private-a".to_owned()),
        (403, "channels=presence-a".to_owned()),
    ] {
        let reply = system.poll(&query).await;
        assert_eq!(reply.status, status, "{query}: {reply:?}");
        assert!(reply.json()["error"].is_string(), "{reply:?}");
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    }
    assert_eq!(
        system
            .request("GET", "/status/no-such-key?channels=a", Vec::new())
            .await
            .status,
        404
    );
    let preflight = system
        .request("OPTIONS", "/status/local-key?channels=a", Vec::new())
        .await;
    assert_eq!(
        (
            preflight.status,
            preflight.header("access-control-allow-origin")
        ),
        (204, Some("*"))
    );
}

/// Polls from the beginning until so many publications are there.
async fn poll_until(system: &System, channel: &str, count: usize) -> Value {
    let started = std::time::Instant::now();
    loop {
        let polled = system.poll(&format!("channels={channel}")).await.json();
        if data_of(&polled).len() >= count {
            return polled;
        }
        assert!(started.elapsed() < PATIENCE, "{polled}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

fn event(data: &str) -> Value {
    json!({"name": "e", "channel": "a", "data": data})
}

const LOG_WRITE: &str = "log/1001/a";

#[tokio::test]
async fn what_overtakes_waits_for_what_it_overtook() {
    let system = System::start_with(&["--faults"]);
    let faults = system.faults();
    system.publish(event("0")).await;
    faults
        .set(
            json!([{"operation": "PutItem", "containing": LOG_WRITE, "times": 1, "fault": "hold"}]),
        )
        .await;
    let overtaking = async {
        faults.held(1).await;
        system.publish(event("2")).await;
        let polled = system.poll("channels=a").await;
        // More is under way: come back soon.
        assert_eq!(polled.header("retry-after"), Some("1"));
        assert_eq!(data_of(&polled.json()), ["0"]);
        faults.lift().await;
    };
    tokio::join!(system.publish(event("1")), overtaking);
    assert_eq!(
        data_of(&system.poll("channels=a").await.json()),
        ["0", "1", "2"]
    );
}

#[tokio::test]
async fn a_publisher_that_died_holds_nobody_up() {
    let system = System::start_with(&["--faults"]);
    let faults = system.faults();
    for first in [true, false] {
        faults
            .set(json!([{"operation": "PutItem", "containing": LOG_WRITE, "times": 1, "fault": "kill"}]))
            .await;
        let lost = system
            .post("/apps/1001/events", event("lost").to_string())
            .await;
        assert_eq!(lost.status, 500, "{lost:?}");
        system.publish(event("next")).await;
        let polled = poll_until(&system, "a", if first { 1 } else { 2 }).await;
        assert!(
            data_of(&polled).iter().all(|data| *data == "next"),
            "{polled}"
        );
    }
}

#[tokio::test]
async fn a_publisher_taken_for_dead_publishes_under_another_serial() {
    let system = System::start_with(&["--faults"]);
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("a").await;
    let faults = system.faults();
    faults
        .set(
            json!([{"operation": "PutItem", "containing": LOG_WRITE, "times": 1, "fault": "hold"}]),
        )
        .await;
    let overtaking = async {
        faults.held(1).await;
        system.publish(event("first")).await;
        poll_until(&system, "a", 1).await;
        faults.lift().await;
    };
    tokio::join!(system.publish(event("late")), overtaking);
    let polled = system.poll("channels=a").await.json();
    assert_eq!(data_of(&polled), ["first", "late"]);
    for data in ["first", "late"] {
        assert_eq!(socket.expect("e").await["data"], data);
    }
    socket.nothing_came().await;
}

#[tokio::test]
async fn whoever_has_the_answer_already_is_told_so() {
    let system = System::start();
    system.publish(event("1")).await;
    let target = "/status/local-key?channels=a";
    let reply = system.request("GET", target, Vec::new()).await;
    assert_eq!(reply.header("cache-control"), Some("public, max-age=1"));
    let tag = reply.header("etag").expect("a tag").to_owned();
    let again = async || {
        let headers = [("if-none-match", tag.as_str())];
        system
            .request_with("GET", target, &headers, Vec::new())
            .await
    };
    let known = again().await;
    assert_eq!((known.status, known.text.as_str()), (304, ""));
    assert_eq!(known.header("etag"), Some(&*tag));
    system.publish(event("2")).await;
    let other = again().await;
    assert_eq!((other.status, data_of(&other.json()).len()), (200, 2));
    assert_ne!(other.header("etag"), Some(&*tag));
}

#[tokio::test]
async fn a_poll_may_wait_for_something_to_be_in_it() {
    let system = System::start();
    let after = system.poll("channels=a").await.json();
    let query = format!(
        "channels=a&after={}&wait=20",
        after["after"].as_str().expect("text")
    );
    let (reply, ()) = tokio::join!(system.poll(&query), async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        system.publish(event("1")).await;
    });
    assert_eq!(data_of(&reply.json()), ["1"]);
    let after = reply.json()["after"].as_str().expect("text").to_owned();
    let query = format!("channels=a&after={after}&wait=1");
    let started = std::time::Instant::now();
    assert_eq!(
        data_of(&system.poll(&query).await.json()),
        Vec::<&str>::new()
    );
    assert!(started.elapsed() >= std::time::Duration::from_millis(900));
}

#[tokio::test]
async fn the_last_event_of_a_channel_that_keeps_it_outlives_the_log() {
    let settings = json!({"retention_seconds": 1});
    let system = System::start_with_app(&settings, &[]);
    let event = |data: &str| json!({"name": "e", "channel": "cache-a", "data": data});
    for data in ["1", "2"] {
        system.publish(event(data)).await;
    }
    assert_eq!(
        data_of(&system.poll("channels=cache-a").await.json()),
        ["1", "2"]
    );
    let started = std::time::Instant::now();
    let polled = loop {
        let polled = system.poll("channels=cache-a").await.json();
        if data_of(&polled).len() < 2 {
            break polled;
        }
        assert!(started.elapsed() < PATIENCE, "{polled}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(data_of(&polled), ["2"]);
    let after = polled["after"].as_str().expect("text").to_owned();
    let query = format!("channels=cache-a&after={after}");
    assert_eq!(
        data_of(&system.poll(&query).await.json()),
        Vec::<&str>::new()
    );
    system.publish(event("3")).await;
    let polled = system.poll(&query).await.json();
    assert_eq!(data_of(&polled), ["3"]);
    assert!(polled.get("truncated").is_none(), "{polled}");
}

#[tokio::test]
async fn an_app_says_how_long_and_how_much_is_kept() {
    let settings = json!({"retention_count": 2});
    let system = System::start_with_app(&settings, &[]);
    system.publish(event("0")).await;
    let after = system.poll("channels=a").await.json();
    let after = after["after"].as_str().expect("text").to_owned();
    for data in ["1", "2", "3"] {
        system.publish(event(data)).await;
    }
    let polled = system.poll("channels=a").await.json();
    assert_eq!(data_of(&polled), ["2", "3"]);
    assert!(polled.get("truncated").is_none(), "{polled}");
    let polled = system
        .poll(&format!("channels=a&after={after}"))
        .await
        .json();
    assert_eq!(
        (data_of(&polled), &polled["truncated"]),
        (vec!["2", "3"], &json!(["a"]))
    );
}
