//! The local queues, reached by the functions' own client.

use std::time::Duration;

use serde_json::{Value, json};
use shared::aws::queue::Queue;
use shared::config::{Config, variable};
use tests::System;

/// Longer than any test takes: nobody is handed what the tests send.
const LONG: Duration = Duration::from_secs(900);

/// The client as a function has it: with the variables that functions are started with, but for
/// the endpoint.
fn later(system: &System, endpoint: &str) -> Queue {
    let lookup = |name: &str| match name {
        variable::SQS_ENDPOINT => Some(endpoint.to_owned()),
        variable::FUNCTION_NAME => Some("tests".to_owned()),
        name => system.find_variable(name),
    };
    let config = Config::from(lookup, &[variable::LATER_QUEUE_URL])
        .map_err(|problems| problems.to_string())
        .expect("complete");
    Queue::later(&config).expect("there is a URL")
}

async fn waiting(system: &System) -> Value {
    system.faults().queue("later").await["waiting"].clone()
}

#[tokio::test]
async fn a_message_that_is_sent_waits_for_its_delay() {
    let system = System::start_with(&["--faults"]);
    let queue = later(&system, &system.variable(variable::SQS_ENDPOINT));
    for n in 1..=2 {
        let body = json!({ "hello": "Zoë" }).to_string();
        queue.send(&body, LONG).await.expect("taken");
        assert_eq!(waiting(&system).await, n);
    }
    // As long as SQS takes, and one byte more.
    let longest = "x".repeat(1_048_576);
    queue.send(&longest, LONG).await.expect("taken");
    assert!(queue.send(&format!("{longest}x"), LONG).await.is_err());
    let state = system.faults().queue("later").await;
    assert_eq!(
        (&state["waiting"], &state["in_flight"], &state["dead"]),
        (&json!(3), &json!(0), &json!([]))
    );
}

#[tokio::test]
async fn a_message_survives_what_can_happen_to_it_on_its_way() {
    let system = System::start_with(&["--faults"]);
    let faults = system.faults();
    let queue = later(&system, &faults.endpoint());
    let mut sent = 0;
    // What arrives twice is there twice: SQS promises no less, and no more.
    for (fault, copies) in [
        ("drop", 1),
        ("lose_answer", 2),
        ("throttle", 1),
        ("fail", 1),
        ("kill", 1),
        ("kill_after", 2),
    ] {
        let rule =
            json!([{"function": "tests", "operation": "SendMessage", "times": 1, "fault": fault}]);
        faults.set(rule).await;
        faults.forget().await;
        queue.send("hello", LONG).await.expect(fault);
        sent += copies;
        assert_eq!(waiting(&system).await, sent, "{fault}");
        let made = faults.made().await;
        let made: Vec<_> = made
            .iter()
            .map(|made| (&*made.operation, &*made.target, made.fault.as_deref()))
            .collect();
        let of = |fault| ("SendMessage", "later", fault);
        assert_eq!(made, [of(Some(fault)), of(None)]);
    }
    let rule = json!([{"operation": "SendMessage", "fault": "fail"}]);
    faults.set(rule).await;
    assert!(queue.send("hello", LONG).await.is_err());
    assert_eq!(waiting(&system).await, sent);
}
