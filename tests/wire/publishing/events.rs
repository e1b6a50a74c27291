//! Publishing over the HTTP API: who may publish, who receives the event, and what is refused.

use std::time::SystemTime;

use serde_json::json;
use tests::{Socket, System, body_digest, hmac_hex, signed_query};

const PATH: &str = "/apps/1001/events";

#[tokio::test]
async fn an_event_reaches_every_subscriber_and_nobody_else() {
    let system = System::start();
    let mut both = Socket::connect(&system).await;
    both.subscribe("a").await;
    both.subscribe("b").await;
    let mut other = Socket::connect(&system).await;
    other.subscribe("c").await;
    let data = r#"{"text":"naïve ☕ 𝄞 \u0000","n":[1,2.50]}"#;
    system
        .publish(json!({"name": "App\\Events\\X", "channels": ["a", "b", "a"], "data": data}))
        .await;
    let mut channels = Vec::new();
    for _ in 0..2 {
        let frame = both.expect("App\\Events\\X").await;
        assert_eq!(frame["data"], data);
        assert!(frame["serial"].is_u64());
        channels.push(frame["channel"].as_str().expect("a name").to_owned());
    }
    channels.sort();
    assert_eq!(channels, ["a", "b"]);
    both.nothing_came().await;
    other.nothing_came().await;
}

#[tokio::test]
async fn the_sender_is_left_out() {
    let system = System::start();
    let mut sender = Socket::connect(&system).await;
    let mut other = Socket::connect(&system).await;
    sender.subscribe("a").await;
    other.subscribe("a").await;
    system
        .publish(json!({"name": "e", "channel": "a", "data": "", "socket_id": sender.socket_id}))
        .await;
    other.expect("e").await;
    sender.nothing_came().await;
    // One that nobody has leaves out nobody.
    system
        .publish(json!({"name": "f", "channel": "a", "data": "", "socket_id": "1.2"}))
        .await;
    other.expect("f").await;
    sender.expect("f").await;
}

#[tokio::test]
async fn a_channel_without_subscribers_takes_events_all_the_same() {
    let system = System::start();
    let channels: Vec<String> = (0..100).map(|n| format!("empty-{n}")).collect();
    system
        .publish(json!({"name": "e", "channels": channels, "data": "d".repeat(10_240)}))
        .await;
}

#[tokio::test]
async fn publications_keep_their_order_on_every_socket() {
    let system = System::start_with(&["--quiet"]);
    let mut sockets = Vec::new();
    for _ in 0..20 {
        let mut socket = Socket::connect(&system).await;
        socket.subscribe("a").await;
        sockets.push(socket);
    }
    for n in 0..50 {
        system
            .publish(json!({"name": "e", "channel": "a", "data": n.to_string()}))
            .await;
    }
    for socket in &mut sockets {
        let mut last = 0;
        for n in 0..50 {
            let frame = socket.expect("e").await;
            assert_eq!(frame["data"], n.to_string());
            let serial = frame["serial"].as_u64().expect("a serial");
            assert!(n == 0 || serial == last + 1, "{serial} after {last}");
            last = serial;
        }
        socket.nothing_came().await;
    }
}

#[tokio::test]
async fn only_a_signed_request_publishes() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("a").await;
    let body = r#"{"name":"forged","channel":"a","data":""}"#;
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let valid = signed_query("POST", PATH, body.as_bytes(), now);
    let without = |name: &str| {
        valid
            .split('&')
            .filter(|pair| !pair.starts_with(name))
            .collect::<Vec<_>>()
            .join("&")
    };
    let resigned = |parameters: &str| {
        let signature = hmac_hex("local-secret", &format!("POST\n{PATH}\n{parameters}"));
        format!("{parameters}&auth_signature={signature}")
    };
    let digest = body_digest(body.as_bytes());
    let other_digest = body_digest(b"{}");
    let cases = [
        (401, String::new()),
        (401, without("auth_signature")),
        (401, without("auth_key")),
        (401, without("auth_timestamp")),
        (401, without("auth_version")),
        (401, valid.replace("auth_signature=", "auth_signature=0")),
        (401, valid.replace("local-key", "other-key")),
        (401, signed_query("POST", PATH, body.as_bytes(), now - 660)),
        (401, signed_query("POST", PATH, body.as_bytes(), now + 660)),
        (401, signed_query("GET", PATH, body.as_bytes(), now)),
        (
            401,
            signed_query("POST", "/apps/1001/tokens", body.as_bytes(), now),
        ),
        (
            401,
            resigned(&format!(
                "auth_key=local-key&auth_timestamp={now}&auth_version=1.0"
            )),
        ),
        (
            401,
            resigned(&format!(
                "auth_key=local-key&auth_timestamp={now}&auth_version=1.0&body_md5={other_digest}"
            )),
        ),
        (
            401,
            resigned(&format!(
                "auth_key=local-key&auth_timestamp={now}&auth_version=2.0&body_md5={digest}"
            )),
        ),
        (
            401,
            resigned(&format!(
                "auth_key=local-key&auth_timestamp=soon&auth_version=1.0&body_md5={digest}"
            )),
        ),
        (400, format!("{valid}&auth_key=local-key")),
        (400, format!("{valid}&auth_timestamp={now}")),
        (413, "a".repeat(12_000)),
    ];
    for (status, query) in cases {
        let reply = system
            .request("POST", &format!("{PATH}?{query}"), body.into())
            .await;
        assert_eq!(reply.status, status, "{query}: {reply:?}");
        assert!(
            reply.json()["error"]
                .as_str()
                .is_some_and(|text| text.len() > 10),
            "{reply:?}"
        );
        assert!(!reply.text.contains("local-secret"), "{reply:?}");
    }
    let elsewhere = signed_query("POST", "/apps/9/events", body.as_bytes(), now);
    assert_eq!(
        system
            .request("POST", &format!("/apps/9/events?{elsewhere}"), body.into())
            .await
            .status,
        404
    );
    for within in [now - 540, now + 540] {
        let query = signed_query(
            "POST",
            PATH,
            br#"{"name":"e","channel":"a","data":""}"#,
            within,
        );
        let reply = system
            .request(
                "POST",
                &format!("{PATH}?{query}"),
                br#"{"name":"e","channel":"a","data":""}"#.into(),
            )
            .await;
        assert_eq!(reply.status, 200, "{reply:?}");
        socket.expect("e").await;
    }
    socket.nothing_came().await;
}

#[tokio::test]
async fn a_bad_body_is_refused_and_changes_nothing() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    socket.subscribe("a").await;
    let many: Vec<String> = (0..101).map(|n| format!("c{n}")).collect();
    let cases: Vec<(u16, Vec<u8>)> = vec![
        (400, Vec::new()),
        (400, b"null".into()),
        (400, b"[]".into()),
        (400, b"\"a\"".into()),
        (400, b"{".into()),
        (400, b"{}".into()),
        (
            400,
            b"{\"name\":\"\xff\xfe\",\"channel\":\"a\",\"data\":\"\"}".into(),
        ),
        (400, "[".repeat(100_000).into()),
        (
            400,
            format!("{{\"name\":{}", "{\"a\":".repeat(20_000)).into(),
        ),
        (400, json!({"name": "e", "channel": "a"}).to_string().into()),
        (
            400,
            json!({"name": "e", "channel": "a", "data": {"not": "a string"}})
                .to_string()
                .into(),
        ),
        (
            400,
            json!({"name": "e", "channel": "a", "data": null})
                .to_string()
                .into(),
        ),
        (
            400,
            json!({"name": 7, "channel": "a", "data": ""})
                .to_string()
                .into(),
        ),
        (
            400,
            json!({"name": "", "channel": "a", "data": ""})
                .to_string()
                .into(),
        ),
        (
            400,
            json!({"name": "n".repeat(201), "channel": "a", "data": ""})
                .to_string()
                .into(),
        ),
        (
            400,
            json!({"name": "pusher:error", "channel": "a", "data": ""})
                .to_string()
                .into(),
        ),
        (
            400,
            json!({"name": "pusher_internal:x", "channel": "a", "data": ""})
                .to_string()
                .into(),
        ),
        (400, json!({"name": "e", "data": ""}).to_string().into()),
        (
            400,
            json!({"name": "e", "channel": "a", "channels": ["a"], "data": ""})
                .to_string()
                .into(),
        ),
        (
            400,
            json!({"name": "e", "channels": [], "data": ""})
                .to_string()
                .into(),
        ),
        (
            400,
            json!({"name": "e", "channels": "a", "data": ""})
                .to_string()
                .into(),
        ),
        (
            400,
            json!({"name": "e", "channels": ["a", null], "data": ""})
                .to_string()
                .into(),
        ),
        (
            400,
            json!({"name": "e", "channels": many, "data": ""})
                .to_string()
                .into(),
        ),
        (
            400,
            json!({"name": "e", "channels": ["a", "b c"], "data": ""})
                .to_string()
                .into(),
        ),
        (
            400,
            json!({"name": "e", "channel": "c".repeat(201), "data": ""})
                .to_string()
                .into(),
        ),
        (
            400,
            json!({"name": "e", "channel": "a", "data": "", "socket_id": "abc"})
                .to_string()
                .into(),
        ),
        (
            413,
            json!({"name": "e", "channel": "a", "data": "d".repeat(10_241)})
                .to_string()
                .into(),
        ),
        (413, vec![b' '; 131_073]),
    ];
    for (status, body) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let reply = system.post(PATH, body).await;
        assert_eq!(reply.status, status, "{shown}: {reply:?}");
        assert!(
            reply.json()["error"]
                .as_str()
                .is_some_and(|text| text.len() > 10),
            "{reply:?}"
        );
    }
    socket.nothing_came().await;
    let polled = system.poll("channels=a").await.json();
    assert_eq!(polled["events"], json!([]), "{polled}");
}
