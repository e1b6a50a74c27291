//! What signing in and watchlists cost.

use serde_json::json;
use tests::{PATIENCE, Socket, System};

use super::counting::{Asked, asked, forgotten, of, of_settled};

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
