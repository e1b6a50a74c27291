//! Server-sent events: shown as they are published, resumed where they broke off, and ended.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::{PATIENCE, Socket, Stream, System};

fn event(channel: &str, data: &str) -> Value {
    json!({"name": "e", "channel": channel, "data": data})
}

async fn shown(stream: &mut Stream) -> (String, String) {
    let message = stream.message().await.expect("a message");
    let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
    (text("channel"), text("data"))
}

fn pair(channel: &str, data: &str) -> (String, String) {
    (channel.to_owned(), data.to_owned())
}

#[tokio::test]
async fn a_stream_shows_what_is_published_from_then_on_and_what_a_channel_keeps() {
    let system = System::start();
    for channel in ["a", "cache-b"] {
        system.publish(event(channel, "before")).await;
    }
    let mut stream = Stream::connected(&system, "channels=a,cache-b,cache-c", None).await;
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store, no-transform"),
        ("access-control-allow-origin", "*"),
        ("x-accel-buffering", "no"),
    ] {
        assert_eq!(stream.header(name), Some(value));
    }
    assert_eq!(shown(&mut stream).await, pair("cache-b", "before"));
    // Nothing in it ends a line, a field or a message.
    let awkward = "\n\ndata: x\r\nid: y\r\r\u{2028}\u{0}\u{85}é";
    for (channel, data) in [("a", "1"), ("cache-c", awkward), ("a", "{\"value\":0.5}")] {
        system.publish(event(channel, data)).await;
        assert_eq!(shown(&mut stream).await, pair(channel, data));
    }
    system
        .publish(json!({"name": "progress", "channel": "a", "data": "{\"value\":30}"}))
        .await;
    let message = stream.message().await.expect("a message");
    assert_eq!(
        (&message["type"], &message["value"]),
        (&json!("progress"), &json!(30))
    );
    assert!(message["serial"].is_u64(), "{message}");
}

#[tokio::test]
async fn whoever_comes_back_is_shown_what_was_missed_and_nothing_twice() {
    let system = System::start_with(&["--stream-life", "2"]);
    let grant = json!({"channels": ["private-a", "presence-*"], "user_id": "7"});
    let token = system.token(grant).await;
    let query = format!("channels=b,private-a,presence-c&token={token}");
    let mut stream = Stream::connected(&system, &query, None).await;
    let (mut published, mut seen) = (0, Vec::new());
    for _ in 0..3 {
        for channel in ["b", "private-a", "presence-c"] {
            system.publish(event(channel, &published.to_string())).await;
            published += 1;
        }
        // It ends by itself, and as it should.
        while let Some(message) = stream.message().await {
            seen.push(message["data"].as_str().expect("text").to_owned());
        }
        system
            .publish(event("private-a", &published.to_string()))
            .await;
        published += 1;
        // The token in the query is spent, and does not matter.
        let behind = stream.last_event_id.clone();
        stream = Stream::connected(&system, &query, Some(&behind)).await;
    }
    while seen.len() < published {
        let message = stream.message().await.expect("a message");
        seen.push(message["data"].as_str().expect("text").to_owned());
    }
    let mut numbers: Vec<usize> = seen.iter().map(|n| n.parse().expect("a number")).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..published).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_resumed() {
    let system = System::start();
    let mut stream = Stream::connected(&system, "channels=a", None).await;
    system.publish(event("a", "1")).await;
    assert_eq!(shown(&mut stream).await, pair("a", "1"));
    system.crash(system.environment_of("stream"));
    let started = Instant::now();
    // The client is told that something is missing.
    while let Ok(message) = stream.try_message().await {
        assert!(message.is_some() && started.elapsed() < PATIENCE);
    }
    system.publish(event("a", "2")).await;
    let behind = stream.last_event_id.clone();
    let mut stream = Stream::connected(&system, "channels=a", Some(&behind)).await;
    assert_eq!(shown(&mut stream).await, pair("a", "2"));
}

#[tokio::test]
async fn there_are_so_many_streams_and_no_more() {
    let system = System::start_with(&["--streams", "2", "--stream-life", "3"]);
    let mut one = Stream::connected(&system, "channels=a", None).await;
    let two = Stream::connected(&system, "channels=a", None).await;
    let refused = Stream::open(&system, "channels=a", None).await;
    assert_eq!(refused.status, 429);
    // Nobody tells the function that its client has left: it goes on to its end, and then there is room.
    drop(two);
    assert_eq!(Stream::open(&system, "channels=a", None).await.status, 429);
    assert_eq!(one.message().await, None);
    let started = Instant::now();
    while Stream::open(&system, "channels=a", None).await.status != 200 {
        assert!(started.elapsed() < PATIENCE, "there is no room");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn an_idle_stream_reads_twice_a_second_and_says_that_it_is_there() {
    let system = System::start_with(&["--faults"]);
    let mut stream = Stream::connected(&system, "channels=a", None).await;
    let (started, before) = (Instant::now(), stream.last_event_id.clone());
    system.faults().forget().await;
    stream.heartbeat().await;
    assert!(started.elapsed() >= Duration::from_secs(14));
    assert_ne!(stream.last_event_id, before, "the cursor is a new one");
    let made = system.faults().made().await;
    let reads = made.iter().filter(|made| made.operation == "Query").count();
    assert!(made.iter().all(|made| made.is_read()), "{made:?}");
    let most = 2 * usize::try_from(started.elapsed().as_secs() + 1).expect("few");
    assert!(reads <= most, "{reads} reads");
    let behind = stream.last_event_id.clone();
    system.publish(event("a", "1")).await;
    let mut again = Stream::connected(&system, "channels=a", Some(&behind)).await;
    assert_eq!(shown(&mut again).await, pair("a", "1"));
}

#[tokio::test]
async fn a_table_that_fails_ends_a_stream_only_when_it_goes_on_failing() {
    let system = System::start_with(&["--faults"]);
    let mut stream = Stream::connected(&system, "channels=a", None).await;
    let fails = |times: u64| json!([{"function": "stream", "operation": "Query", "fault": "fail", "times": times}]);
    system.faults().set(fails(3)).await;
    system.publish(event("a", "1")).await;
    assert_eq!(shown(&mut stream).await, pair("a", "1"));
    system.faults().set(fails(1_000)).await;
    assert_eq!(stream.message().await, None);
    system.faults().lift().await;
    let behind = stream.last_event_id.clone();
    system.publish(event("a", "2")).await;
    let mut stream = Stream::connected(&system, "channels=a", Some(&behind)).await;
    assert_eq!(shown(&mut stream).await, pair("a", "2"));
}

#[tokio::test]
async fn what_is_kept_no_more_is_said_to_be_lost() {
    let settings = json!({"retention_count": 3});
    let system = System::start_with_app(&settings, &[]);
    let stream = Stream::connected(&system, "channels=a", None).await;
    system.publish(event("a", "0")).await;
    let mut stream = stream;
    assert_eq!(shown(&mut stream).await, pair("a", "0"));
    let behind = stream.last_event_id.clone();
    drop(stream);
    for n in 1..=5 {
        system.publish(event("a", &n.to_string())).await;
    }
    let mut stream = Stream::connected(&system, "channels=a", Some(&behind)).await;
    let first = stream.message().await.expect("a message");
    assert_eq!(first, json!({"type": "truncated", "channel": "a"}));
    for n in 3..=5 {
        assert_eq!(shown(&mut stream).await, pair("a", &n.to_string()));
    }
}

#[tokio::test]
async fn pages_of_other_origins_read_nothing() {
    let settings = json!({"allowed_origins": ["https://app.example.com"]});
    let system = System::start_with_app(&settings, &[]);
    for (origin, status) in [
        ("https://app.example.com", 200),
        ("https://evil.example", 403),
    ] {
        for path in ["stream", "status"] {
            let url = format!("{}/{path}/local-key?channels=a", system.base);
            let request = system.client().get(url).header("origin", origin);
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.status().as_u16(), status, "{path} {origin}");
        }
    }
}

#[tokio::test]
async fn without_a_log_there_is_nothing_to_stream() {
    let settings = json!({"retention_seconds": 0});
    let system = System::start_with_app(&settings, &[]);
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("a").await;
    system.publish(event("a", "1")).await;
    assert_eq!(socket.expect("e").await["data"], "1");
    assert!(system.table().rows("log/").await.is_empty());
    for reply in [
        system.poll("channels=a").await,
        system
            .request("GET", "/stream/local-key?channels=a", Vec::new())
            .await,
    ] {
        assert_eq!(reply.status, 403);
        assert!(reply.text.contains("retention_seconds"), "{reply:?}");
    }
}

#[tokio::test]
async fn sockets_streams_and_polls_agree() {
    const EVENTS: u64 = 1_000;
    let system = System::start_with(&["--quiet"]);
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("a").await;
    let mut stream = Stream::connected(&system, "channels=a", None).await;
    let publishing = async {
        for n in 0..EVENTS {
            system.publish(event("a", &n.to_string())).await;
        }
    };
    let by_socket = async {
        let mut seen = Vec::new();
        while seen.len() < usize::try_from(EVENTS).expect("few") {
            let frame = socket.expect("e").await;
            seen.push((frame["serial"].clone(), frame["data"].clone()));
        }
        seen
    };
    let by_stream = async {
        let mut seen = Vec::new();
        while seen.len() < usize::try_from(EVENTS).expect("few") {
            let message = stream.message().await.expect("a message");
            seen.push((message["serial"].clone(), message["data"].clone()));
        }
        seen
    };
    let by_poll = async {
        let (mut seen, mut after) = (Vec::new(), String::new());
        while seen.len() < usize::try_from(EVENTS).expect("few") {
            let query = format!("channels=a&after={after}&wait=5");
            let polled = system.poll(&query).await.json();
            let events = polled["events"].as_array().expect("a list").iter();
            seen.extend(events.map(|event| (event["serial"].clone(), event["data"].clone())));
            polled["after"]
                .as_str()
                .expect("text")
                .clone_into(&mut after);
        }
        seen
    };
    let ((), sockets, streams, polls) = tokio::join!(publishing, by_socket, by_stream, by_poll);
    let data: Vec<String> = sockets
        .iter()
        .map(|(_, data)| data.as_str().expect("text").to_owned())
        .collect();
    assert_eq!(data, (0..EVENTS).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(sockets, streams);
    assert_eq!(sockets, polls);
}
