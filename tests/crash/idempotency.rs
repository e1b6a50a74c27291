//! Publishing under an idempotency key: every write fails in turn, and the publication is repeated.

use serde_json::{Value, json};
use tests::Reply;

use crate::stage::{Case, Stage, cases};

const EVENTS: &str = "/apps/1001/events";

/// Does the same again until it is answered, as a backend does.
async fn again(stage: &Stage, body: &Value, case: Case) -> Reply {
    let mut attempts = 0;
    loop {
        let reply = stage.post(EVENTS, body.to_string()).await;
        match reply.status {
            200 => return reply,
            409 => stage.attempts_overdue().await,
            status => panic!("{case:?}: {status}: {reply:?}"),
        }
        attempts += 1;
        assert!(attempts < 3, "{case:?}: it is never over");
    }
}

/// The data and the serials in a channel's log.
async fn logged(stage: &Stage, channel: &str) -> Vec<(Value, Value)> {
    let rows = stage.table().rows(&format!("log/1001/{channel}")).await;
    let published = rows.iter().filter(|row| row.get("data").is_some());
    published
        .map(|row| (row["data"].clone(), row["sk"].clone()))
        .collect()
}

#[tokio::test]
async fn what_is_published_again_under_its_key_is_published_once() {
    let stage = Stage::new();
    let (mut steady, _) = stage.connect().await;
    steady.subscribe("count").await;
    stage.faults().forget().await;
    let body = json!({"name": "e", "channel": "count", "data": "0", "idempotency_key": "count"});
    assert_eq!(stage.post(EVENTS, body.to_string()).await.status, 200);
    let writes = stage.writes_of("publisher").await;
    // It begins, takes a serial, notes it, is in the log, and notes its answer.
    assert_eq!(writes, 5);
    for (n, case) in cases(writes).enumerate() {
        let channel = &format!("c{n}");
        let (mut steady, _) = stage.connect().await;
        steady.subscribe(channel).await;
        let body = json!({"name": "e", "channel": channel, "data": "1", "idempotency_key": channel, "info": "subscription_count"});
        stage.fail("publisher", case).await;
        let first = stage.post(EVENTS, body.to_string()).await;
        stage.faults().lift().await;
        assert!(
            [200, 500, 503].contains(&first.status),
            "{case:?}: {first:?}"
        );
        // Another request under its key is refused, whatever has become of it.
        let mut other = body.clone();
        other["data"] = json!("2");
        let begun = !stage.table().rows("idem/").await.is_empty();
        if begun && first.status == 200 {
            let other = stage.post(EVENTS, other.to_string()).await;
            assert_eq!(other.status, 422, "{case:?}: {other:?}");
        }
        let second = again(&stage, &body, case).await;
        let told = format!(r#"{{"channels":{{"{channel}":{{"subscription_count":1}}}}}}"#);
        assert_eq!(second.text, told, "{case:?}");
        assert!(first.status != 200 || first.text == told, "{case:?}");
        let third = again(&stage, &body, case).await;
        assert_eq!(third.text, told, "{case:?}");
        // One publication, which came once, or twice under the same serial after a crash.
        let log = logged(&stage, channel).await;
        let [(data, serial)] = log.as_slice() else {
            panic!("{case:?}: {log:?}")
        };
        assert_eq!(data, "1", "{case:?}");
        stage
            .publish(json!({"name": "last", "channel": channel, "data": ""}))
            .await;
        let mut copies = 0;
        loop {
            let frame = steady.frame().await;
            if frame["event"] == "last" {
                break;
            }
            let number = frame["serial"].as_u64().expect("a serial");
            assert_eq!(json!(format!("{number:020}")), *serial, "{case:?}");
            copies += 1;
        }
        assert!((1..=2).contains(&copies), "{case:?}: {copies} copies");
        // One that was answered came once, unless it could not be noted that it was.
        let noted = case.write < writes - 1;
        assert!(
            first.status != 200 || copies == 1 || !noted,
            "{case:?}: {copies} copies"
        );
    }
}

#[tokio::test]
async fn a_retry_uses_the_serials_that_were_noted() {
    let stage = Stage::new();
    let channels: Vec<String> = (0..3).map(|n| format!("c{n}")).collect();
    // It dies after it has noted its serials, with none, one and two of three in a log.
    for skip in 0..3 {
        let key = format!("k{skip}");
        let body = json!({"name": "e", "channels": channels, "data": key, "idempotency_key": key});
        let rule = json!([{
            "function": "publisher", "operation": "PutItem", "containing": "log/", "skip": skip,
            "fault": "kill",
        }]);
        stage.faults().set(rule).await;
        let status = stage.post(EVENTS, body.to_string()).await.status;
        assert_eq!(status, 500, "{skip}");
        stage.faults().lift().await;
        let rows = stage.table().rows("idem/1001/").await;
        let row = rows.iter().find(|row| row.get("answer").is_none());
        let noted = row.expect("under way")["serials"].clone();
        let noted: Vec<&str> = noted
            .as_array()
            .expect("three")
            .iter()
            .map(|serial| serial["N"].as_str().expect("a number"))
            .collect();
        let case = Case {
            write: skip,
            fault: "kill",
            lasting: true,
        };
        again(&stage, &body, case).await;
        for (channel, serial) in channels.iter().zip(&noted) {
            let log = logged(&stage, channel).await;
            let serial = serial.parse::<u64>().expect("a number");
            let entry = (json!(key), json!(format!("{serial:020}")));
            assert!(log.contains(&entry), "{skip}: {entry:?} not in {log:?}");
            let copies = log.iter().filter(|(data, _)| *data == key.as_str()).count();
            assert_eq!(copies, 1, "{skip}: {log:?}");
        }
    }
}

#[tokio::test]
async fn a_serial_that_a_reader_closed_meanwhile_is_replaced_once() {
    let stage = Stage::new();
    let body = json!({"name": "e", "channel": "a", "data": "1", "idempotency_key": "k"});
    let log = |fault: &str| json!([{"function": "publisher", "operation": "PutItem", "containing": "log/", "fault": fault, "times": 1}]);
    stage.faults().set(log("kill")).await;
    assert_eq!(stage.post(EVENTS, body.to_string()).await.status, 500);
    stage.faults().lift().await;
    // Somebody else publishes, and a reader gives the dead one up.
    stage
        .publish(json!({"name": "e", "channel": "a", "data": "2"}))
        .await;
    let started = std::time::Instant::now();
    while stage.poll("channels=a").await.json()["events"] == json!([]) {
        assert!(started.elapsed() < tests::PATIENCE, "nothing is shown");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // The retry finds it closed, takes another serial, and dies with that in the log.
    stage.attempts_overdue().await;
    let rule = json!([{"function": "publisher", "operation": "PutItem", "containing": "log/", "fault": "kill_after", "skip": 1, "times": 1}]);
    stage.faults().set(rule).await;
    assert_eq!(stage.post(EVENTS, body.to_string()).await.status, 500);
    stage.faults().lift().await;
    let case = Case {
        write: 0,
        fault: "kill_after",
        lasting: false,
    };
    again(&stage, &body, case).await;
    let polled = stage.poll("channels=a").await.json();
    let events = polled["events"].as_array().expect("a list").iter();
    let data: Vec<&Value> = events.map(|event| &event["data"]).collect();
    assert_eq!(json!(data), json!(["2", "1"]));
}
