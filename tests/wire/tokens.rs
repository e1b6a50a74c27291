//! Tokens: a server has one issued, a client spends it once, and it grants what it names.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{Socket, System};

const PATH: &str = "/apps/1001/tokens";

/// What a token's bearer is greeted with.
async fn greeted(system: &System, path: &str) -> (Socket, Value) {
    let mut socket = Socket::open(system, path)
        .await
        .expect("the upgrade is never refused");
    let frame = socket.frame().await;
    (socket, frame)
}

fn by_path(token: &str) -> String {
    format!("/token/{token}/app/local-key?protocol=7")
}

fn by_query(token: &str) -> String {
    format!("/app/local-key?protocol=7&token={token}")
}

#[tokio::test]
async fn a_token_opens_what_it_names_and_nothing_else() {
    let system = System::start();
    let request = json!({"user_id": "7", "user_info": {"name": "Zoë"}, "channels": ["private-orders", "private-user-7-*"]});
    let reply = system.post(PATH, request.to_string()).await;
    assert_eq!(
        (reply.status, reply.header("cache-control")),
        (201, Some("no-store")),
        "{reply:?}"
    );
    let issued = reply.json();
    assert!(issued["expires_at"].is_u64(), "{issued}");
    for path in [by_path, by_query] {
        let token = system.token(request.clone()).await;
        let mut socket = Socket::connect_at(&system, &path(&token)).await;
        for channel in ["private-orders", "private-user-7-mail", "private-user-7-"] {
            socket.subscribe(channel).await;
            system
                .publish(json!({"name": "e", "channel": channel, "data": ""}))
                .await;
            assert_eq!(socket.expect("e").await["channel"], channel);
        }
        for channel in [
            "private-orders-2",
            "private-user-71",
            "private-encrypted-orders",
            "presence-orders",
        ] {
            socket
                .send_event("pusher:subscribe", json!({"channel": channel}))
                .await;
            socket.expect("pusher:subscription_error").await;
        }
        // What the app signs for is open as ever, and so is what is public.
        socket
            .send_event(
                "pusher:subscribe",
                json!({"channel": "private-x", "auth": socket.auth("private-x")}),
            )
            .await;
        socket.acknowledged("private-x").await;
        socket.subscribe("public").await;
    }
}

#[tokio::test]
async fn a_token_is_good_once() {
    let system = System::start();
    let token = system.token(json!({"channels": []})).await;
    let first = Socket::connect_at(&system, &by_path(&token)).await;
    let (_, refused) = greeted(&system, &by_query(&token)).await;
    assert_eq!(refused["data"]["code"], 4009, "{refused}");
    first.close().await;
    let (_, refused) = greeted(&system, &by_path(&token)).await;
    assert_eq!(refused["data"]["code"], 4009, "{refused}");
}

#[tokio::test]
async fn of_a_hundred_at_once_one_gets_in() {
    let system = System::start_with(&["--quiet"]);
    let path = by_path(&system.token(json!({"channels": []})).await);
    let all = join_all((0..100).map(|_| greeted(&system, &path))).await;
    let admitted = all
        .iter()
        .filter(|(_, frame)| frame["event"] == "pusher:connection_established")
        .count();
    let refused = all
        .iter()
        .filter(|(_, frame)| frame["data"]["code"] == 4009)
        .count();
    assert_eq!((admitted, refused), (1, 99));
}

#[tokio::test]
async fn a_token_ends_with_its_time_and_its_app() {
    let system = System::start_with(&[
        "--app",
        "1001:local-key:local-secret",
        "--app",
        "2:other-key:other-secret",
    ]);
    let token = system.token(json!({"channels": ["private-a"]})).await;
    let (_, refused) = greeted(&system, &format!("/token/{token}/app/other-key?protocol=7")).await;
    assert_eq!(refused["data"]["code"], 4009, "{refused}");
    Socket::connect_at(&system, &by_path(&token)).await;

    let reply = system
        .post(
            PATH,
            json!({"channels": [], "ttl_seconds": 1, "reconnect_seconds": 60}).to_string(),
        )
        .await
        .json();
    // Not by sleeping: by the clock that the answer names.
    let expires_at = reply["expires_at"].as_u64().expect("a time") + 1;
    while std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs()
        < expires_at
    {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // Its row is there for a minute yet.
    let (_, refused) = greeted(&system, &by_path(reply["token"].as_str().expect("a token"))).await;
    assert_eq!(refused["data"]["code"], 4009, "{refused}");
}

#[tokio::test]
async fn a_reconnecting_client_takes_its_own_place() {
    let system = System::start();
    let token = system
        .token(json!({"channels": ["private-a"], "reconnect_seconds": 60}))
        .await;
    let mut before: Option<Socket> = None;
    for n in 0..4 {
        let mut socket = Socket::connect_at(&system, &by_path(&token)).await;
        socket.subscribe("private-a").await;
        if let Some(mut displaced) = before.take() {
            assert_eq!(
                displaced.close_code().await,
                Some(1000),
                "connection {n} has displaced the one before"
            );
        }
        system
            .publish(json!({"name": "e", "channel": "private-a", "data": n.to_string()}))
            .await;
        assert_eq!(socket.expect("e").await["data"], n.to_string());
        before = Some(socket);
    }
}

#[tokio::test]
async fn a_bad_request_issues_nothing() {
    let system = System::start();
    for body in [
        json!(null),
        json!([]),
        json!({}),
        json!({"channels": null}),
        json!({"channels": "private-a"}),
        json!({"channels": ["a b"]}),
        json!({"channels": ["*a"]}),
        json!({"channels": vec!["a"; 101]}),
        json!({"channels": [], "ttl_seconds": 0}),
        json!({"channels": [], "ttl_seconds": 3_601}),
        json!({"channels": [], "ttl_seconds": 1.5}),
        json!({"channels": [], "reconnect_seconds": -1}),
        json!({"channels": [], "reconnect_seconds": 86_401}),
        json!({"channels": [], "user_id": 7}),
        json!({"channels": [], "user_id": ""}),
        json!({"channels": [], "user_id": "u".repeat(129)}),
        json!({"channels": [], "user_id": "u", "user_info": "i".repeat(1_023)}),
    ] {
        let reply = system.post(PATH, body.to_string()).await;
        assert_eq!(reply.status, 400, "{body}: {reply:?}");
        assert!(reply.json()["error"].is_string(), "{reply:?}");
    }
    let reply = system
        .request("POST", PATH, b"{\"channels\":[]}".into())
        .await;
    assert_eq!(reply.status, 401, "{reply:?}");
}
