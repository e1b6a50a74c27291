//! Reading without a socket: which token grants what, and the cursors that carry a grant.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use shared::model::channel::Channel;
use shared::model::cursor::Cursor;
use shared::model::secret::OwnKey;
use shared::model::time::UnixMillis;
use tests::{Reply, Socket, Stream, System, now_secs};

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
    let token = system.token(grant).await;
    let query = format!("channels=private-a,private-b&token={token}");
    assert_eq!(refusal(&query, None).await.0, 403);
    // Who was refused has not used it.
    let query = format!("channels=private-a,%23server-to-user-7&token={token}");
    let mut stream = Stream::connected(&system, &query, None).await;
    system.publish(event("#server-to-user-7", "mine")).await;
    assert_eq!(shown(&mut stream).await, pair("#server-to-user-7", "mine"));
    // It is spent by then.
    assert_eq!(refusal(&query, None).await.0, 401);
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
    let key = OwnKey::parse(&system.variable("OWN_KEY")).expect("a key");
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
    let other_key = OwnKey::parse(&"x".repeat(32)).expect("a key");
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
async fn no_log_line_holds_a_secret() {
    let mut system = System::start();
    let grant = json!({"channels": ["private-a"], "user_id": "7", "reconnect_seconds": 60});
    let token = system.token(grant).await;
    let query = format!("channels=private-a&token={token}");
    let mut stream = Stream::connected(&system, &query, None).await;
    let mut subscriber = Socket::connect(&system).await;
    subscriber.subscribe_private("private-a").await;
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
    let key = system.variable("OWN_KEY");
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
#[tokio::test]
async fn a_private_channel_is_polled_by_a_token_and_then_by_a_cursor() {
    let system = System::start();
    let grant = json!({"channels": ["private-a"], "user_id": "7"});
    let token = system.token(grant).await;
    system.publish(event("private-a", "1")).await;
    let query = format!("channels=private-a,b&token={token}");
    let reply = system.poll(&query).await;
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let polled = reply.json();
    assert_eq!(polled["events"][0]["data"], "1");
    let cursor = polled["cursor"].as_str().expect("a cursor").to_owned();
    // The token is spent.
    assert_eq!(system.poll(&query).await.status, 401);
    let query = format!("channels=private-a,b&cursor={cursor}");
    system.publish(event("b", "2")).await;
    let reply = polled_patiently(&system, &query).await;
    assert_eq!(reply.json()["events"][0]["data"], "2");
    // Nothing in the log has its name.
    let path = "/apps/1001/users/7/terminate_connections";
    assert_eq!(system.post(path, "{}").await.status, 200);
    let cursor = reply.json()["cursor"]
        .as_str()
        .expect("a cursor")
        .to_owned();
    let query = format!("channels=private-a,b&cursor={cursor}");
    assert_eq!(polled_patiently(&system, &query).await.status, 401);
}

#[tokio::test]
async fn a_cursor_comes_no_sooner_than_it_may() {
    let system = System::start();
    let token = system.token(json!({"channels": ["private-quiet"]})).await;
    let query = format!("channels=private-quiet&token={token}");
    let started = Instant::now();
    let polled = system.poll(&query).await;
    assert_eq!(polled.header("retry-after"), Some("30"), "{polled:?}");
    let polled = polled.json();
    let cursor = polled["cursor"].as_str().expect("a cursor");
    let query = format!("channels=private-quiet&cursor={cursor}");
    let early = system.poll(&query).await;
    assert_eq!(early.status, 429, "{early:?}");
    let secs = early.header("retry-after").expect("a time");
    let secs: u64 = secs.parse().expect("seconds");
    // What is left of the thirty, however long the two polls took.
    let passed = started.elapsed().as_secs() + 1;
    assert!(
        (30_u64.saturating_sub(passed)..=30).contains(&secs),
        "{secs}"
    );
}

/// Polls until it is not too soon.
async fn polled_patiently(system: &System, query: &str) -> Reply {
    loop {
        let reply = system.poll(query).await;
        if reply.status != 429 {
            return reply;
        }
        let secs = reply.header("retry-after").expect("a time").parse();
        tokio::time::sleep(Duration::from_secs(secs.expect("seconds"))).await;
    }
}

#[tokio::test]
async fn reading_costs_what_is_said() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let token = system.token(json!({"channels": ["private-a"]})).await;
    let asked = async |query: &str| {
        system.faults().forget().await;
        let reply = polled_patiently(&system, query).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let made = system.faults().made().await;
        let count = |operation: &str| {
            let of = |made: &&tests::Made| made.operation == operation;
            made.iter().filter(of).count()
        };
        let counts = ["PutItem", "UpdateItem", "GetItem", "Query"].map(count);
        assert_eq!(made.len(), counts.iter().sum::<usize>(), "{made:?}");
        (counts, reply.json()["cursor"].clone())
    };
    assert_eq!(asked("channels=a,b").await.0, [0, 0, 0, 2]);
    // One read for `now`, and one for the position, which is ahead of a channel that has nothing.
    assert_eq!(asked("channels=a,b&after=now,7").await.0, [0, 0, 2, 2]);
    let query = format!("channels=private-a,b&token={token}");
    let (counts, cursor) = asked(&query).await;
    assert_eq!(counts, [1, 1, 1, 2]);
    system
        .publish(event("private-a", "so that it may come back soon"))
        .await;
    // Each time that it comes too soon it costs the same read.
    let query = format!(
        "channels=private-a,b&wait=0&cursor={}",
        cursor.as_str().expect("text")
    );
    let (counts, _) = asked(&query).await;
    assert_eq!((counts[0], counts[1], counts[3]), (0, 0, 2));
}
