//! What a publication, a client event and the counts cost.

use futures_util::{StreamExt as _, stream};
use serde_json::json;
use tests::{Socket, System};

use super::counting::{Asked, asked, of, read_so_often};

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
    // On the cache channel it looks once more whether somebody has come meanwhile.
    assert_eq!(of(&system, "publisher").await, asked(2 + 3 + 2, 0, 1, 0));
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
