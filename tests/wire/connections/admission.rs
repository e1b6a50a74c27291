//! Connecting: who is greeted, and who is refused with which code.

use serde_json::json;
use tests::{Socket, System};

#[tokio::test]
async fn a_client_is_greeted_both_ways() {
    for via in ["layer", "invoke"] {
        let system = System::start_with(&["--greet-via", via]);
        for protocol in [5, 6, 7] {
            let path =
                format!("/app/local-key?protocol={protocol}&client=js&version=8.6.0&flash=false");
            let mut socket = Socket::connect_at(&system, &path).await;
            let (left, right) = socket.socket_id.split_once('.').expect("two numbers");
            assert!(
                left.parse::<u64>().is_ok() && right.parse::<u64>().is_ok(),
                "{}",
                socket.socket_id
            );
            socket.subscribe("orders").await;
        }
        let mut refused = Socket::open(&system, "/app/no-such-key?protocol=7")
            .await
            .expect("accepted");
        assert_eq!(
            refused.expect("pusher:error").await["data"]["code"],
            4001,
            "{via}"
        );
        assert!(refused.close_code().await.is_some());
    }
}

#[tokio::test]
async fn a_refused_client_is_told_the_code_and_closed() {
    let system = System::start();
    for (path, code) in [
        ("/app/no-such-key?protocol=7", 4001),
        ("/app/?protocol=7", 4001),
        ("/app/local-key", 4008),
        ("/app/local-key?protocol=", 4008),
        ("/app/local-key?protocol=4", 4007),
        ("/app/local-key?protocol=8", 4007),
        ("/app/local-key?protocol=seven", 4007),
        ("/app/local-key?protocol=7&token=nonsense", 4009),
        ("/token/nonsense/app/local-key?protocol=7", 4009),
    ] {
        let mut socket = Socket::open(&system, path)
            .await
            .expect("the upgrade is never refused");
        let frame = socket.expect("pusher:error").await;
        assert_eq!(frame["data"]["code"], code, "{path}");
        assert!(
            frame["data"]["message"]
                .as_str()
                .is_some_and(|text| text.len() > 10),
            "{frame}"
        );
        assert_eq!(socket.close_code().await, Some(1000), "{path}");
    }
}

#[tokio::test]
async fn the_path_decides_over_the_query() {
    let system = System::start();
    let mut socket = Socket::open(&system, "/app/no-such-key?protocol=7&app_key=local-key")
        .await
        .expect("accepted");
    assert_eq!(socket.expect("pusher:error").await["data"]["code"], 4001);
}

#[tokio::test]
async fn whoever_was_refused_cannot_go_on() {
    let system = System::start();
    let mut socket = Socket::open(&system, "/app/no-such-key?protocol=7")
        .await
        .expect("accepted");
    // Sent before the refusal can have come.
    socket
        .send_event("pusher:subscribe", json!({"channel": "orders"}))
        .await;
    loop {
        let Some(message) = socket.message().await else {
            break;
        };
        let text = message.to_text().unwrap_or_default();
        assert!(!text.contains("subscription_succeeded"), "{text}");
    }
    system
        .publish(json!({"name": "e", "channel": "orders", "data": "d"}))
        .await;
}

#[tokio::test]
async fn those_who_left_cost_nobody_a_copy() {
    let system = System::start();
    let mut stays = Socket::connect(&system).await;
    stays.subscribe("orders").await;
    for _ in 0..10 {
        let mut leaves = Socket::connect(&system).await;
        leaves.subscribe("orders").await;
        // Without a word.
        drop(leaves);
    }
    for n in 0..20 {
        system
            .publish(json!({"name": "e", "channel": "orders", "data": n.to_string()}))
            .await;
        assert_eq!(stays.expect("e").await["data"], n.to_string());
    }
}

#[tokio::test]
async fn a_function_that_dies_is_replaced() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("orders").await;
    for name in ["connect", "message"] {
        for pid in system.environments_of(name) {
            system.crash(pid);
        }
    }
    socket.subscribe("invoices").await;
    let mut other = Socket::connect(&system).await;
    other.subscribe("orders").await;
    system
        .publish(json!({"name": "e", "channel": "orders", "data": "d"}))
        .await;
    system.crash(system.environment_of("publisher"));
    system
        .publish(json!({"name": "f", "channel": "orders", "data": "d"}))
        .await;
    for socket in [&mut socket, &mut other] {
        socket.expect("e").await;
        socket.expect("f").await;
    }
}

#[tokio::test]
async fn only_pages_of_the_allowed_origins_may_connect() {
    let origins = ["https://app.example.com", "https://*.example.org"];
    let system = System::start_with_app(&json!({"allowed_origins": origins}), &[]);
    let path = "/app/local-key?protocol=7";
    for origin in [
        None,
        Some("https://app.example.com"),
        Some("https://a.b.example.org"),
    ] {
        let socket = Socket::open_as(&system, path, origin).await;
        let mut socket = socket.expect("let in");
        socket.expect("pusher:connection_established").await;
    }
    for origin in [
        "https://example.com",
        "http://app.example.com",
        "https://app.example.com.example.net",
        "https://example.org",
        "null",
    ] {
        let socket = Socket::open_as(&system, path, Some(origin)).await;
        let mut socket = socket.expect("let in");
        let refused = socket.expect("pusher:error").await;
        assert_eq!(refused["data"]["code"], 4009, "{origin}");
        socket.close_code().await;
    }
}
