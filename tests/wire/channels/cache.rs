//! Cache channels: what those who join later are shown.

use serde_json::{Value, json};
use tests::{Socket, System};

const KINDS: [&str; 3] = ["cache-a", "private-cache-a", "private-encrypted-cache-a"];

async fn join(socket: &mut Socket, channel: &str) {
    // A public channel minds no signature.
    socket.subscribe_private(channel).await;
}

async fn publish(system: &System, channel: &str, name: &str, data: &str) {
    system
        .publish(json!({"name": name, "channel": channel, "data": data}))
        .await;
}

#[tokio::test]
async fn who_joins_later_is_shown_the_last_event() {
    let system = System::start();
    for channel in KINDS {
        let mut early = Socket::connect(&system).await;
        join(&mut early, channel).await;
        let miss = early.expect("pusher:cache_miss").await;
        assert_eq!(
            miss,
            json!({"event": "pusher:cache_miss", "channel": channel})
        );

        publish(&system, channel, "first", "1").await;
        publish(&system, channel, "last", r#"{"é": "☕ \u0000"}"#).await;
        early.expect("first").await;
        let live = early.expect("last").await;
        early.nothing_came().await;

        let mut late = Socket::connect(&system).await;
        join(&mut late, channel).await;
        assert_eq!(late.frame().await, live);
        late.nothing_came().await;
        // Leaving and joining again shows it again; what is published then comes once.
        late.send_event("pusher:unsubscribe", json!({"channel": channel}))
            .await;
        join(&mut late, channel).await;
        assert_eq!(late.frame().await, live);
        publish(&system, channel, "next", "").await;
        late.expect("next").await;
        late.nothing_came().await;
    }
}

#[tokio::test]
async fn who_joins_first_while_something_is_published_gets_it() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let hold = json!([{"operation": "PutItem", "containing": "log/1001/cache-a", "times": 1, "fault": "hold"}]);
    system.faults().set(hold).await;
    let mut socket = Socket::connect(&system).await;
    let publishing = publish(&system, "cache-a", "e", "1");
    let joining = async {
        system.faults().held(1).await;
        join(&mut socket, "cache-a").await;
        socket.expect("pusher:cache_miss").await;
        system.faults().lift().await;
    };
    let ((), ()) = tokio::join!(publishing, joining);
    assert_eq!(socket.expect("e").await["data"], "1");
}

#[tokio::test]
async fn a_presence_channel_may_keep_its_last_event_too() {
    let system = System::start();
    let channel = "presence-cache-a";
    let mut anna = Socket::connect(&system).await;
    anna.attend(channel, json!("anna")).await;
    assert_eq!(anna.roster(channel).await["count"], 1);
    anna.expect("pusher:cache_miss").await;
    publish(&system, channel, "e", "1").await;
    let live = anna.expect("e").await;
    let mut bob = Socket::connect(&system).await;
    bob.attend(channel, json!("bob")).await;
    assert_eq!(bob.roster(channel).await["count"], 2);
    assert_eq!(bob.frame().await, live);
    bob.nothing_came().await;
    anna.expect("pusher_internal:member_added").await;
    anna.nothing_came().await;
}

#[tokio::test]
async fn only_a_cache_channel_keeps_anything() {
    let system = System::start();
    for channel in ["a", "a-cache-b", "private-a", "private-a-cache-b"] {
        publish(&system, channel, "e", "1").await;
        let mut socket = Socket::connect(&system).await;
        join(&mut socket, channel).await;
        socket.nothing_came().await;
    }
    assert_eq!(system.table().rows("cache/").await, Vec::<Value>::new());
}

#[tokio::test]
async fn each_channel_of_a_publication_keeps_it_and_the_sender_is_shown_it_later() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    system
        .publish(json!({
            "name": "e", "channels": ["cache-a", "b", "cache-c"], "data": "1",
            "socket_id": socket.socket_id,
        }))
        .await;
    for channel in ["cache-a", "cache-c"] {
        join(&mut socket, channel).await;
        let shown = socket.expect("e").await;
        assert_eq!(
            (&shown["channel"], &shown["data"]),
            (&json!(channel), &json!("1"))
        );
    }
}

/// The only row that keeps an event.
async fn kept(system: &System) -> Value {
    let mut rows = system.table().rows("cache/").await;
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

async fn shown(system: &System, channel: &str) -> Value {
    let mut socket = Socket::connect(system).await;
    join(&mut socket, channel).await;
    let shown = socket.frame().await;
    socket.nothing_came().await;
    shown
}

#[tokio::test]
async fn what_has_expired_is_not_shown_whether_it_is_deleted_or_not() {
    let system = System::start();
    publish(&system, "cache-a", "e", "1").await;
    let mut row = kept(&system).await;
    let ms = |row: &Value, name: &str| row[name].as_u64().expect("a number");
    assert_eq!(ms(&row, "expires_at"), ms(&row, "at") + 1_800_000);
    assert!(ms(&row, "ttl") * 1_000 > ms(&row, "expires_at"));
    row["expires_at"] = json!(ms(&row, "at") - 1);
    system.table().put(&row).await;
    assert_eq!(
        shown(&system, "cache-a").await["event"],
        "pusher:cache_miss"
    );
    // Nor does it keep a later one out.
    publish(&system, "cache-a", "e", "2").await;
    assert_eq!(shown(&system, "cache-a").await["data"], "2");
}

#[tokio::test]
async fn what_comes_late_does_not_replace_what_was_published_after_it() {
    let system = System::start();
    publish(&system, "cache-a", "e", "1").await;
    let mut row = kept(&system).await;
    row["serial"] = json!(row["serial"].as_u64().expect("a number") + 2);
    row["data"] = json!("later");
    system.table().put(&row).await;
    publish(&system, "cache-a", "e", "2").await;
    assert_eq!(shown(&system, "cache-a").await["data"], "later");
    publish(&system, "cache-a", "e", "3").await;
    assert_eq!(shown(&system, "cache-a").await["data"], "later");
    publish(&system, "cache-a", "e", "4").await;
    assert_eq!(shown(&system, "cache-a").await["data"], "4");
}

#[tokio::test]
async fn who_cannot_be_shown_it_is_told_of_a_miss_and_is_on_the_channel() {
    let system = System::start_with(&["--faults"]);
    publish(&system, "cache-a", "e", "1").await;
    let rule =
        json!([{"operation": "GetItem", "containing": "cache/1001/cache-a", "fault": "fail"}]);
    system.faults().set(rule).await;
    let mut socket = Socket::connect(&system).await;
    join(&mut socket, "cache-a").await;
    socket.expect("pusher:cache_miss").await;
    system.faults().lift().await;
    publish(&system, "cache-a", "e", "2").await;
    assert_eq!(socket.expect("e").await["data"], "2");
}
