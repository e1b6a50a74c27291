//! Publishing, and the removal of subscribers whose connections are gone.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{PATIENCE, Socket};

use crate::stage::{Case, NO_CASE, Stage, cases};

fn event(channel: &str, data: &str) -> String {
    json!({"name": "e", "channel": channel, "data": data}).to_string()
}

/// Goes through all cases, each on a channel of its own, in several systems at once: a reader waits
/// two seconds for a publisher that has died.
async fn side_by_side(writes: usize, of: impl AsyncFn(&Stage, Case, &str)) {
    const SYSTEMS: usize = 6;
    join_all((0..SYSTEMS).map(|part| {
        let of = &of;
        async move {
            let stage = Stage::new();
            for (n, case) in cases(writes).enumerate().skip(part).step_by(SYSTEMS) {
                of(&stage, case, &format!("c{n}")).await;
            }
        }
    }))
    .await;
}

/// The data in a channel's log, in order, once nothing is awaited any more: what is published
/// last is shown only then.
async fn logged(stage: &Stage, channel: &str) -> Vec<String> {
    stage
        .publish(json!({"name": "end", "channel": channel, "data": "end"}))
        .await;
    let started = std::time::Instant::now();
    loop {
        let polled = stage.poll(&format!("channels={channel}")).await.json();
        let events = polled["events"].as_array().expect("a list").iter();
        let data = |event: &Value| event["data"].as_str().expect("text").to_owned();
        let mut log: Vec<String> = events.map(data).collect();
        if log.pop().is_some_and(|last| last == "end") {
            return log;
        }
        assert!(started.elapsed() < PATIENCE, "{polled}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_publication_that_was_answered_has_arrived() {
    let stage = Stage::new();
    let (mut steady, _) = stage.connect().await;
    steady.subscribe("count").await;
    stage.faults().forget().await;
    stage.served(&mut steady, "count", "0").await;
    let writes = stage.writes_of("publisher").await;
    assert_eq!(writes, 2);
    side_by_side(writes, async |stage, case, channel| {
        let (mut steady, _) = stage.connect().await;
        steady.subscribe(channel).await;
        stage.fail("publisher", case).await;
        let reply = stage.post("/apps/1001/events", event(channel, "1")).await;
        stage.faults().lift().await;
        // Nothing was written, and coming back is the cure.
        let throttled = ["throttle", "conflict"].contains(&case.fault) && case.lasting;
        match reply.status {
            200 => assert_eq!(steady.expect("e").await["data"], "1", "{case:?}"),
            503 => assert!(
                throttled && reply.header("retry-after").is_some(),
                "{case:?}: {reply:?}"
            ),
            500 => assert!(!throttled, "{case:?}: {reply:?}"),
            _ => panic!("{case:?}: {reply:?}"),
        }
        // What was not answered is in the log or is not; what follows it arrives in any case.
        stage
            .publish(json!({"name": "e", "channel": channel, "data": "2"}))
            .await;
        assert_eq!(steady.expect("e").await["data"], "2", "{case:?}");
        let log = logged(stage, channel).await;
        assert_eq!(steady.expect("end").await["data"], "end");
        stage.check(channel, case).await;
        if reply.status == 200 {
            assert_eq!(log, ["1", "2"], "{case:?}");
        } else {
            assert!(log == ["2"] || log == ["1", "2"], "{case:?}: {log:?}");
        }
        steady.nothing_came().await;
    })
    .await;
}

#[tokio::test]
async fn to_many_channels_nothing_is_posted_that_is_not_logged() {
    side_by_side(6, async |stage, case, name| {
        let (mut steady, _) = stage.connect().await;
        let channels: Vec<String> = (0..3).map(|m| format!("{name}-{m}")).collect();
        for channel in &channels {
            steady.subscribe(channel).await;
        }
        stage.fail("publisher", case).await;
        let body = json!({"name": "e", "channels": channels, "data": "1"}).to_string();
        let status = stage.post("/apps/1001/events", body).await.status;
        stage.faults().lift().await;
        assert!([200, 500, 503].contains(&status), "{case:?}: {status}");
        let logs = join_all(channels.iter().map(|channel| logged(stage, channel))).await;
        for channel in &channels {
            stage.check(channel, case).await;
        }
        steady.send_event("pusher:ping", json!({})).await;
        let mut got = Vec::new();
        loop {
            let frame = steady.frame().await;
            if frame["event"] == "pusher:pong" {
                break;
            }
            if frame["event"] == "end" {
                continue;
            }
            got.push(frame["channel"].as_str().expect("a name").to_owned());
        }
        for (channel, log) in channels.iter().zip(logs) {
            let copies = got.iter().filter(|got| *got == channel).count();
            assert!(copies <= log.len(), "{case:?}: {copies} of {log:?}");
            if status == 200 {
                assert_eq!((copies, log.len()), (1, 1), "{case:?}");
            }
        }
    })
    .await;
}

/// What somebody who joins a cache channel now is shown.
async fn shown(stage: &Stage, channel: &str) -> Value {
    let mut late = Socket::connect(stage).await;
    late.subscribe(channel).await;
    late.frame().await["data"].take()
}

#[tokio::test]
async fn who_joins_a_cache_channel_is_shown_what_was_published_last() {
    let stage = Stage::new();
    stage.faults().forget().await;
    stage
        .publish(json!({"name": "e", "channel": "cache-count", "data": "0"}))
        .await;
    let writes = stage.writes_of("publisher").await;
    assert_eq!(writes, 3);
    side_by_side(writes, async |stage, case, channel| {
        let channel = &format!("cache-{channel}");
        let (mut steady, _) = stage.connect().await;
        steady.subscribe(channel).await;
        steady.expect("pusher:cache_miss").await;
        stage.served(&mut steady, channel, "1").await;
        stage.fail("publisher", case).await;
        let reply = stage.post("/apps/1001/events", event(channel, "2")).await;
        stage.faults().lift().await;
        let shown_after = shown(stage, channel).await;
        if reply.status == 200 {
            assert_eq!(shown_after, "2", "{case:?}");
            assert_eq!(steady.expect("e").await["data"], "2", "{case:?}");
        } else {
            assert!(shown_after == "1" || shown_after == "2", "{case:?}");
        }
        // Nothing is posted that is not kept, and the next one mends it.
        steady.nothing_came().await;
        stage.served(&mut steady, channel, "3").await;
        assert_eq!(shown(stage, channel).await, "3", "{case:?}");
        let log = logged(stage, channel).await;
        assert_eq!(steady.expect("end").await["data"], "end");
        stage.check(channel, case).await;
        if shown_after == "2" {
            assert_eq!(log, ["1", "2", "3"], "{case:?}");
        } else {
            assert!(log == ["1", "3"] || log == ["1", "2", "3"], "{case:?}");
        }
    })
    .await;
}

/// Puts the rows of a connection that ended without a word.
async fn ghost(stage: &Stage, id: &str, channel: &str) {
    let table = stage.table();
    let far = 9_999_999_999_u64;
    for row in [
        json!({"pk": format!("conn/{id}"), "sk": "conn", "app": "1001", "connected_at": 1, "expires_at": far * 1_000, "ttl": far, "due_shard": "0", "due_at": far * 1_000}),
        json!({"pk": format!("conn/{id}"), "sk": format!("sub/{channel}"), "app": "1001", "shard": 0, "at": 1, "ttl": far}),
        json!({"pk": format!("subs/1001/{channel}/0"), "sk": id, "at": 1, "op": "x", "ttl": far}),
    ] {
        table.put(&row).await;
    }
    table
        .call(
            "UpdateItem",
            json!({
                "Key": {"pk": {"S": format!("chan/1001/{channel}")}, "sk": {"S": "chan"}},
                "UpdateExpression": "ADD subscribers :one",
                "ExpressionAttributeValues": {":one": {"N": "1"}},
            }),
        )
        .await;
}

#[tokio::test]
async fn those_who_are_gone_are_removed_in_the_end() {
    let stage = Stage::new();
    let (mut steady, steady_id) = stage.connect().await;
    let ghosts = ["AAAAAAAAAAAAAAA=", "zzzzzzzzzzzzzzw="];
    steady.subscribe("count").await;
    for id in ghosts {
        ghost(&stage, id, "count").await;
    }
    stage.faults().forget().await;
    stage.served(&mut steady, "count", "0").await;
    stage.only("count", &[&steady_id], NO_CASE).await;
    // Two to publish, and the mark of each ghost.
    let publishing = stage.writes_of("publisher").await;
    assert_eq!(publishing, 2 + 2);
    // For each ghost its mark, the subscriber's row and the count, its own row, and that it is finished.
    let forgetting = 2 * 5;
    let cases = cases(publishing)
        .map(|case| ("publisher", case))
        .chain(cases(forgetting).map(|case| ("fanout", case)));
    for (n, (function, case)) in cases.enumerate() {
        let channel = &format!("c{n}");
        steady.subscribe(channel).await;
        for id in ghosts {
            ghost(&stage, id, channel).await;
        }
        stage.fail(function, case).await;
        let reply = stage.post("/apps/1001/events", event(channel, "1")).await;
        if function == "fanout" {
            stage.met_once(case).await;
        }
        stage.faults().lift().await;
        stage.check(channel, case).await;
        // What a worker did not finish, the queue or the reaper does.
        stage.overdue().await;
        stage.reap().await;
        let mut before = 0;
        stage.served_after(&mut steady, channel, &mut before).await;
        assert!(
            before == 1 || (before == 0 && reply.status != 200),
            "{case:?}: {before} copies, {reply:?}"
        );
        stage.only(channel, &[&steady_id], case).await;
        stage.check(channel, case).await;
    }
    steady.nothing_came().await;
}
