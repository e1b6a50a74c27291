//! What goes to large channels, and what their workers note.

use serde_json::{Value, json};
use tests::{PATIENCE, Session, Socket, System};

use super::steps::event;

const CHANNEL: &str = "private-large";
/// More than a worker reads at once.
const MANY: usize = 501;

/// Has each function that publishes queue something, and a worker die between two pages.
pub(crate) async fn everything_large(system: &System) {
    let faults = system.faults();
    let mut socket = Socket::connect(system).await;
    socket.subscribe_private(CHANNEL).await;
    let mut session = Session::open(system).await;
    session.subscribe_private(CHANNEL).await;
    let said = json!({"event": "client-e", "channel": CHANNEL, "data": {}});
    socket.send_text(said.to_string()).await;
    session.expect("client-e").await;
    session.say(&[said]).await;
    socket.expect("client-e").await;
    system.publish(event(CHANNEL)).await;
    socket.expect("e").await;
    drained(system).await;
    // Their connections are long over, so that nobody posts to them.
    let expired = |n: usize| {
        json!({
            "pk": {"S": format!("subs/1001/{CHANNEL}/0")},
            "sk": {"S": format!("A{n:014}=")},
            "ttl": {"N": "4000"},
            "at": {"N": "1"},
        })
    };
    let rows: Vec<Value> = (0..MANY).map(expired).collect();
    system.table().put_all(rows).await;
    let rule = json!([{
        "function": "fanout", "operation": "PutItem", "containing": "sent/1001", "times": 1, "fault": "kill_after",
    }]);
    faults.set(rule).await;
    system.publish(event(CHANNEL)).await;
    socket.expect("e").await;
    drained(system).await;
    faults.lift().await;
}

/// Waits until nothing is in the queue.
async fn drained(system: &System) {
    let started = std::time::Instant::now();
    loop {
        let queue = system.faults().queue("fanout.fifo").await;
        if queue["waiting"] == 0 && queue["in_flight"] == 0 {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{queue}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
