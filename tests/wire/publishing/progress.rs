//! A task's progress, read over sockets, streams and polls.

use std::time::{Duration, Instant};

use progress::{App, Progress};
use serde_json::{Value, json};
use tests::{PATIENCE, Socket, Stream, System};

fn app(system: &System) -> App {
    App {
        url: system.base.clone(),
        id: "1001".to_owned(),
        key: "local-key".to_owned(),
        secret: "local-secret".to_owned(),
    }
}

/// The messages of a stream up to the last word.
async fn told(stream: &mut Stream) -> Vec<Value> {
    let mut told = Vec::new();
    loop {
        let message = stream.message().await.expect("a message");
        let is_last = message["type"] != "progress";
        told.push(message);
        if is_last {
            return told;
        }
    }
}

#[tokio::test]
async fn a_page_that_opens_late_sees_where_the_task_is_and_then_each_step() {
    const CHANNEL: &str = "cache-task";
    let system = System::start_with(&["--quiet"]);
    let mut early = Stream::connected(&system, &format!("channels={CHANNEL}"), None).await;
    let mut socket = Socket::connect(&system).await;
    socket.subscribe(CHANNEL).await;
    socket.expect("pusher:cache_miss").await;
    let progress = Progress::new(app(&system), CHANNEL).expect("it keeps its last");
    let started = Instant::now();
    for percent in 0..=60 {
        progress.set(percent);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Until that is published, which may be after it is said.
    while system.poll(&format!("channels={CHANNEL}")).await.json()["events"]
        .as_array()
        .is_none_or(|events| events.last().is_none_or(|last| last["value"] != 60))
    {
        assert!(started.elapsed() < PATIENCE, "it is not published");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // A page that opens late.
    let mut late = Stream::connected(&system, &format!("channels={CHANNEL}"), None).await;
    let current = late.message().await.expect("a message");
    assert_eq!(
        (&current["type"], &current["value"]),
        (&json!("progress"), &json!(60))
    );
    let mut late_socket = Socket::connect(&system).await;
    late_socket.subscribe(CHANNEL).await;
    assert_eq!(
        late_socket.expect("progress").await["data"],
        r#"{"value":60}"#
    );
    progress.set(90);
    progress.complete().await.expect("it is published");
    let steps = usize::try_from(started.elapsed().as_millis() / 250).expect("few") + 4;
    assert_eq!(
        late_socket.expect("progress").await["data"],
        r#"{"value":90}"#
    );
    late_socket.expect("complete").await;
    let rest = told(&mut late).await;
    let rest: Vec<_> = rest
        .iter()
        .map(|message| (&message["type"], &message["value"]))
        .collect();
    assert_eq!(
        rest,
        [
            (&json!("progress"), &json!(90)),
            (&json!("complete"), &Value::Null)
        ]
    );
    // Every way shows the same, and no more than a page needs.
    let by_stream = told(&mut early).await;
    assert!((3..=steps).contains(&by_stream.len()), "{by_stream:?}");
    let polled = system.poll(&format!("channels={CHANNEL}")).await.json();
    assert_eq!(polled["events"], json!(by_stream));
    for message in &by_stream {
        let name = message["type"].as_str().expect("text");
        assert_eq!(socket.expect(name).await["data"], message["data"]);
    }
    let values: Vec<i64> = by_stream
        .iter()
        .filter_map(|message| message["value"].as_i64())
        .collect();
    assert!(values.is_sorted(), "{values:?}");
}

#[tokio::test]
async fn a_task_that_fails_says_so_and_one_that_dies_too() {
    let system = System::start_with(&["--quiet"]);
    for dies in [false, true] {
        let channel = format!("cache-{dies}");
        let mut stream = Stream::connected(&system, &format!("channels={channel}"), None).await;
        let progress = Progress::new(app(&system), &channel).expect("it keeps its last");
        progress.set(json!({"done": 1, "of": 3}));
        let reason = if dies {
            drop(progress);
            "the task ended without a word"
        } else {
            progress.fail("no paper").await.expect("it is published");
            "no paper"
        };
        let told = told(&mut stream).await;
        assert_eq!(told[0]["value"], json!({"done": 1, "of": 3}));
        let last = told.last().expect("a message");
        assert_eq!(last["type"], "failed");
        assert_eq!(last["data"], json!({"reason": reason}).to_string());
    }
}

#[tokio::test]
async fn a_last_word_that_is_refused_is_an_error() {
    let system = System::start_with(&["--quiet"]);
    let wrong = App {
        secret: "another".to_owned(),
        ..app(&system)
    };
    let progress = Progress::new(wrong, "cache-task").expect("it keeps its last");
    let refused = progress.complete().await.expect_err("it is not signed");
    assert!(refused.to_string().contains("401"), "{refused}");
    assert!(Progress::new(app(&system), "task").is_err());
}
