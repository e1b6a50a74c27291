//! The local gateway, where it must behave as API Gateway does.

use serde_json::json;
use tests::{Socket, System};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

#[tokio::test]
async fn what_is_too_big_or_no_text_closes_the_connection() {
    let system = System::start();
    let fragment = |opcode: Data, text: &str, last: bool| {
        Message::Frame(Frame::message(
            Bytes::from(text.to_owned()),
            OpCode::Data(opcode),
            last,
        ))
    };
    let half = "x".repeat(32_000);

    let mut socket = Socket::connect(&system).await;
    socket.send_text("x".repeat(32_769)).await;
    assert_eq!(socket.close_code().await, Some(1009), "a frame over 32 KB");

    let mut socket = Socket::connect(&system).await;
    socket.send(fragment(Data::Text, &half, false)).await;
    for _ in 0..5 {
        socket.send(fragment(Data::Continue, &half, false)).await;
    }
    socket.send(fragment(Data::Continue, "", true)).await;
    assert_eq!(
        socket.close_code().await,
        Some(1009),
        "a message over 128 KB"
    );

    let mut socket = Socket::connect(&system).await;
    socket.send(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(socket.close_code().await, Some(1003), "a binary frame");

    // Within both limits, in fragments.
    let mut socket = Socket::connect(&system).await;
    let padded = format!(
        r#"{{"event":"pusher:ping","data":{{}},"padding":"{}""#,
        "x".repeat(100_000)
    );
    let parts: Vec<&str> = (0..padded.len())
        .step_by(30_000)
        .map(|at| &padded[at..padded.len().min(at + 30_000)])
        .collect();
    for (n, part) in parts.iter().enumerate() {
        socket
            .send(fragment(
                if n == 0 { Data::Text } else { Data::Continue },
                part,
                false,
            ))
            .await;
    }
    socket.send(fragment(Data::Continue, "}", true)).await;
    socket.expect("pusher:pong").await;
}

#[tokio::test]
async fn silence_and_age_end_a_connection() {
    let system = System::start_with(&["--idle-timeout", "1"]);
    let mut socket = Socket::connect(&system).await;
    assert_eq!(socket.close_code().await, Some(1001), "silent");

    let system = System::start_with(&["--max-age", "1"]);
    let mut socket = Socket::connect(&system).await;
    assert_eq!(socket.close_code().await, Some(1001), "old");
}

#[tokio::test]
async fn an_upgrade_that_fails_is_refused() {
    // A table that cannot be written makes `connect` fail; a signature that is never checked
    // cannot. Here the connection's own id collides with nothing, so the way to make it fail is
    // to take the function away while it works.
    let system = System::start();
    let first = Socket::connect(&system).await;
    system.kill_function("connect");
    // The next one finds a new environment.
    Socket::connect(&system).await;
    drop(first);
    for path in ["/app", "/app/a/b", "/elsewhere", "/token/x/app", "/"] {
        match Socket::open(&system, path).await.err().map(|error| *error) {
            Some(Error::Http(response)) => assert!(
                response.status().is_client_error(),
                "{path}: {}",
                response.status()
            ),
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_protocol_ping_is_answered() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    socket.send(Message::Ping(Bytes::from_static(b"p"))).await;
    socket.subscribe("a").await;
    system
        .publish(json!({"name": "e", "channel": "a", "data": ""}))
        .await;
    socket.expect("e").await;
}
