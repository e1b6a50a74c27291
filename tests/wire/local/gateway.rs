//! The local gateway, where it must behave as API Gateway does.

use nix::sys::signal::Signal;
use serde_json::{Value, json};
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

/// The status with which an upgrade is refused.
async fn refused_upgrade(system: &System, path: &str) -> u16 {
    match Socket::open(system, path).await.err().map(|error| *error) {
        Some(Error::Http(response)) => response.status().as_u16(),
        other => panic!("{path}: {other:?}"),
    }
}

#[tokio::test]
async fn an_upgrade_is_refused_when_connect_fails() {
    let system = System::start_with(&["--faults"]);
    let faults = system.faults();
    faults
        .set(json!([{"function": "connect", "operation": "write", "times": 1, "fault": "kill"}]))
        .await;
    let path = "/app/local-key?protocol=7";
    assert_eq!(refused_upgrade(&system, path).await, 500);
    // The next one finds a new environment.
    Socket::connect(&system).await;
}

#[tokio::test]
async fn a_path_that_leads_nowhere_is_refused() {
    let system = System::start();
    for path in ["/app", "/app/a/b", "/elsewhere", "/token/x/app", "/"] {
        assert_eq!(refused_upgrade(&system, path).await, 404, "{path}");
    }
    for (method, target, status) in [
        ("GET", "/app/local-key?protocol=7", 426),
        ("POST", "/app/local-key", 404),
        ("GET", "/apps/1001/events", 404),
        ("HEAD", "/status/local-key", 404),
        ("DELETE", "/ready", 404),
        ("GET", "//ready", 404),
    ] {
        let reply = system.request(method, target, Vec::new()).await;
        assert_eq!(reply.status, status, "{method} {target}");
    }
    // A client that was given an empty key is told so.
    let mut socket = Socket::open(&system, "/app/?protocol=7")
        .await
        .expect("accepted");
    assert_eq!(socket.expect("pusher:error").await["data"]["code"], 4001);
}

#[tokio::test]
async fn a_frame_whose_function_dies_gets_the_gateways_own_error() {
    let system = System::start_with(&["--faults"]);
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("orders").await;
    let rule = json!([{"function": "message", "times": 1, "fault": "kill"}]);
    system.faults().set(rule).await;
    socket.send_event("pusher:ping", json!({})).await;
    let message = socket.message().await.expect("open");
    let error: Value = serde_json::from_str(message.to_text().expect("text")).expect("JSON");
    assert_eq!(error["message"], "Internal server error", "{error}");
    assert_eq!(
        error["connectionId"].as_str().map(str::len),
        Some(16),
        "{error}"
    );
    assert!(error["requestId"].is_string(), "{error}");
    // The connection and what it is on are still there.
    system
        .publish(json!({"name": "e", "channel": "orders", "data": ""}))
        .await;
    socket.expect("e").await;
    socket.nothing_came().await;
}

#[tokio::test]
async fn a_function_that_overruns_its_time_is_replaced() {
    let system = System::start_with(&["--faults"]);
    let faults = system.faults();
    faults
        .set(json!([{"function": "status", "fault": "hold"}]))
        .await;
    let freeze = async {
        faults.held(1).await;
        let pid = system.environment_of("status");
        system.signal(pid, Signal::SIGSTOP);
        pid
    };
    let (reply, pid) = tokio::join!(system.poll("channels=orders"), freeze);
    assert_eq!(
        (reply.status, &reply.json()["message"]),
        (500, &json!("Internal Server Error"))
    );
    faults.lift().await;
    assert_eq!(system.poll("channels=orders").await.status, 200);
    assert!(!system.environments_of("status").contains(&pid));
}

#[tokio::test]
async fn a_connection_is_reached_as_on_aws() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    let rows = system.table().rows("conn/").await;
    let id = rows[0]["pk"].as_str().expect("a key")[5..].replace('=', "%3D");
    let endpoint = system.variable("CONNECTIONS_ENDPOINT");
    let call = async |method: &str, id: &str, signed: bool, body: Vec<u8>| {
        let method = method.parse().expect("a method");
        let mut request = system
            .client()
            .request(method, format!("{endpoint}/@connections/{id}"));
        if signed {
            request = request.header("authorization", "AWS4-HMAC-SHA256 Credential=a");
        }
        let answer = request.body(body).send().await.expect("an answer");
        let name = answer.headers().get("x-amzn-errortype").cloned();
        let name = name.map(|name| name.to_str().expect("text").to_owned());
        let (status, text) = (answer.status().as_u16(), answer.text().await.expect("text"));
        (status, name.unwrap_or_default(), text)
    };
    let refused = async |method: &str, id: &str, signed: bool, body: Vec<u8>| {
        let (status, name, _) = call(method, id, signed, body).await;
        (status, name)
    };
    let expected = |status: u16, name: &str| (status, name.to_owned());

    let unsigned = refused("POST", &id, false, b"x".to_vec()).await;
    assert_eq!(
        unsigned,
        expected(403, "MissingAuthenticationTokenException")
    );
    let unlikely = refused("POST", "not-one", true, b"x".to_vec()).await;
    assert_eq!(unlikely, expected(400, "BadRequestException"));
    let big = refused("POST", &id, true, vec![b'x'; 131_073]).await;
    assert_eq!(big, expected(413, "PayloadTooLargeException"));
    for method in ["POST", "GET", "DELETE"] {
        let unknown = refused(method, "AAAAAAAAAAAAAAA%3D", true, Vec::new()).await;
        assert_eq!(unknown, expected(410, "GoneException"), "{method}");
    }

    let frame = json!({"event": "e", "padding": "x".repeat(131_000)}).to_string();
    assert_eq!(call("POST", &id, true, frame.into()).await.0, 200);
    socket.expect("e").await;
    let (status, _, about) = call("GET", &id, true, Vec::new()).await;
    let about: Value = serde_json::from_str(&about).expect("JSON");
    assert_eq!(
        (status, &about["identity"]["sourceIp"]),
        (200, &json!("127.0.0.1"))
    );
    assert!(
        about["connectedAt"]
            .as_str()
            .is_some_and(|at| at.starts_with("20"))
    );
    assert_eq!(call("DELETE", &id, true, Vec::new()).await.0, 204);
    assert_eq!(socket.close_code().await, Some(1000));
    let gone = refused("POST", &id, true, b"x".to_vec()).await;
    assert_eq!(gone, expected(410, "GoneException"));
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
