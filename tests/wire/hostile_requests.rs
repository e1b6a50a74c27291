//! Requests that no client library would make.

use serde_json::json;
use tests::{System, signed_query};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Sends bytes as they are, and gives the answer's status.
async fn raw(system: &System, request: &[u8]) -> u16 {
    let address = system.base.strip_prefix("http://").expect("http");
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(request).await.expect("taken");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|text| text.parse().ok());
    status.unwrap_or_else(|| panic!("no status: {answer}"))
}

#[tokio::test]
async fn no_header_makes_a_function_fail() {
    let system = System::start();
    let (path, body) = (
        "/apps/1001/events",
        r#"{"name":"e","channel":"a","data":""}"#,
    );
    let query = signed_query("POST", path, body.as_bytes(), tests::now_secs());
    for headers in [
        "Host: a b{}",
        "Host: :::",
        "Host:",
        "Host: a\r\nX-Forwarded-Proto: :::",
        "Host: a\r\nX-Forwarded-Host: {}\r\nX-Forwarded-Port: x",
        "Host: a\r\nX-Amzn-Trace-Id: \u{ff}",
        "Host: a\r\nContent-Type: \u{ff}",
        "Host: a\r\nCookie: ;;=;",
        "Host: a\r\nX-Idempotency-Key: \u{ff}",
    ] {
        let rest = format!(
            "{headers}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let signed = raw(
            &system,
            format!("POST {path}?{query} HTTP/1.1\r\n{rest}").as_bytes(),
        )
        .await;
        assert_eq!(signed, 200, "{headers}");
        let unsigned = raw(
            &system,
            format!("POST {path} HTTP/1.1\r\n{rest}").as_bytes(),
        )
        .await;
        assert_eq!(unsigned, 401, "{headers}");
    }
}

#[tokio::test]
async fn unlikely_requests_end_no_function() {
    let system = System::start();
    system
        .publish(json!({"name": "e", "channel": "a", "data": ""}))
        .await;
    let before: Vec<i32> = system.children().into_iter().map(|(pid, _)| pid).collect();
    for target in [
        "/apps/%ff/events",
        "/apps//events",
        "/apps/1001/events?%ff=%ff&&&==",
        "/apps/1001%2Fevents/events",
        "/apps/1001/events?auth_key=%00",
        "/apps/1001/batch_events?auth_key[=1&auth_key]=2&[]=3",
        "/apps/1001/channels/%ff/events?name=e",
        "/apps/1001/users/%/terminate_connections",
        "/apps/1001/users/%00%ff/terminate_connections",
        "/users/%2e%2e/terminate_connections?auth_key=",
        "/status/%ff?channels=a",
        "/status/local-key?channels=%ff",
        "/status/local-key?channels=a&after=%00",
    ] {
        let method = if target.starts_with("/status") {
            "GET"
        } else {
            "POST"
        };
        let reply = system.request(method, target, b"\xff\x00{".into()).await;
        assert!((400..500).contains(&reply.status), "{target}: {reply:?}");
    }
    let after: Vec<i32> = system.children().into_iter().map(|(pid, _)| pid).collect();
    assert!(
        before.iter().all(|pid| after.contains(pid)),
        "{before:?} became {after:?}"
    );
}
