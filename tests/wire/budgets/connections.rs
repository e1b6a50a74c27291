//! What connecting, coming back and leaving cost.

use serde_json::json;
use tests::{Socket, System};

use super::counting::{asked, forgotten, of, written_so_often};

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
