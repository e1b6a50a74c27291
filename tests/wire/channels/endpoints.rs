//! The HTTP API's questions about channels: which are occupied, how many subscribe, who is a member.

use serde_json::{Value, json};
use tests::{PATIENCE, Socket, System, body_digest, hmac_hex, now_secs, signed_query_with};

pub(crate) const CHANNELS: &str = "/apps/1001/channels";

pub(crate) fn channel(name: &str) -> String {
    format!("{CHANNELS}/{name}")
}

/// Asks, and gives the body, which must be an answer.
pub(crate) async fn asked(system: &System, path: &str, parameters: &[(&str, &str)]) -> String {
    let reply = system.get(path, parameters).await;
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/json"));
    reply.text
}

/// Asks until the answer is this one.
async fn becomes(system: &System, path: &str, parameters: &[(&str, &str)], expected: &str) {
    let started = std::time::Instant::now();
    loop {
        let body = asked(system, path, parameters).await;
        if body == expected {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{body}, not {expected}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_channel_is_listed_while_somebody_is_on_it() {
    let system = System::start();
    assert_eq!(asked(&system, CHANNELS, &[]).await, r#"{"channels":{}}"#);
    let (mut one, mut two) = (
        Socket::connect(&system).await,
        Socket::connect(&system).await,
    );
    one.subscribe("orders").await;
    two.subscribe("orders").await;
    one.subscribe_private("private-orders").await;
    one.attend("presence-lobby", json!("7")).await;
    one.roster("presence-lobby").await;
    assert_eq!(
        asked(&system, CHANNELS, &[]).await,
        r#"{"channels":{"orders":{},"presence-lobby":{},"private-orders":{}}}"#
    );
    for (prefix, listed) in [
        ("presence-", r#"{"channels":{"presence-lobby":{}}}"#),
        ("o", r#"{"channels":{"orders":{}}}"#),
        ("orders", r#"{"channels":{"orders":{}}}"#),
        ("orders-", r#"{"channels":{}}"#),
        ("__fish", r#"{"channels":{}}"#),
    ] {
        let parameters = [("filter_by_prefix", prefix)];
        assert_eq!(asked(&system, CHANNELS, &parameters).await, listed);
    }
    let counts = [("info", "subscription_count")];
    assert_eq!(
        asked(&system, CHANNELS, &counts).await,
        r#"{"channels":{"orders":{"subscription_count":2},"presence-lobby":{"subscription_count":1},"private-orders":{"subscription_count":1}}}"#
    );
    let both = [
        ("filter_by_prefix", "presence-"),
        ("info", "subscription_count,user_count"),
    ];
    assert_eq!(
        asked(&system, CHANNELS, &both).await,
        r#"{"channels":{"presence-lobby":{"user_count":1,"subscription_count":1}}}"#
    );
    one.close().await;
    becomes(&system, CHANNELS, &[], r#"{"channels":{"orders":{}}}"#).await;
    let one_left = r#"{"channels":{"orders":{"subscription_count":1}}}"#;
    assert_eq!(asked(&system, CHANNELS, &counts).await, one_left);
    two.send_event("pusher:unsubscribe", json!({"channel": "orders"}))
        .await;
    becomes(&system, CHANNELS, &[], r#"{"channels":{}}"#).await;
    // What was published to is not what somebody is on.
    system
        .publish(json!({"name": "e", "channel": "orders", "data": ""}))
        .await;
    assert_eq!(asked(&system, CHANNELS, &[]).await, r#"{"channels":{}}"#);
    two.subscribe("orders").await;
    assert_eq!(
        asked(&system, CHANNELS, &[]).await,
        r#"{"channels":{"orders":{}}}"#
    );
}

#[tokio::test]
async fn one_channel_is_told_of_as_it_is_now() {
    let system = System::start();
    let info = [("info", "user_count,subscription_count")];
    let nobody = r#"{"occupied":false,"user_count":0,"subscription_count":0}"#;
    let lobby = channel("presence-lobby");
    assert_eq!(asked(&system, &lobby, &info).await, nobody);
    assert_eq!(asked(&system, &lobby, &[]).await, r#"{"occupied":false}"#);
    let mut sockets = Vec::new();
    // Each is counted as soon as it is acknowledged, whoever announces it.
    for (number, user, users) in [(1, "7", 1), (2, "7", 1), (3, "8", 2)] {
        let mut socket = Socket::connect(&system).await;
        socket.attend("presence-lobby", json!(user)).await;
        socket.roster("presence-lobby").await;
        sockets.push(socket);
        let expected =
            format!(r#"{{"occupied":true,"user_count":{users},"subscription_count":{number}}}"#);
        assert_eq!(asked(&system, &lobby, &info).await, expected);
    }
    assert_eq!(
        asked(&system, &channel("presence-lobby/stats"), &[]).await,
        r#"{"occupied":true,"user_count":2}"#
    );
    for socket in sockets {
        socket.close().await;
    }
    becomes(&system, &lobby, &info, nobody).await;
    assert_eq!(
        asked(&system, &channel("orders/stats"), &[]).await,
        r#"{"occupied":false}"#
    );
}

#[tokio::test]
async fn what_a_cache_channel_keeps_can_be_asked_for() {
    let settings = json!({"cache_seconds": 100});
    let system = System::start_with_app(&settings, &[]);
    let info = [("info", "cache,subscription_count")];
    let orders = channel("cache-orders");
    let nothing = r#"{"occupied":false,"subscription_count":0,"cache":null}"#;
    assert_eq!(asked(&system, &orders, &info).await, nothing);
    let data = r#"{"id":1}"#;
    system
        .publish(json!({"name": "e", "channel": "cache-orders", "data": data}))
        .await;
    let told: Value =
        serde_json::from_str(&asked(&system, &orders, &[("info", "cache")]).await).expect("JSON");
    assert_eq!(told["occupied"], false);
    assert_eq!(told["cache"]["data"], data);
    let ttl = told["cache"]["ttl"].as_u64().expect("seconds");
    assert!((90..=100).contains(&ttl), "{told}");
    // Others keep nothing.
    system
        .publish(json!({"name": "e", "channel": "orders", "data": data}))
        .await;
    assert_eq!(asked(&system, &channel("orders"), &info).await, nothing);
}

#[tokio::test]
async fn users_are_those_who_are_there_each_once() {
    let system = System::start();
    let path = &channel("presence-lobby/users");
    assert_eq!(asked(&system, path, &[]).await, r#"{"users":[]}"#);
    let mut sockets = Vec::new();
    for user in [json!("b/ü\""), json!(7), json!("b/ü\""), json!("a")] {
        let mut socket = Socket::connect(&system).await;
        socket.attend("presence-lobby", user).await;
        socket.roster("presence-lobby").await;
        sockets.push(socket);
    }
    // One whose connection has expired is there no more, whatever its row says.
    let expired = json!({
        "pk": {"S": "memb/1001/presence-lobby"}, "sk": {"S": "expired"}, "v": {"N": "1"},
        "user": {"S": r#"{"id":"expired"}"#}, "announced": {"BOOL": true},
        "c/AAAAAAAAAAAAAAA=": {"M": {"e": {"N": "1"}, "a": {"N": "1"}}},
    });
    system
        .table()
        .call("PutItem", json!({ "Item": expired }))
        .await;
    assert_eq!(
        asked(&system, path, &[]).await,
        r#"{"users":[{"id":"7"},{"id":"a"},{"id":"b/ü\""}]}"#
    );
}

#[tokio::test]
async fn an_app_sees_its_own_channels_only_however_they_are_spelled() {
    let system = System::start_with(&[
        "--app",
        "1001:local-key:local-secret",
        "--app",
        "1002:other-key:local-secret",
    ]);
    let mut other = Socket::connect_at(&system, "/app/other-key?protocol=7").await;
    other.subscribe("orders").await;
    assert_eq!(asked(&system, CHANNELS, &[]).await, r#"{"channels":{}}"#);
    assert_eq!(
        asked(&system, &channel("orders"), &[]).await,
        r#"{"occupied":false}"#
    );
    // Signed with the secret that both have, but with the other one's key, or for another path.
    for path in [
        "/apps/1002/channels",
        "/apps/1002/channels/orders",
        "/apps/%31002/channels",
        "/apps/1001%2F..%2F1002/channels",
        "/apps/1001/..%2F1002/channels",
        "/apps/1001/%2E%2E/1002/channels",
        "/apps/1001/channels/..%2F..%2F1002%2Fchannels%2Forders",
        "/apps/1001/channels/x%2F..%2F..%2F1002",
        "/apps/1001/channels/orders%00",
        "/apps/1001/channels/%ff",
        "/apps/1001/channels/1002%2Forders",
        "/apps/1001/channels/%2Forders",
    ] {
        let reply = system.get(path, &[]).await;
        assert!((400..500).contains(&reply.status), "{path}: {reply:?}");
        let unescaped = path.replace("%2F", "/").replace("%31", "1");
        let query = signed_query_with("GET", &unescaped, &[], &[], now_secs());
        let target = format!("{path}?{query}");
        let reply = system.request("GET", &target, Vec::new()).await;
        assert!((400..500).contains(&reply.status), "{path}: {reply:?}");
    }
    let prefix = system.get(CHANNELS, &[("filter_by_prefix", "../1002")]);
    assert_eq!(prefix.await.status, 400);
    // It is there, for whoever has the key.
    let query = "auth_key=other-key&auth_timestamp=";
    let query = format!("{query}{}&auth_version=1.0", now_secs());
    let signature = hmac_hex(
        "local-secret",
        &format!("GET\n/apps/1002/channels\n{query}"),
    );
    let target = format!("/apps/1002/channels?{query}&auth_signature={signature}");
    let reply = system.request("GET", &target, Vec::new()).await;
    assert_eq!(reply.text, r#"{"channels":{"orders":{}}}"#);
}

#[tokio::test]
async fn a_name_may_be_escaped_and_signed_either_way() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("a=@,;.-_Z9").await;
    socket.sign_in(json!({"id": "7"})).await;
    let subscribe = json!({"channel": "#server-to-user-7", "auth": ""});
    socket.send_event("pusher:subscribe", subscribe).await;
    socket.acknowledged("#server-to-user-7").await;
    for (sent, signed) in [
        ("a=@,;.-_Z9", "a=@,;.-_Z9"),
        ("a%3D%40%2C%3B.-_Z9", "a%3D%40%2C%3B.-_Z9"),
        ("a%3D%40%2C%3B.-_Z9", "a=@,;.-_Z9"),
        ("%23server-to-user-7", "%23server-to-user-7"),
        ("%23server-to-user-7", "#server-to-user-7"),
    ] {
        let query = signed_query_with("GET", &channel(signed), &[], &[], now_secs());
        let target = format!("{}?{query}", channel(sent));
        let reply = system.request("GET", &target, Vec::new()).await;
        assert_eq!(
            (reply.status, reply.text.as_str()),
            (200, r#"{"occupied":true}"#),
            "{sent} {signed}"
        );
    }
}

#[tokio::test]
async fn a_get_is_signed_like_a_post_body_and_lists_included() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    socket.attend("presence-a", json!("7")).await;
    socket.roster("presence-a").await;
    let now = now_secs().to_string();
    let sign = |parameters: &str, sent: &str| {
        let signature = hmac_hex("local-secret", &format!("GET\n{CHANNELS}\n{parameters}"));
        format!("{CHANNELS}?{sent}&auth_signature={signature}")
    };
    let signed = |more: &str| {
        let parameters = format!("auth_key=local-key&auth_timestamp={now}&auth_version=1.0{more}");
        sign(&parameters, &parameters)
    };
    let listed = r#"{"channels":{"presence-a":{}}}"#;
    // Python's SDK sends the digest of nothing.
    let digest_of_nothing = format!("&body_md5={}", body_digest(b""));
    let digest = format!("&body_md5={}", body_digest(b"{}"));
    for (target, body, status) in [
        (signed(""), "", 200),
        (signed(&digest_of_nothing), "", 200),
        (signed(&digest), "{}", 200),
        (signed(""), "{}", 401),
        (signed(&digest), "", 401),
        (signed(&digest), "{ }", 401),
        (signed(&digest_of_nothing), "{}", 401),
    ] {
        let reply = system.request("GET", &target, body.into()).await;
        assert_eq!(reply.status, status, "{target} {body}: {reply:?}");
        assert!(status != 200 || reply.text == listed, "{reply:?}");
    }
    // As PHP's SDK signs a list, and as it sends it.
    let head = format!(
        "auth_key=local-key&auth_timestamp={now}&auth_version=1.0&filter_by_prefix=presence-"
    );
    let parameters = format!("{head}&info=user_count,subscription_count");
    for list in [
        "info[0]=user_count&info[1]=subscription_count",
        "info%5B%5D=user_count&info%5B%5D=subscription_count",
    ] {
        let target = sign(&parameters, &format!("{head}&{list}"));
        let reply = system.request("GET", &target, Vec::new()).await;
        assert_eq!(
            reply.text,
            r#"{"channels":{"presence-a":{"user_count":1,"subscription_count":1}}}"#
        );
    }
}

#[tokio::test]
async fn a_publication_tells_of_its_channels_what_was_asked() {
    let system = System::start();
    let mut sockets = Vec::new();
    for user in ["7", "8", "8"] {
        let mut socket = Socket::connect(&system).await;
        socket.subscribe("orders").await;
        socket.attend("presence-lobby", json!(user)).await;
        socket.roster("presence-lobby").await;
        sockets.push(socket);
    }
    let events = |channels: &[&str], info: &str| {
        let body = json!({"name": "e", "channels": channels, "data": "", "info": info});
        system.post("/apps/1001/events", body.to_string())
    };
    let channels = ["presence-lobby", "orders", "presence-empty"];
    for (info, body) in [
        ("", "{}"),
        (
            "subscription_count,user_count",
            r#"{"channels":{"orders":{"subscription_count":3},"presence-empty":{"user_count":0,"subscription_count":0},"presence-lobby":{"user_count":2,"subscription_count":3}}}"#,
        ),
        (
            "user_count",
            r#"{"channels":{"orders":{},"presence-empty":{"user_count":0},"presence-lobby":{"user_count":2}}}"#,
        ),
        (
            "anything",
            r#"{"channels":{"orders":{},"presence-empty":{},"presence-lobby":{}}}"#,
        ),
    ] {
        let reply = events(&channels, info).await;
        assert_eq!((reply.status, reply.text.as_str()), (200, body), "{info}");
    }
}

#[tokio::test]
async fn a_count_that_turns_out_wrong_leaves_the_channel_unoccupied() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("orders").await;
    // As if its connection had died between its count and its row, some time ago.
    let rows = system.table().rows("subs/1001/orders").await;
    let key = json!({"pk": {"S": rows[0]["pk"]}, "sk": {"S": rows[0]["sk"]}});
    system.table().call("DeleteItem", json!({"Key": key})).await;
    let long_ago = json!({
        "Key": {"pk": {"S": "chan/1001/orders"}, "sk": {"S": "chan"}},
        "UpdateExpression": "SET joined_at = :long_ago",
        "ExpressionAttributeValues": {":long_ago": {"N": "1"}},
    });
    system.table().call("UpdateItem", long_ago).await;
    assert_eq!(
        asked(&system, CHANNELS, &[]).await,
        r#"{"channels":{"orders":{}}}"#
    );
    system
        .publish(json!({"name": "e", "channel": "orders", "data": ""}))
        .await;
    assert_eq!(asked(&system, CHANNELS, &[]).await, r#"{"channels":{}}"#);
    assert_eq!(
        asked(
            &system,
            &channel("orders"),
            &[("info", "subscription_count")]
        )
        .await,
        r#"{"occupied":false,"subscription_count":0}"#
    );
}
