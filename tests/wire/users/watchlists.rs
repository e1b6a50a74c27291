//! Watchlists: watchers are told when a user comes online and goes offline.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{PATIENCE, Socket, System};

/// Connects and signs in.
async fn signed_in(system: &System, id: &str, watchlist: &[&str]) -> Socket {
    let mut socket = Socket::connect(system).await;
    socket
        .sign_in(json!({"id": id, "watchlist": watchlist}))
        .await;
    socket
}

/// The frame that says this of one user.
fn online(id: &str) -> (Vec<String>, Vec<String>) {
    (vec![id.to_owned()], vec![])
}

fn offline(id: &str) -> (Vec<String>, Vec<String>) {
    (vec![], vec![id.to_owned()])
}

/// Waits until the rows that begin so are what they should be.
async fn until(system: &System, prefix: &str, wanted: impl Fn(&[Value]) -> bool) {
    let started = std::time::Instant::now();
    loop {
        let rows = system.table().rows(prefix).await;
        if wanted(&rows) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{rows:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Whether a user's row names so many connections, and nothing is left to tell of it.
fn is_told(row: &Value, connections: usize) -> bool {
    let attributes = row.as_object().expect("a row");
    let named = attributes.keys().filter(|name| name.starts_with("c/"));
    named.count() == connections
        && row["announced"] == (connections > 0)
        && row.get("lease").is_none()
}

/// Waits until a user is on so many connections and all who watch were told.
async fn told(system: &System, id: &str, connections: usize) {
    let prefix = format!("user/1001/{id}");
    until(system, &prefix, |rows| {
        rows.iter()
            .any(|row| row["pk"] == prefix.as_str() && is_told(row, connections))
    })
    .await;
}

#[tokio::test]
async fn who_watches_hears_of_the_first_connection_and_of_the_last() {
    let system = System::start_featured(&[]);
    let one = signed_in(&system, "a", &[]).await;
    let mut watcher = signed_in(&system, "w", &["a", "b"]).await;
    let both = (vec!["a".to_owned()], vec!["b".to_owned()]);
    assert_eq!(watcher.watched().await, both);

    let two = signed_in(&system, "a", &[]).await;
    let mut other = signed_in(&system, "b", &["a"]).await;
    assert_eq!(watcher.watched().await, online("b"));
    assert_eq!(other.watched().await, online("a"));
    one.close().await;
    told(&system, "a", 1).await;
    watcher.nothing_came().await;
    two.close().await;
    for socket in [&mut watcher, &mut other] {
        assert_eq!(socket.watched().await, offline("a"));
    }
    // A watcher without a word of farewell, and one that signs in while nobody is there.
    drop(other);
    assert_eq!(watcher.watched().await, offline("b"));
    let again = signed_in(&system, "a", &["b"]).await;
    assert_eq!(watcher.watched().await, online("a"));
    drop(again);
    assert_eq!(watcher.watched().await, offline("a"));
    told(&system, "a", 0).await;
    watcher.close().await;
    // Nothing is left but who is online nowhere.
    until(&system, "watch", <[Value]>::is_empty).await;
    until(&system, "user/", |rows| {
        rows.len() == 3 && rows.iter().all(|row| is_told(row, 0))
    })
    .await;
}

#[tokio::test]
async fn a_hundred_are_watched_and_the_others_are_not() {
    let system = System::start_featured(&["--quiet"]);
    let ids: Vec<String> = (0..101).map(|n| format!("user-{n}")).collect();
    let mut watcher = Socket::connect(&system).await;
    watcher.sign_in(json!({"id": "w", "watchlist": ids})).await;
    assert_eq!(watcher.expect("pusher:error").await["data"]["code"], 4302);
    let (come, gone) = watcher.watched().await;
    assert_eq!((come.len(), gone.as_slice()), (0, &ids[..100]));
    assert_eq!(system.table().rows("watch/").await.len(), 100);
    // Nobody would watch the last one.
    let _last = signed_in(&system, "user-100", &[]).await;
    let _first = signed_in(&system, "user-99", &[]).await;
    assert_eq!(watcher.watched().await, online("user-99"));
    watcher.close().await;
    until(&system, "watch", <[Value]>::is_empty).await;
}

#[tokio::test]
async fn a_new_watchlist_takes_the_old_ones_place() {
    let system = System::start_featured(&[]);
    let mut watcher = signed_in(&system, "w", &["a", "b"]).await;
    watcher.watched().await;
    watcher
        .sign_in(json!({"id": "w", "watchlist": ["b", "c"]}))
        .await;
    watcher.watched().await;
    let _a = signed_in(&system, "a", &[]).await;
    let _c = signed_in(&system, "c", &[]).await;
    assert_eq!(watcher.watched().await, online("c"));
    watcher.sign_in(json!({"id": "w"})).await;
    let _b = signed_in(&system, "b", &[]).await;
    told(&system, "b", 1).await;
    watcher.nothing_came().await;
    watcher.close().await;
    until(&system, "watch", <[Value]>::is_empty).await;
}

#[tokio::test]
async fn however_many_come_and_go_at_once_the_last_word_is_the_state() {
    let system = System::start_featured(&["--quiet"]);
    let mut watcher = signed_in(&system, "w", &["a"]).await;
    assert_eq!(watcher.watched().await, offline("a"));
    for _ in 0..5 {
        let sockets = join_all((0..6).map(|_| signed_in(&system, "a", &[]))).await;
        join_all(sockets.into_iter().map(Socket::close)).await;
    }
    told(&system, "a", 0).await;
    watcher.send_event("pusher:ping", json!({})).await;
    let mut words = Vec::new();
    loop {
        let frame = watcher.frame().await;
        if frame["event"] == "pusher:pong" {
            break;
        }
        words.push(frame["data"].as_str().expect("text").contains("online"));
    }
    // Each word is news: it is never said twice that somebody is online, or is not.
    assert_eq!(words.last(), Some(&false), "{words:?}");
    assert!(words.iter().step_by(2).all(|&online| online), "{words:?}");
    assert!(
        words.iter().skip(1).step_by(2).all(|&online| !online),
        "{words:?}"
    );
    watcher.nothing_came().await;
}

/// The id of the only connection that watches a user, as it stands in a path.
async fn watcher_id(system: &System, id: &str) -> String {
    let rows = system.table().rows(&format!("watch/1001/{id}")).await;
    let id = rows[0]["sk"].as_str().expect("a key");
    id.trim_end_matches('=').to_owned()
}

#[tokio::test]
async fn what_happens_while_a_watcher_is_told_is_told_to_it() {
    let system = System::start_featured(&["--faults", "--quiet"]);
    let mut watcher = signed_in(&system, "w", &["a"]).await;
    assert_eq!(watcher.watched().await, offline("a"));
    let containing = watcher_id(&system, "a").await;
    // It looks, and before it is told what it saw, that is no longer so.
    let hold = |function: &str, skip: u32| {
        json!([{
            "function": function, "operation": "PostToConnection", "containing": containing,
            "skip": skip, "times": 1, "fault": "hold",
        }])
    };
    system.faults().set(hold("message", 1)).await;
    watcher
        .sign_in(json!({"id": "w", "watchlist": ["a"]}))
        .await;
    system.faults().held(1).await;
    let a = signed_in(&system, "a", &[]).await;
    assert_eq!(watcher.watched().await, online("a"));
    system.faults().lift().await;
    assert_eq!(watcher.watched().await, offline("a"));
    assert_eq!(watcher.watched().await, online("a"));
    watcher.nothing_came().await;

    // And who comes back while all are told that it has gone.
    system.faults().set(hold("disconnect", 0)).await;
    a.close().await;
    system.faults().held(1).await;
    let _again = signed_in(&system, "a", &[]).await;
    watcher.nothing_came().await;
    system.faults().lift().await;
    assert_eq!(watcher.watched().await, offline("a"));
    assert_eq!(watcher.watched().await, online("a"));
    told(&system, "a", 1).await;
    watcher.nothing_came().await;
}

#[tokio::test]
async fn a_watcher_that_is_gone_is_not_told_again() {
    let system = System::start_featured(&["--faults", "--quiet"]);
    let row = |id: &str, ttl: u64| json!({"pk": "watch/1001/a", "sk": id, "ttl": ttl});
    // A day after they expire.
    let later = tests::now_secs() + 86_400 + 600;
    let table = system.table();
    table.put(&row("AAAAAAAAAAAAAAA=", later)).await;
    table
        .put(&row("BBBBBBBBBBBBBBB=", tests::now_secs() + 86_000))
        .await;
    let mut throttled = signed_in(&system, "t", &["a"]).await;
    throttled.watched().await;
    let containing = system.table().rows("watches/").await[0]["pk"].clone();
    let containing = containing.as_str().expect("a key")["watches/".len()..].trim_end_matches('=');
    system
        .faults()
        .set(json!([{"operation": "PostToConnection", "containing": containing, "fault": "throttle"}]))
        .await;
    system.faults().forget().await;
    let a = signed_in(&system, "a", &[]).await;
    told(&system, "a", 1).await;
    // One was gone, one expired, and one took nothing in and was closed.
    assert_eq!(throttled.close_code().await, Some(1000));
    system.faults().lift().await;
    until(&system, "watch/", |rows| {
        rows.len() == 1 && rows[0]["sk"] == "BBBBBBBBBBBBBBB="
    })
    .await;
    let made = system.faults().made().await;
    let posts = made
        .iter()
        .filter(|made| made.operation == "PostToConnection");
    let to = |id: &str| {
        posts
            .clone()
            .filter(|made| made.target.starts_with(id))
            .count()
    };
    assert_eq!((to("AAAA"), to("BBBB"), to(containing)), (1, 0, 6));
    a.close().await;
    told(&system, "a", 0).await;
}

/// Waits until so many requests for the states of those who are watched were answered.
async fn looked(system: &System, count: usize) {
    let started = std::time::Instant::now();
    loop {
        let made = system.faults().made().await;
        let answered = made
            .iter()
            .filter(|made| made.operation == "BatchGetItem" && made.status == 200);
        if answered.count() >= count {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{made:#?}");
    }
}

#[tokio::test]
async fn what_dynamodb_hands_back_is_asked_for_again() {
    let system = System::start_featured(&["--faults", "--quiet"]);
    let _online = signed_in(&system, "user-59", &[]).await;
    let ids: Vec<String> = (0..60).map(|n| format!("user-{n}")).collect();
    for operation in ["BatchWriteItem", "BatchGetItem"] {
        let mut rule = json!({"operation": operation, "fault": "partly", "times": 3});
        system.faults().set(json!([rule])).await;
        system.faults().forget().await;
        let mut watcher = Socket::connect(&system).await;
        let watchlist = json!({"id": "w", "watchlist": ids});
        watcher.sign_in(watchlist.clone()).await;
        let (come, gone) = watcher.watched().await;
        assert_eq!((come, gone.len()), (vec!["user-59".to_owned()], 59));
        assert_eq!(system.table().rows("watch/").await.len(), 60);
        // It looks twice, and for what was handed back again.
        let reads = operation == "BatchGetItem";
        looked(&system, if reads { 2 + 3 } else { 2 }).await;

        rule["times"] = json!(null);
        system.faults().set(json!([rule])).await;
        system.faults().forget().await;
        watcher.ask_to_sign_in(&watchlist).await;
        let answered = watcher.frame().await["event"].clone();
        // Only what is written must be there before it is answered.
        let expected = if reads {
            "pusher:signin_success"
        } else {
            "pusher:error"
        };
        assert_eq!(answered, expected);
        // A read goes on after the answer: an attempt, and five more.
        looked(&system, if reads { 1 + 5 } else { 0 }).await;
        system.faults().lift().await;
        system.faults().forget().await;
        watcher.sign_in(watchlist.clone()).await;
        watcher.watched().await;
        looked(&system, 2).await;
        watcher.close().await;
        until(&system, "watch", <[Value]>::is_empty).await;
    }
}

#[tokio::test]
async fn a_holder_that_is_slow_keeps_the_lease() {
    let system = System::start_featured(&["--faults", "--quiet"]);
    let mut watcher = signed_in(&system, "w", &["a"]).await;
    assert_eq!(watcher.watched().await, offline("a"));
    system.faults().forget().await;
    // Its attempts end after three seconds each.
    system
        .faults()
        .set(json!([{"operation": "Query", "containing": "watch/", "times": 2, "fault": "hold"}]))
        .await;
    let _a = signed_in(&system, "a", &[]).await;
    let first = system.table().rows("user/1001/a").await;
    until(&system, "user/1001/a", |rows| {
        rows[0]["lease_until"].as_u64() > first[0]["lease_until"].as_u64()
    })
    .await;
    assert_eq!(watcher.watched().await, online("a"));
    told(&system, "a", 1).await;
    watcher.nothing_came().await;
}
