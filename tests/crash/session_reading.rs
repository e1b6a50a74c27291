//! Reading from a session over HTTP. Its function dies, or its requests to the table fail, between any two
//! of its writes. The client receives everything once.

use serde_json::json;
use tests::Session;

use crate::stage::Stage;

/// Publishes what the session is to get.
async fn publish(stage: &Stage, data: &str) {
    let event = json!({"name": "e", "channel": "orders", "data": data});
    stage.publish(event).await;
}

/// Polls until it is answered, as a client does that minds: with the same number.
async fn insist(stage: &Stage, session: &mut Session<'_>) {
    let target = session.target("xhr");
    for _ in 0..5 {
        let reply = stage.request("POST", &target, Vec::new()).await;
        if reply.status == 200 {
            return session.take(&reply.text);
        }
        stage.faults().lift().await;
    }
    panic!("it is never answered");
}

#[tokio::test]
async fn a_poll_that_dies_is_made_again_and_shows_everything_once() {
    let stage = Stage::new();
    let mut session = Session::open(&stage).await;
    session.subscribe("orders").await;
    let mut number = 0;
    // It takes the session, deletes what was read, and notes what it hands out.
    for write in 0..3 {
        for fault in ["kill", "kill_after", "lose_answer", "fail", "throttle"] {
            number += 1;
            let first = format!("{number} before");
            publish(&stage, &first).await;
            assert_eq!(session.expect("e").await["data"], first.as_str());
            let second = format!("{number} after");
            publish(&stage, &second).await;
            let rule = json!([{
                "function": "session", "operation": "write", "skip": write, "times": 1,
                "fault": fault,
            }]);
            stage.faults().forget().await;
            stage.faults().set(rule).await;
            insist(&stage, &mut session).await;
            stage.faults().lift().await;
            assert_eq!(session.expect("e").await["data"], second.as_str());
            let made = stage.faults().made().await;
            assert!(
                made.iter().any(|made| made.fault.is_some()),
                "{write} {fault}"
            );
        }
    }
    session.nothing_came().await;
}

#[tokio::test]
async fn a_session_that_dies_at_its_opening_is_begun_anew() {
    let stage = Stage::new();
    for write in 0..3 {
        for fault in ["kill", "kill_after", "fail"] {
            let rule = json!([{
                "function": "session", "operation": "write", "skip": write, "times": 1,
                "fault": fault,
            }]);
            stage.faults().set(rule).await;
            let mut session = Session::new(&stage, "local-key");
            insist(&stage, &mut session).await;
            stage.faults().lift().await;
            if session.closed.is_some() {
                // Its connection was recorded by a request that nobody heard of.
                assert_eq!(session.closed, Some(4200), "{write} {fault}");
                session = Session::open(&stage).await;
            } else {
                session.greeted().await;
            }
            session.subscribe("orders").await;
            publish(&stage, "1").await;
            assert_eq!(session.expect("e").await["data"], "1");
        }
    }
}
