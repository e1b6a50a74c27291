//! Resuming while publications are under way, or were left behind by a publisher that died.

use std::time::Duration;

use serde_json::json;
use tests::{Socket, System};

use super::resume_steps::{event, is_live, log, resume, serial};

const LOG_WRITE: &str = "log/1001/a";

#[tokio::test]
async fn what_is_on_its_way_into_the_log_is_awaited_and_comes_once() {
    let system = System::start_with(&["--faults"]);
    let faults = system.faults();
    system.publish(event("a", "0")).await;
    let after = log(&system, "a").await[0];
    let hold =
        json!([{"operation": "PutItem", "containing": LOG_WRITE, "times": 1, "fault": "hold"}]);
    faults.set(hold).await;
    let mut socket = Socket::connect(&system).await;
    let coming_back = async {
        faults.held(1).await;
        resume(&mut socket, "a", after).await;
        // It would be late for a publication that does not follow it.
        system.publish(event("a", "2")).await;
        faults.lift().await;
        for data in ["1", "2"] {
            assert_eq!(socket.expect("e").await["data"], data);
        }
    };
    tokio::join!(system.publish(event("a", "1")), coming_back);
    is_live(&system, &mut socket, "a").await;
}

#[tokio::test]
async fn a_publisher_that_died_keeps_nobody_from_going_live() {
    let system = System::start_with(&["--faults"]);
    let faults = system.faults();
    system.publish(event("a", "0")).await;
    let after = log(&system, "a").await[0];
    for after in [after, 0] {
        let kill =
            json!([{"operation": "PutItem", "containing": LOG_WRITE, "times": 1, "fault": "kill"}]);
        faults.set(kill).await;
        let lost = system
            .post("/apps/1001/events", event("a", "lost").to_string())
            .await;
        assert_eq!(lost.status, 500, "{lost:?}");
        let mut socket = Socket::connect(&system).await;
        resume(&mut socket, "a", after).await;
        if after == 0 {
            socket.expect("e").await;
            socket.expect("e").await;
        }
        system.publish(event("a", "next")).await;
        assert_eq!(socket.expect("e").await["data"], "next");
        socket.nothing_came().await;
        socket.close().await;
    }
}

#[tokio::test]
async fn a_channel_that_is_never_quiet_loses_nothing_either() {
    let system = System::start_with(&["--faults", "--quiet"]);
    system.publish(event("a", "first")).await;
    let first = log(&system, "a").await[0];
    // As if something were published in each of these moments.
    let busy = json!([{"operation": "TransactWriteItems", "fault": "conflict"}]);
    system.faults().set(busy).await;
    let publishing = async {
        let mut every = tokio::time::interval(Duration::from_millis(10));
        for n in 0..200 {
            every.tick().await;
            system.publish(event("a", &n.to_string())).await;
        }
    };
    let coming_back = async {
        let mut socket = Socket::connect(&system).await;
        resume(&mut socket, "a", first).await;
        let mut came = Vec::new();
        while !came.contains(&(first + 200)) {
            came.push(serial(&socket.expect("e").await));
        }
        came
    };
    let ((), mut came) = tokio::join!(publishing, coming_back);
    came.sort_unstable();
    came.dedup();
    assert_eq!(came, (first + 1..=first + 200).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_publishes_or_comes_and_goes_outlasts_the_transactions_of_others() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let faults = system.faults();
    let conflict = |function: &str, times: u64| json!([{"function": function, "operation": "UpdateItem", "containing": "chan/1001/a", "times": times, "fault": "conflict"}]);
    let mut socket = Socket::connect(&system).await;
    faults.set(conflict("message", 2)).await;
    socket.subscribe("a").await;
    // More often than the client repeats it by itself.
    faults.set(conflict("publisher", 7)).await;
    is_live(&system, &mut socket, "a").await;
    faults.set(conflict("message", 4)).await;
    socket
        .send_event("pusher:unsubscribe", json!({"channel": "a"}))
        .await;
    socket.left(&system, "a").await;
    let started = std::time::Instant::now();
    loop {
        let item = system.table().rows("chan/1001/a").await;
        if item[0]["subscribers"] == 0 {
            break;
        }
        assert!(started.elapsed() < tests::PATIENCE, "{item:?}");
    }
}
