//! Subscription counts: who is told of a channel's count, and when; the last count told is right.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{PATIENCE, Socket, System};

/// A system whose app has it switched on, and nothing else.
fn counting(arguments: &[&str]) -> System {
    System::start_with_app(&json!({"subscription_count": true}), arguments)
}

/// The number that a frame tells.
fn number(frame: &Value) -> usize {
    let data = frame["data"].as_str().expect("text");
    let data: Value = serde_json::from_str(data).expect("JSON");
    let count = data["subscription_count"].as_u64().expect("a number");
    usize::try_from(count).expect("few")
}

/// The number that the next frame tells.
async fn told(socket: &mut Socket) -> usize {
    number(&socket.expect("pusher_internal:subscription_count").await)
}

/// Waits until a number is told. Two changes at the same time may be told in either order, but the
/// last word is right.
async fn told_at_last(socket: &mut Socket, count: usize) {
    while told(socket).await != count {}
}

async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until a number is told, which nothing precedes but the one before it: what two tell at the
/// same time is told twice.
async fn told_after(socket: &mut Socket, before: usize, count: usize) {
    loop {
        match told(socket).await {
            told if told == count => return,
            told => assert_eq!(told, before),
        }
    }
}

/// Makes sure that no other number was told before now.
async fn unchanged(socket: &mut Socket, count: usize) {
    socket.send_event("pusher:ping", json!({})).await;
    loop {
        let frame = socket.frame().await;
        if frame["event"] == "pusher:pong" {
            return;
        }
        assert_eq!(number(&frame), count);
    }
}

#[tokio::test]
async fn everybody_is_told_who_comes_and_goes() {
    let system = counting(&[]);
    for channel in ["a", "private-a", "private-encrypted-a", "cache-a"] {
        let joins = async |socket: &mut Socket| {
            socket.subscribe_private(channel).await;
            if channel == "cache-a" {
                socket.expect("pusher:cache_miss").await;
            }
        };
        let mut first = Socket::connect(&system).await;
        let mut second = Socket::connect(&system).await;
        let mut third = Socket::connect(&system).await;
        joins(&mut first).await;
        first.count(channel, 1).await;
        joins(&mut second).await;
        second.count(channel, 2).await;
        told_after(&mut first, 1, 2).await;
        // Joining again changes nothing.
        unchanged(&mut second, 2).await;
        joins(&mut second).await;
        unchanged(&mut second, 2).await;
        unchanged(&mut first, 2).await;

        second
            .send_event("pusher:unsubscribe", json!({"channel": channel}))
            .await;
        told_after(&mut first, 2, 1).await;
        // Nor does leaving what one is not on.
        third
            .send_event("pusher:unsubscribe", json!({"channel": channel}))
            .await;
        third.nothing_came().await;
        unchanged(&mut second, 2).await;

        joins(&mut third).await;
        third.count(channel, 2).await;
        told_after(&mut first, 1, 2).await;
        third.close().await;
        told_after(&mut first, 2, 1).await;
        unchanged(&mut first, 1).await;
        first.close().await;
    }
}

#[tokio::test]
async fn nobody_is_told_where_it_is_switched_off() {
    let system = System::start_with(&["--faults"]);
    let mut first = Socket::connect(&system).await;
    first.subscribe("a").await;
    let mut second = Socket::connect(&system).await;
    second.subscribe("a").await;
    second.close().await;
    eventually("it is forgotten", async || {
        system.table().rows("subs/1001/a/").await.len() == 1
    })
    .await;
    first.nothing_came().await;
    assert!(system.environments_of("fanout").is_empty());
}

#[tokio::test]
async fn however_many_come_at_once_the_last_word_is_right() {
    let system = counting(&["--quiet"]);
    let mut steady = Socket::connect(&system).await;
    steady.subscribe("a").await;
    steady.count("a", 1).await;
    let mut sockets = join_all((0..20).map(|_| Socket::connect(&system))).await;
    for socket in &mut sockets {
        socket
            .send_event("pusher:subscribe", json!({"channel": "a"}))
            .await;
    }
    // Each has its own acknowledgement, and all of them at last.
    for socket in &mut sockets {
        let mut acknowledged = false;
        let mut last = 0;
        while !(acknowledged && last == 21) {
            let frame = socket.frame().await;
            if frame["event"] == "pusher_internal:subscription_succeeded" {
                acknowledged = true;
            } else {
                last = number(&frame);
            }
        }
    }
    told_at_last(&mut steady, 21).await;
    // Half of them leave, in whichever way.
    for (n, mut socket) in sockets.drain(..10).enumerate() {
        match n % 3 {
            0 => drop(socket),
            1 => socket.close().await,
            _ => {
                socket
                    .send_event("pusher:unsubscribe", json!({"channel": "a"}))
                    .await;
                // It stays, for as long as its frame takes.
                socket.send_event("pusher:ping", json!({})).await;
                while socket.frame().await["event"] != "pusher:pong" {}
            }
        }
    }
    told_at_last(&mut steady, 11).await;
    for socket in &mut sockets {
        told_at_last(socket, 11).await;
    }
}

#[tokio::test]
async fn who_is_on_many_channels_leaves_all_of_them() {
    let system = counting(&["--quiet"]);
    let mut steady = Socket::connect(&system).await;
    let mut leaving = Socket::connect(&system).await;
    let channels: Vec<String> = (0..30).map(|n| format!("c{n}")).collect();
    for channel in &channels {
        steady.subscribe_counted(channel).await;
        told_at_last(&mut steady, 1).await;
        leaving.subscribe_counted(channel).await;
        told_at_last(&mut leaving, 2).await;
        told_at_last(&mut steady, 2).await;
    }
    leaving.close().await;
    let mut left = Vec::new();
    while left.len() < channels.len() {
        let frame = steady.expect("pusher_internal:subscription_count").await;
        // What two told at the same time may be told twice.
        let channel = frame["channel"].as_str().expect("a name").to_owned();
        if number(&frame) == 1 && !left.contains(&channel) {
            left.push(channel);
        }
    }
    left.sort_by_key(|channel| channel[1..].parse::<u32>().expect("a number"));
    assert_eq!(left, channels);
}

#[tokio::test]
async fn who_is_found_gone_is_counted_out() {
    let system = counting(&["--faults"]);
    let mut first = Socket::connect(&system).await;
    first.subscribe("a").await;
    first.count("a", 1).await;
    let mut gone = Socket::connect(&system).await;
    gone.subscribe("a").await;
    gone.count("a", 2).await;
    first.count("a", 2).await;
    let rows = system.table().rows("subs/1001/a/").await;
    let joined_at = |row: &&Value| row["at"].as_u64();
    let id = rows.iter().max_by_key(joined_at).expect("two")["sk"].clone();
    let rule = json!([{"operation": "PostToConnection", "containing": id.as_str().expect("text").trim_end_matches('='), "fault": "gone"}]);
    system.faults().set(rule).await;
    system
        .publish(json!({"name": "e", "channel": "a", "data": ""}))
        .await;
    first.expect("e").await;
    first.count("a", 1).await;
}

/// Has a channel count more than 100, most of which are not there: a count may be too high.
async fn crowd(system: &System, channel: &str) {
    let update = json!({
        "Key": {"pk": {"S": format!("chan/1001/{channel}")}, "sk": {"S": "chan"}},
        "UpdateExpression": "ADD subscribers :more",
        "ExpressionAttributeValues": {":more": {"N": "200"}},
    });
    system.table().call("UpdateItem", update).await;
}

#[tokio::test]
async fn many_are_told_once_in_five_seconds_and_of_the_last_change() {
    let system = counting(&["--faults"]);
    let mut steady = Socket::connect(&system).await;
    steady.subscribe("a").await;
    steady.count("a", 1).await;
    crowd(&system, "a").await;
    let mut others = Vec::new();
    for n in 0..3 {
        let mut other = Socket::connect(&system).await;
        other.subscribe("a").await;
        if n == 0 {
            // It is time, and then it is not.
            other.count("a", 2).await;
            steady.count("a", 2).await;
        }
        others.push(other);
    }
    let first_told = Instant::now();
    others.remove(2).close().await;
    // All three changes are told at once.
    assert_eq!(told(&mut steady).await, 3);
    let after = first_told.elapsed();
    assert!(
        (Duration::from_millis(3_500)..Duration::from_secs(9)).contains(&after),
        "{after:?}"
    );
    for other in &mut others {
        other.count("a", 3).await;
        other.nothing_came().await;
    }
    steady.nothing_came().await;
    let queue = system.faults().queue("later").await;
    assert_eq!(queue["waiting"], 0, "{queue}");
    let made = system.faults().made().await;
    let sent = made.iter().filter(|made| made.operation == "SendMessage");
    assert!(sent.count() <= 1 + 1 + 1, "{made:?}");
}

#[tokio::test]
async fn a_function_that_dies_while_it_tells_is_followed_by_another() {
    let system = counting(&["--faults"]);
    let mut steady = Socket::connect(&system).await;
    steady.subscribe("a").await;
    steady.count("a", 1).await;
    crowd(&system, "a").await;
    // Once when it is time, and once when it was put off.
    for (name, count) in [("first", 2), ("second", 3)] {
        let kill = json!([{
            "function": "fanout", "operation": "PostToConnection", "fault": "kill", "times": 1,
        }]);
        system.faults().set(kill).await;
        let mut other = Socket::connect(&system).await;
        other.subscribe("a").await;
        steady.count("a", count).await;
        let made = system.faults().made().await;
        assert!(
            made.iter()
                .any(|made| made.fault.as_deref() == Some("kill")),
            "{name}"
        );
        system.faults().forget().await;
        // It stays on the channel.
        std::mem::forget(other);
    }
}

#[tokio::test]
async fn nothing_fails_when_nobody_can_be_told() {
    let system = counting(&["--faults"]);
    let mut steady = Socket::connect(&system).await;
    steady.subscribe("a").await;
    steady.count("a", 1).await;
    let mut other = Socket::connect(&system).await;
    let faults = json!([
        {"operation": "SendMessage", "fault": "fail"},
        {"operation": "GetItem", "containing": "chan/1001/a", "fault": "fail"},
    ]);
    system.faults().set(faults).await;
    other.subscribe_counted("a").await;
    other
        .send_event("pusher:unsubscribe", json!({"channel": "a"}))
        .await;
    eventually("it has left", async || {
        system.table().rows("subs/1001/a/").await.len() == 1
    })
    .await;
    other.subscribe_counted("a").await;
    other.close().await;
    eventually("it is forgotten", async || {
        let rows = system.table().rows("conn/").await;
        let own = rows.iter().filter(|row| row["sk"] != "conn");
        own.count() == 1
    })
    .await;
    system.faults().lift().await;
    // The next change is told of again.
    let mut next = Socket::connect(&system).await;
    next.subscribe_counted("a").await;
    told_at_last(&mut next, 2).await;
    // What was still being tried is told, too.
    told_at_last(&mut steady, 2).await;
}
