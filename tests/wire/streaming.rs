//! Server-sent events: shown as they are published, resumed where they broke off, and ended.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use shared::channel::Channel;
use shared::cursor::{Cursor, CursorKey};
use shared::time::UnixMillis;
use tests::{PATIENCE, Socket, Stream, System, now_secs};

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
async fn what_is_not_public_needs_a_grant() {
    let system = System::start();
    let grant = json!({"channels": ["private-a"], "user_id": "7"});
    let refusal = async |query: &str, behind: Option<&str>| {
        let stream = Stream::open(&system, query, behind).await;
        assert_eq!(stream.header("access-control-allow-origin"), Some("*"));
        let status = stream.status;
        let text = stream.text().await;
        let refusal: Value = serde_json::from_str(&text).expect("JSON");
        (status, refusal["error"].as_str().expect("text").to_owned())
    };
    for channel in [
        "private-a",
        "presence-a",
        "private-encrypted-a",
        "%23server-to-user-7",
    ] {
        let (status, why) = refusal(&format!("channels={channel}"), None).await;
        assert_eq!(status, 403, "{channel}: {why}");
    }
    let token = system.token(grant.clone()).await;
    let query = format!("channels=private-a,private-b&token={token}");
    assert_eq!(refusal(&query, None).await.0, 403);
    // It is spent by then.
    let query = format!("channels=private-a&token={token}");
    assert_eq!(refusal(&query, None).await.0, 401);
    let token = system.token(grant).await;
    let query = format!("channels=private-a,%23server-to-user-7&token={token}");
    let mut stream = Stream::connected(&system, &query, None).await;
    system.publish(event("#server-to-user-7", "mine")).await;
    assert_eq!(shown(&mut stream).await, pair("#server-to-user-7", "mine"));
    assert_eq!(refusal("channels=a&token=rubbish", None).await.0, 401);
    let elsewhere = system
        .client()
        .get(format!("{}/stream/nobody?channels=a", system.base));
    assert_eq!(elsewhere.send().await.expect("an answer").status(), 404);
    let posted = system
        .request("POST", "/stream/local-key?channels=a", Vec::new())
        .await;
    assert_eq!(posted.status, 404);
    let asked = system
        .request("OPTIONS", "/stream/local-key", Vec::new())
        .await;
    assert_eq!(asked.status, 204);
    assert_eq!(asked.header("access-control-allow-headers"), Some("*"));
}

#[tokio::test]
async fn a_cursor_that_is_none_is_refused_and_says_nothing() {
    let apps = [
        "--app",
        "1001:local-key:local-secret",
        "--app",
        "1002:other-key:other-secret",
    ];
    let system = System::start_with(&apps);
    let grant = json!({"channels": ["private-a"]});
    let token = system.token(grant).await;
    let query = format!("channels=private-a&token={token}");
    let good = Stream::connected(&system, &query, None).await.last_event_id;
    let key = CursorKey::new(system.variable("CURSOR_KEY")).expect("a key");
    let channel = |name: &str| Channel::parse(name).expect("a name");
    let cursor = |reader, expires_at| Cursor {
        reader,
        expires_at,
        not_before: UnixMillis(0),
        after: vec![1],
    };
    let known = key
        .open("1001", &[channel("private-a")], &good)
        .expect("it is good");
    assert!(known.reader.is_some());
    let later = UnixMillis((now_secs() + 60) * 1_000);
    let expired = cursor(None, UnixMillis((now_secs() - 1) * 1_000));
    let expired = key.seal("1001", &[channel("a")], &expired);
    let foreign = key.seal("1002", &[channel("a")], &cursor(None, later));
    let other_key = CursorKey::new("x".repeat(32)).expect("a key");
    let forged = other_key.seal("1001", &[channel("a")], &cursor(None, later));
    let mut changed = good.clone();
    changed.replace_range(20..21, if &good[20..21] == "A" { "B" } else { "A" });
    let mut refusals = Vec::new();
    for (channels, cursor) in [
        ("a", expired.as_str()),
        ("a", &foreign),
        ("a", &forged),
        ("a", "rubbish"),
        ("a", &"A".repeat(2_000)),
        ("a", &good),
        ("private-a", &changed),
        ("private-a", &good[..good.len() - 1]),
    ] {
        let query = format!("channels={channels}");
        let stream = Stream::open(&system, &query, Some(cursor)).await;
        assert_eq!(stream.status, 401, "{channels} {cursor}");
        refusals.push(stream.text().await);
        // A poll takes it no more than a stream does.
        let polled = system.poll(&format!("{query}&cursor={cursor}")).await;
        assert_eq!(polled.status, 401, "{channels} {cursor}");
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    Stream::connected(&system, "channels=private-a", Some(&good)).await;
}

#[tokio::test]
async fn ending_a_users_connections_ends_its_streams() {
    let system = System::start();
    let open = async |user: &str| {
        let grant = json!({"channels": ["private-a"], "user_id": user});
        let token = system.token(grant).await;
        let query = format!("channels=private-a&token={token}");
        Stream::connected(&system, &query, None).await
    };
    let (mut ended, mut other) = (open("7").await, open("77").await);
    let path = "/apps/1001/users/7/terminate_connections";
    assert_eq!(system.post(path, "{}").await.status, 200);
    assert_eq!(ended.message().await, None);
    let behind = ended.last_event_id.clone();
    let again = Stream::open(&system, "channels=private-a", Some(&behind)).await;
    assert_eq!(again.status, 401);
    system.publish(event("private-a", "1")).await;
    assert_eq!(shown(&mut other).await, pair("private-a", "1"));
}

#[tokio::test]
async fn a_token_that_admits_again_is_one_readers_at_a_time() {
    let system = System::start();
    let grant = json!({"channels": ["private-a"], "reconnect_seconds": 600});
    let token = system.token(grant).await;
    let mut socket =
        Socket::connect_at(&system, &format!("/token/{token}/app/local-key?protocol=7")).await;
    let query = format!("channels=private-a&token={token}");
    let mut first = Stream::connected(&system, &query, None).await;
    // Who may not close a socket leaves it to the reaper.
    system.reap().await;
    assert_eq!(socket.close_code().await, Some(1000));
    let mut second = Stream::connected(&system, &query, None).await;
    assert_eq!(first.message().await, None);
    system.publish(event("private-a", "1")).await;
    assert_eq!(shown(&mut second).await, pair("private-a", "1"));
    let path = format!("/token/{token}/app/local-key?protocol=7");
    Socket::connect_at(&system, &path).await;
    assert_eq!(second.message().await, None);
    // Its time is over, but the token opens it again where it was.
    let behind = second.last_event_id.clone();
    system.publish(event("private-a", "2")).await;
    let mut third = Stream::connected(&system, &query, Some(&behind)).await;
    assert_eq!(shown(&mut third).await, pair("private-a", "2"));
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

#[tokio::test]
async fn no_log_line_holds_a_secret() {
    let mut system = System::start();
    let grant = json!({"channels": ["private-a"], "user_id": "7", "reconnect_seconds": 60});
    let token = system.token(grant).await;
    let query = format!("channels=private-a&token={token}");
    let mut stream = Stream::connected(&system, &query, None).await;
    system
        .publish(event("private-a", "payload-of-this-test"))
        .await;
    shown(&mut stream).await;
    let cursor = stream.last_event_id.clone();
    Stream::connected(&system, &query, Some(&cursor)).await;
    let polled = system.poll(&query).await.json();
    let polled = polled["cursor"].as_str().expect("a cursor").to_owned();
    system
        .poll(&format!("channels=private-a&cursor={polled}"))
        .await;
    Stream::open(&system, "channels=a", Some(&cursor)).await;
    let path = format!("/token/{token}/app/local-key?protocol=7");
    let mut socket = Socket::connect_at(&system, &path).await;
    let auth = socket.auth("private-b");
    socket.subscribe_private("private-b").await;
    system
        .post("/apps/1001/users/7/terminate_connections", "{}")
        .await;
    system.terminate(Signal::SIGTERM);
    let log = system.log();
    assert!(log.iter().any(|line| line.contains("published")), "{log:?}");
    let key = system.variable("CURSOR_KEY");
    for secret in [
        token.as_str(),
        &cursor,
        &polled,
        &auth,
        &key,
        "payload-of-this-test",
        "auth_signature",
    ] {
        let mut lines = log.iter().filter(|line| line.contains(secret));
        assert_eq!(lines.next(), None, "{secret}");
    }
}
