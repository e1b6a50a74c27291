//! Each rule that a caller can break, and the rejection that names exactly that rule.

use serde_json::{Value, json};
use shared::model::error::Rejection;
use tests::{Reply, Socket, System, body_digest, hmac_hex, now_secs, signed_query};

const EVENTS: &str = "/apps/1001/events";
const BATCH: &str = "/apps/1001/batch_events";
const TOKENS: &str = "/apps/1001/tokens";

/// The refusal of an HTTP call is the rejection's text under its status.
fn is_refused(reply: &Reply, rejection: &Rejection) {
    assert_eq!(
        (reply.status, reply.json()),
        (rejection.status(), json!({"error": rejection.to_string()}))
    );
}

fn named(channel: &str, problem: Rejection) -> Rejection {
    Rejection::ChannelNamed {
        channel: channel.to_owned(),
        problem: Box::new(problem),
    }
}

#[tokio::test]
async fn a_refused_body_names_its_rule() {
    let system = System::start();
    let event = |fields: Value| {
        let mut body = json!({"name": "e", "data": "", "channel": "a"});
        for (name, value) in fields.as_object().expect("fields") {
            body[name] = value.clone();
        }
        body.to_string()
    };
    let without_channel = json!({"name": "e", "data": ""}).to_string();
    let to_many = |channels: usize| {
        json!({"name": "e", "data": "", "channels": vec!["a"; channels]}).to_string()
    };
    let grant = |fields: Value| {
        let mut body = json!({"channels": []});
        for (name, value) in fields.as_object().expect("fields") {
            body[name] = value.clone();
        }
        body.to_string()
    };
    for (path, body, rejection) in [
        (
            EVENTS,
            "[]".to_owned(),
            Rejection::Body("this is no object".to_owned()),
        ),
        (
            EVENTS,
            " ".repeat(131_073),
            Rejection::BodyTooLong { max_bytes: 131_072 },
        ),
        (EVENTS, event(json!({"name": ""})), Rejection::EventName),
        (
            EVENTS,
            event(json!({"name": "pusher:e"})),
            Rejection::EventReserved,
        ),
        (
            EVENTS,
            event(json!({"data": "d".repeat(10_241)})),
            Rejection::EventDataTooLong { max_bytes: 10_240 },
        ),
        (EVENTS, without_channel, Rejection::PublishTargets),
        (
            EVENTS,
            event(json!({"channels": ["b"]})),
            Rejection::PublishTargets,
        ),
        (EVENTS, to_many(0), Rejection::PublishChannels),
        (EVENTS, to_many(101), Rejection::PublishChannels),
        (
            EVENTS,
            event(json!({"channel": "a b"})),
            named("a b", Rejection::ChannelName),
        ),
        (
            EVENTS,
            event(json!({"channel": "#orders"})),
            named("#orders", Rejection::ChannelReserved),
        ),
        (
            EVENTS,
            event(json!({"socket_id": "1"})),
            Rejection::SocketId,
        ),
        (
            BATCH,
            json!({"batch": []}).to_string(),
            Rejection::BatchSize,
        ),
        (
            BATCH,
            json!({"batch": [{"name": "e", "channel": "a b", "data": ""}]}).to_string(),
            Rejection::BatchEvent {
                number: 1,
                problem: Box::new(named("a b", Rejection::ChannelName)),
            },
        ),
        (
            BATCH,
            " ".repeat(655_361),
            Rejection::BodyTooLong { max_bytes: 655_360 },
        ),
        (
            TOKENS,
            grant(json!({"ttl_seconds": 0})),
            Rejection::TokenTtl,
        ),
        (
            TOKENS,
            grant(json!({"reconnect_seconds": 86_401})),
            Rejection::TokenReconnect,
        ),
        (
            TOKENS,
            grant(json!({"channels": vec!["a"; 101]})),
            Rejection::TokenChannels,
        ),
        (
            TOKENS,
            grant(json!({"channels": ["a*b"]})),
            named("a*b", Rejection::ChannelPattern),
        ),
        (TOKENS, grant(json!({"user_id": ""})), Rejection::UserId),
        (
            TOKENS,
            grant(json!({"user_id": "u", "user_info": "i".repeat(1_023)})),
            Rejection::UserInfo,
        ),
        (
            TOKENS,
            grant(json!({"user_info": {}})),
            Rejection::UserInfoAlone,
        ),
    ] {
        is_refused(&system.post(path, body).await, &rejection);
    }
}

#[tokio::test]
async fn a_refused_question_names_its_rule() {
    let system = System::start();
    for (path, parameters, rejection) in [
        (
            "channels",
            &[("info", "user_count")][..],
            Rejection::UserCount,
        ),
        (
            "channels",
            &[("info", "user_count"), ("filter_by_prefix", "private-")],
            Rejection::UserCount,
        ),
        (
            "channels",
            &[("filter_by_prefix", "a b")],
            Rejection::ChannelPrefix,
        ),
        (
            "channels/a",
            &[("info", "cache,user_count")],
            Rejection::UserCount,
        ),
        ("channels/a%20b", &[], Rejection::ChannelName),
        ("channels/%23orders", &[], Rejection::ChannelReserved),
        ("channels/a/users", &[], Rejection::UsersOfPresence),
    ] {
        let path = format!("/apps/1001/{path}");
        is_refused(&system.get(&path, parameters).await, &rejection);
    }
    let long = "u".repeat(129);
    let path = format!("/apps/1001/users/{long}/terminate_connections");
    is_refused(&system.post(&path, "{}").await, &Rejection::UserId);
    let path = "/apps/1001/channels/a/events";
    is_refused(&system.post(path, "").await, &Rejection::EventName);
}

#[tokio::test]
async fn a_refused_signature_names_its_rule() {
    let system = System::start();
    let body = json!({"name": "e", "data": "", "channel": "a"}).to_string();
    let now = now_secs();
    let sign = |parameters: String| {
        let signature = hmac_hex("local-secret", &format!("POST\n{EVENTS}\n{parameters}"));
        format!("{parameters}&auth_signature={signature}")
    };
    let signed = |key: &str, at: &str, version: &str, digest: &str| {
        sign(format!(
            "auth_key={key}&auth_timestamp={at}&auth_version={version}&body_md5={digest}"
        ))
    };
    let (at, digest) = (now.to_string(), body_digest(body.as_bytes()));
    let valid = signed("local-key", &at, "1.0", &digest);
    for (query, rejection) in [
        ("a".repeat(10_241), Rejection::QueryTooLong),
        (
            format!("{valid}&a=1&A=2"),
            Rejection::QueryDuplicate("a".to_owned()),
        ),
        (String::new(), Rejection::AuthParameterMissing("auth_key")),
        (signed("other-key", &at, "1.0", &digest), Rejection::AuthKey),
        (
            signed("local-key", &at, "2.0", &digest),
            Rejection::AuthVersion,
        ),
        (
            signed("local-key", "soon", "1.0", &digest),
            Rejection::AuthTimestamp,
        ),
        (format!("{valid}&more=1"), Rejection::AuthSignature),
        (
            signed("local-key", &at, "1.0", &body_digest(b"")),
            Rejection::BodyDigest,
        ),
    ] {
        let target = format!("{EVENTS}?{query}");
        let reply = system.request("POST", &target, body.clone().into()).await;
        is_refused(&reply, &rejection);
    }
    // A body that was signed cannot be left out.
    let reply = system
        .request("POST", &format!("{EVENTS}?{valid}"), Vec::new())
        .await;
    is_refused(&reply, &Rejection::BodyDigest);

    let given = now - 660;
    let old = signed("local-key", &given.to_string(), "1.0", &digest);
    let reply = system
        .request("POST", &format!("{EVENTS}?{old}"), body.clone().into())
        .await;
    let told = reply.json();
    let expired = |now| json!({"error": Rejection::AuthExpired { given, now }.to_string()});
    assert_eq!(reply.status, 401, "{reply:?}");
    assert!((now..=now_secs()).any(|now| told == expired(now)), "{told}");

    let elsewhere = "/apps/9/events";
    let query = signed_query("POST", elsewhere, body.as_bytes(), now);
    let reply = system
        .request("POST", &format!("{elsewhere}?{query}"), body.into())
        .await;
    is_refused(&reply, &Rejection::UnknownApp);
}

#[tokio::test]
async fn a_refused_poll_names_its_rule() {
    let system = System::start();
    for (query, rejection) in [
        ("", Rejection::PollChannels),
        ("channels=a,a", Rejection::PollChannels),
        (
            "channels=a&channels=b",
            Rejection::QueryDuplicate("channels".to_owned()),
        ),
        ("channels=a&after=1,2", Rejection::PollAfter),
        ("channels=a,", named("", Rejection::ChannelName)),
        (
            "channels=private-a",
            Rejection::PollPrivate("private-a".to_owned()),
        ),
    ] {
        is_refused(&system.poll(query).await, &rejection);
    }
    let long = format!("channels={}", "a".repeat(10_240));
    is_refused(&system.poll(&long).await, &Rejection::QueryTooLong);
    let elsewhere = "/status/other-key?channels=a";
    let reply = system.request("GET", elsewhere, Vec::new()).await;
    is_refused(&reply, &Rejection::UnknownKey);
}

#[tokio::test]
async fn a_refused_connection_is_told_its_rule() {
    let system = System::start();
    for (path, rejection) in [
        ("/app/no-such-key?protocol=7", Rejection::UnknownKey),
        ("/app/local-key", Rejection::ProtocolMissing),
        ("/app/local-key?protocol=8", Rejection::ProtocolUnsupported),
        (
            "/app/local-key?protocol=7&token=nonsense",
            Rejection::TokenRefused,
        ),
    ] {
        let mut socket = Socket::open(&system, path).await.expect("accepted");
        let refused = socket.expect("pusher:error").await;
        assert_eq!(
            refused["data"],
            json!({"code": rejection.code(), "message": rejection.to_string()}),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_refused_frame_is_told_its_rule() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    let no_object = || "this is no object".to_owned();
    for (text, rejection) in [
        ("[]", Rejection::Frame(no_object())),
        (
            r#"{"event":"pusher:subscribe","data":[]}"#,
            Rejection::FrameData {
                event: "pusher:subscribe",
                problem: no_object(),
            },
        ),
        (
            r#"{"event":"pusher:unsubscribe","data":{"channel":"a b"}}"#,
            Rejection::ChannelName,
        ),
        (
            r#"{"event":"hello"}"#,
            Rejection::EventUnknown("hello".to_owned()),
        ),
        (
            r#"{"event":"client-e","channel":"private-a","data":{}}"#,
            Rejection::ClientEventsDisabled,
        ),
    ] {
        socket.send_text(text).await;
        let refused = socket.expect("pusher:error").await;
        assert_eq!(
            refused["data"],
            json!({"code": rejection.code(), "message": rejection.to_string()}),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_refused_subscription_is_told_its_rule() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    let mut refused = async |data: Value, rejection: Rejection| {
        socket.send_event("pusher:subscribe", data.clone()).await;
        let refused = socket.expect("pusher:subscription_error").await;
        assert_eq!(refused["channel"], data["channel"]);
        assert_eq!(refused["data"]["error"], rejection.to_string(), "{data}");
        assert_eq!(refused["data"]["status"], rejection.status(), "{data}");
    };
    refused(json!({"channel": "a b"}), Rejection::ChannelName).await;
    refused(json!({"channel": "#orders"}), Rejection::ChannelReserved).await;
    refused(json!({"channel": "private-a"}), Rejection::AuthMissing).await;
    let forged = json!({"channel": "private-a", "auth": "local-key:00"});
    refused(forged, Rejection::AuthInvalid).await;
    // A connection that nothing is known of any more.
    system.table().clear().await;
    refused(json!({"channel": "a"}), Rejection::NotConnected).await;
}
