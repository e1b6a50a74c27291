//! What a session over HTTP asks of DynamoDB, counted on the wire.

use serde_json::json;
use tests::{PATIENCE, Session, System};

/// How many writes and reads a function has made since they were last counted.
async fn of(system: &System, function: &str) -> (usize, usize) {
    let started = std::time::Instant::now();
    let made = loop {
        let made = system.faults().made().await;
        if made.iter().all(|made| made.status != 0) {
            break made;
        }
        assert!(started.elapsed() < PATIENCE, "unanswered: {made:?}");
    };
    let of_function = || made.iter().filter(|made| made.function == function);
    assert!(of_function().all(|made| made.operation != "PostToConnection"));
    let writes = of_function().filter(|made| made.is_write()).count();
    let reads = of_function().filter(|made| made.is_read()).count();
    system.faults().forget().await;
    (writes, reads)
}

#[tokio::test]
async fn a_session_costs_what_it_may() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let mut session = Session::open(&system).await;
    assert_eq!(of(&system, "session").await, (3, 0));
    let subscribe = json!({"event": "pusher:subscribe", "data": {"channel": "orders"}});
    session.say(&[subscribe]).await;
    // What a subscribe costs on a socket, a sign of life, and the acknowledgement put instead of posted.
    assert_eq!(of(&system, "session").await, (3 + 1 + 1, 1 + 1));
    session.receive().await;
    // It takes the session and notes what it hands out.
    assert_eq!(of(&system, "session").await, (2, 1));
    let event = json!({"name": "e", "channel": "orders", "data": ""});
    system.publish(event).await;
    assert_eq!(of(&system, "publisher").await, (2 + 1, 1 + 1));
    session.receive().await;
    // And deletes what the poll before has handed out.
    assert_eq!(of(&system, "session").await, (3, 1));
}
