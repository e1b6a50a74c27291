//! What each operation asks of DynamoDB and of `@connections`, counted on the wire.

use futures_util::{StreamExt as _, stream};
use serde_json::json;
use tests::{PATIENCE, Socket, System};

/// What one function has asked for.
#[derive(Debug, Default, PartialEq)]
struct Asked {
    writes: usize,
    write_units: f64,
    reads: usize,
    read_units: f64,
    posts: usize,
}

/// Requests, and what DynamoDB bills for them: a unit for a write of up to 1 KB and for a consistent
/// read of up to 4 KB, and one for each entry of an index that a write makes or removes.
fn asked(writes: usize, in_index: usize, reads: usize, posts: usize) -> Asked {
    #[expect(clippy::cast_precision_loss, reason = "few")]
    let units = |requests: usize| requests as f64;
    Asked {
        writes,
        write_units: units(writes + in_index),
        reads,
        read_units: units(reads),
        posts,
    }
}

impl Asked {
    /// And so many writes that were refused: a refusal does not say what it costs.
    fn and_refused(self, writes: usize) -> Self {
        Self {
            writes: self.writes + writes,
            ..self
        }
    }
}

async fn of(system: &System, function: &str) -> Asked {
    let mut asked = Asked::default();
    let started = std::time::Instant::now();
    let made = loop {
        let made = system.faults().made().await;
        // What a request costs is known with its answer, which is later than its effect.
        if made.iter().all(|made| made.status != 0) {
            break made;
        }
        assert!(started.elapsed() < PATIENCE, "unanswered: {made:?}");
    };
    for made in made {
        // A greeting is repeated for as long as the gateway is still opening its connection.
        if made.function != function || (function == "connect" && made.status == 410) {
            continue;
        }
        if made.is_write() {
            asked.writes += 1;
            asked.write_units += made.capacity_units;
        } else if made.is_read() {
            asked.reads += 1;
            asked.read_units += made.capacity_units;
        } else {
            assert_eq!(made.operation, "PostToConnection");
            asked.posts += 1;
        }
    }
    system.faults().forget().await;
    println!("{function}: {asked:?}");
    asked
}

#[tokio::test]
async fn a_connection_costs_what_it_may() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let mut socket = Socket::connect(&system).await;
    assert_eq!(of(&system, "connect").await, asked(1, 1, 0, 1));
    // The second time there is a row to be read before it. The first one on a channel puts it in the
    // index of those that somebody is on.
    for channel in ["orders", "invoices"] {
        socket.subscribe(channel).await;
        assert_eq!(of(&system, "message").await, asked(3, 1, 1, 1));
    }
    let mut other = Socket::connect(&system).await;
    system.faults().forget().await;
    other.subscribe("orders").await;
    assert_eq!(of(&system, "message").await, asked(3, 0, 1, 1));
    socket.send_event("pusher:ping", json!({})).await;
    socket.expect("pusher:pong").await;
    assert_eq!(of(&system, "message").await, asked(0, 0, 0, 1));

    socket.close().await;
    forgotten(&system).await;
    // It is due sooner, and then no more. That it is the last one on a channel it finds out when it is
    // counted out as one of several.
    let left = asked(2 + 2 * 3, 3 + 1, 1, 0).and_refused(1);
    assert_eq!(of(&system, "disconnect").await, left);

    let token = system.token(json!({"channels": ["private-a"]})).await;
    assert_eq!(of(&system, "token").await, asked(1, 0, 0, 0));
    let path = format!("/token/{token}/app/local-key?protocol=7");
    let mut socket = Socket::connect_at(&system, &path).await;
    assert_eq!(of(&system, "connect").await, asked(2, 1, 0, 1));
    socket.subscribe("private-a").await;
    assert_eq!(of(&system, "message").await, asked(3, 1, 1, 1));
}

#[tokio::test]
async fn coming_back_costs_what_it_may() {
    let system = System::start_with(&["--faults", "--quiet"]);
    system
        .publish(json!({"name": "e", "channel": "a", "data": "d"}))
        .await;
    let mut socket = Socket::connect(&system).await;
    let mut coming_back = async |after: u64, missed: usize| {
        system.faults().forget().await;
        let mut other = Socket::connect(&system).await;
        let subscribe = json!({"channel": "a", "after": after});
        other.send_event("pusher:subscribe", subscribe).await;
        other.acknowledged("a").await;
        let mut last = after;
        for _ in 0..missed {
            last = other.expect("e").await["serial"]
                .as_u64()
                .expect("a serial");
        }
        // The switch is the last request.
        written_so_often(&system, "message", 4).await;
        socket.nothing_came().await;
        // It stays, or the next one might be the first on the channel again.
        (last, other)
    };
    let (first, _stays) = coming_back(0, 1).await;
    // What was missed is one query. The transaction is of two items, at twice the price. The first on a
    // channel puts it in the index.
    let mut expected = asked(4, 1 + 3, 2, 2);
    expected.posts += 1;
    assert_eq!(of(&system, "message").await, expected);
    coming_back(first, 0).await;
    let mut expected = asked(4, 3, 1, 1);
    expected.posts += 1;
    assert_eq!(of(&system, "message").await, expected);
}

/// Waits until a function has made so many writes.
async fn written_so_often(system: &System, function: &str, writes: usize) {
    let started = std::time::Instant::now();
    loop {
        let made = system.faults().made().await;
        let of_function = made.iter().filter(|made| made.function == function);
        let written = of_function.filter(|made| made.is_write() && made.status != 0);
        if written.count() >= writes {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{function} does not end");
    }
}

/// Waits until nothing of a closed connection is left to be done.
async fn forgotten(system: &System) {
    let started = std::time::Instant::now();
    loop {
        let mut rows = system.table().rows("conn/").await;
        rows.retain(|row| row["closed"] == true);
        if !rows.is_empty() && rows.iter().all(|row| row.get("due_at").is_none()) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "it does not end: {rows:?}");
    }
}

#[tokio::test]
async fn presence_costs_what_it_may() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let mut anna = Socket::connect(&system).await;
    system.faults().forget().await;
    anna.attend("presence-a", json!("anna")).await;
    anna.roster("presence-a").await;
    // The lease is in the index while it lasts, and the channel from now on.
    assert_eq!(of_settled(&system, "message").await, asked(6, 2 + 1, 3, 1));
    let mut bob = Socket::connect(&system).await;
    system.faults().forget().await;
    bob.attend("presence-a", json!("bob")).await;
    bob.roster("presence-a").await;
    assert_eq!(of_settled(&system, "message").await, asked(6, 2, 3, 2));
    anna.expect("pusher_internal:member_added").await;
    bob.close().await;
    anna.expect("pusher_internal:member_removed").await;
    // Two for the connection, and six for the channel.
    let left = of_settled(&system, "disconnect").await;
    assert_eq!(left, asked(2 + 6, 3 + 2, 2, 1));
}

/// The same once nobody announces any more.
async fn of_settled(system: &System, function: &str) -> Asked {
    let started = std::time::Instant::now();
    loop {
        let mut rows = system.table().rows("chan/").await;
        rows.extend(system.table().rows("conn/").await);
        rows.extend(system.table().rows("user/").await);
        let closing =
            |row: &serde_json::Value| row["closed"] == true && row.get("due_at").is_some();
        if !rows
            .iter()
            .any(|row| row.get("lease").is_some() || closing(row))
        {
            return of(system, function).await;
        }
        assert!(started.elapsed() < PATIENCE, "it does not end: {rows:?}");
    }
}

#[tokio::test]
async fn users_cost_what_they_may() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let mut socket = Socket::connect(&system).await;
    system.faults().forget().await;
    let user_data = json!({"id": "a", "watchlist": ["b"]});
    socket.sign_in(user_data).await;
    assert_eq!(of(&system, "message").await, asked(2, 0, 1, 1));
    socket.subscribe("#server-to-user-a").await;
    assert_eq!(of(&system, "message").await, asked(3, 1, 1, 1));
    socket.close().await;
    forgotten(&system).await;
    let left = of(&system, "disconnect").await;
    assert_eq!(left, asked(2 + 3 + 1, 3 + 1, 1, 0).and_refused(1));
}

#[tokio::test]
async fn watchlists_cost_what_they_may() {
    let settings = json!({"watchlist": true});
    let system = System::start_with_app(&settings, &["--faults", "--quiet"]);
    let sign_in = async |id: &str, watchlist: &[&str]| {
        let mut socket = Socket::connect(&system).await;
        system.faults().forget().await;
        socket
            .sign_in(json!({"id": id, "watchlist": watchlist}))
            .await;
        if !watchlist.is_empty() {
            socket.watched().await;
        }
        let asked = of_settled(&system, "message").await;
        (socket, asked)
    };
    let ended = async || {
        let rows = system.table().rows("conn/").await;
        let ended = rows
            .iter()
            .filter(|row| row["closed"] == true && row.get("due_at").is_none());
        ended.count()
    };
    let leave = async |socket: Socket| {
        let before = ended().await;
        socket.close().await;
        let started = std::time::Instant::now();
        while ended().await == before {
            assert!(started.elapsed() < PATIENCE, "it does not end");
        }
        of_settled(&system, "disconnect").await
    };
    // The lease is in the index while it lasts. Two are written, and twice read, in one request.
    let batched = |asked: Asked, rows: f64, times: f64| Asked {
        write_units: asked.write_units + rows - 1.0,
        read_units: asked.read_units + times * (rows - 1.0),
        ..asked
    };
    let (mut watcher, cost) = sign_in("w", &["a", "b"]).await;
    assert_eq!(cost, batched(asked(2 + 2 + 1, 2, 1 + 1 + 2, 2), 2.0, 2.0));
    let (one, cost) = sign_in("a", &[]).await;
    assert_eq!(cost, asked(2 + 1, 2, 1 + 1, 1 + 1));
    watcher.watched().await;
    let (two, cost) = sign_in("a", &[]).await;
    assert_eq!(cost, asked(2 + 1, 2, 1, 1));
    assert_eq!(leave(one).await, asked(2 + 2, 3 + 2, 1, 0));
    assert_eq!(leave(two).await, asked(2 + 2, 3 + 2, 1 + 1, 1));
    watcher.watched().await;
    let cost = leave(watcher).await;
    assert_eq!(
        cost,
        batched(asked(2 + 2 + 2, 3 + 2, 1 + 1 + 1, 0), 2.0, 0.0)
    );
}

#[tokio::test]
async fn a_publication_costs_what_it_may() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let publish = async || {
        let event = json!({"name": "e", "channel": "orders", "data": "d"});
        system.publish(event).await;
        of(&system, "publisher").await
    };
    assert_eq!(publish().await, asked(2, 0, 0, 0));
    system.poll("channels=orders,invoices").await;
    assert_eq!(of(&system, "status").await.reads, 2);

    let mut first = Socket::connect(&system).await;
    first.subscribe("orders").await;
    system.faults().forget().await;
    assert_eq!(publish().await, asked(2, 0, 1, 1));

    let join = async |_| {
        let mut socket = Socket::connect(&system).await;
        socket.subscribe("orders").await;
        socket
    };
    let mut sockets: Vec<Socket> = stream::iter(1..1_000)
        .map(join)
        .buffer_unordered(32)
        .collect()
        .await;
    system.faults().forget().await;
    let thousand = publish().await;
    let Asked {
        writes,
        write_units,
        reads,
        read_units,
        posts,
    } = thousand;
    assert_eq!((writes, write_units, reads, posts), (2, 2.0, 1, 1_000));
    // 1,000 rows of under 128 bytes.
    assert!(read_units <= 32.0, "{read_units}");
    for socket in &mut sockets {
        socket.expect("e").await;
    }

    let channels: Vec<String> = (0..100).map(|n| format!("c{n}")).collect();
    system
        .publish(json!({"name": "e", "channels": channels, "data": "d"}))
        .await;
    assert_eq!(of(&system, "publisher").await, asked(200, 0, 0, 0));
}

#[tokio::test]
async fn an_idempotency_key_costs_what_it_may() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let event = json!({"name": "e", "channels": ["a", "b"], "data": "d", "idempotency_key": "k"});
    system.publish(event.clone()).await;
    // It begins, notes its serials and its answer.
    assert_eq!(of(&system, "publisher").await, asked(2 * 2 + 3, 0, 0, 0));
    system.publish(event).await;
    let again = asked(0, 0, 0, 0).and_refused(1);
    assert_eq!(of(&system, "publisher").await, again);
}

#[tokio::test]
async fn a_cache_channel_costs_what_it_may() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let event = json!({"name": "e", "channel": "cache-a", "data": "d"});
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("cache-a").await;
    socket.expect("pusher:cache_miss").await;
    assert_eq!(of(&system, "message").await, asked(3, 1, 2, 2));
    system.publish(event.clone()).await;
    socket.expect("e").await;
    assert_eq!(of(&system, "publisher").await, asked(3, 0, 1, 1));
    socket.subscribe("cache-a").await;
    socket.expect("e").await;
    // Joining again, it is counted and counted out.
    assert_eq!(of(&system, "message").await, asked(4, 0, 2, 2));

    system.faults().forget().await;
    let event = json!({"name": "e", "channels": ["a", "cache-b", "c"], "data": "d"});
    system.publish(event).await;
    assert_eq!(of(&system, "publisher").await, asked(2 + 3 + 2, 0, 0, 0));
}

#[tokio::test]
async fn a_client_event_costs_what_it_may_and_no_write_on_its_channel() {
    let settings = json!({"client_events": true});
    let system = System::start_with_app(&settings, &["--faults", "--quiet"]);
    let mut sockets = Vec::new();
    for _ in 0..3 {
        let mut socket = Socket::connect(&system).await;
        socket.subscribe_private("private-a").await;
        sockets.push(socket);
    }
    system.faults().forget().await;
    for _ in 0..2 {
        let event = json!({"event": "client-e", "channel": "private-a", "data": {}});
        sockets[0].send_text(event.to_string()).await;
        for socket in &mut sockets[1..] {
            socket.expect("client-e").await;
        }
        let made = system.faults().made().await;
        let written: Vec<_> = made.iter().filter(|made| made.is_write()).collect();
        assert!(written.iter().all(|made| made.target.starts_with("rate/")));
        // A second one may first try the turn that the first one took; that write is refused, and a
        // refusal does not say what it costs.
        let writes = written.len();
        assert!((1..=2).contains(&writes), "{written:?}");
        let expected = Asked {
            writes,
            ..asked(1, 0, 3, 2)
        };
        assert_eq!(of(&system, "message").await, expected);
    }
}

#[tokio::test]
async fn telling_subscribers_how_many_they_are_costs_what_it_may() {
    let settings = json!({"subscription_count": true});
    let system = System::start_with_app(&settings, &["--faults", "--quiet"]);
    let mut first = Socket::connect(&system).await;
    let mut second = Socket::connect(&system).await;
    // Besides the subscription: the channel before, its turn, its subscribers, and the channel after.
    first.subscribe("a").await;
    first.count("a", 1).await;
    read_so_often(&system, "message", 1 + 3).await;
    assert_eq!(of(&system, "message").await, asked(3 + 1, 1, 1 + 3, 1 + 1));
    second.subscribe("a").await;
    first.count("a", 2).await;
    second.count("a", 2).await;
    read_so_often(&system, "message", 1 + 3).await;
    assert_eq!(of(&system, "message").await, asked(3 + 1, 0, 1 + 3, 1 + 2));
    // Whoever joins again changes nothing.
    second.subscribe("a").await;
    second.nothing_came().await;
    assert_eq!(of(&system, "message").await, asked(4, 0, 1, 1 + 1));

    second
        .send_event("pusher:unsubscribe", json!({"channel": "a"}))
        .await;
    first.count("a", 1).await;
    read_so_often(&system, "message", 3).await;
    assert_eq!(of(&system, "message").await, asked(3 + 1, 0, 3, 1));

    second.subscribe("a").await;
    first.count("a", 2).await;
    read_so_often(&system, "message", 1 + 3).await;
    second.close().await;
    first.count("a", 1).await;
    read_so_often(&system, "fanout", 3).await;
    assert_eq!(of(&system, "fanout").await, asked(1, 0, 3, 1));
}

/// Waits until a function has made so many reads: the last one follows its posts.
async fn read_so_often(system: &System, function: &str, reads: usize) {
    let started = std::time::Instant::now();
    loop {
        let made = system.faults().made().await;
        let of_function = made.iter().filter(|made| made.function == function);
        let read = of_function.filter(|made| made.is_read() && made.status != 0);
        if read.count() >= reads {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{function} does not end");
    }
}
