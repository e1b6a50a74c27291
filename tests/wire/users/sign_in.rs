//! Signing in, and the channel that only its user may join.

use serde_json::{Value, json};
use tests::{PATIENCE, Socket, System};

const CHANNEL: &str = "#server-to-user-7";

fn event(data: &str) -> Value {
    json!({"name": "e", "channel": CHANNEL, "data": data})
}

/// Takes a refusal to sign in: the reason, and then the end.
async fn refused(socket: &mut Socket) -> String {
    let frame = socket.expect("pusher:error").await;
    assert_eq!(frame["data"]["code"], 4009, "{frame}");
    assert_eq!(socket.close_code().await, Some(1000));
    frame["data"]["message"].as_str().expect("text").to_owned()
}

/// How many connections a user's row names.
async fn connections_of(system: &System, user_id: &str) -> usize {
    let partition = format!("user/1001/{user_id}");
    let mut rows = system.table().rows(&partition).await;
    rows.retain(|row| row["pk"] == partition.as_str());
    let attributes = rows.iter().flat_map(|row| row.as_object().expect("a row"));
    attributes
        .filter(|(name, _)| name.starts_with("c/"))
        .count()
}

/// Waits until a user's row names so many connections.
async fn becomes(system: &System, user_id: &str, count: usize) {
    let started = std::time::Instant::now();
    while connections_of(system, user_id).await != count {
        assert!(started.elapsed() < PATIENCE, "{user_id} is not on {count}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Waits until no row begins so.
async fn none_is_left(system: &System, prefix: &str) {
    let started = std::time::Instant::now();
    loop {
        let rows = system.table().rows(prefix).await;
        if rows.is_empty() {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{rows:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_user_is_reached_on_all_of_its_connections_and_nobody_else_is() {
    let system = System::start();
    let (mut one, mut two) = (
        Socket::connect(&system).await,
        Socket::connect(&system).await,
    );
    let user = json!({"id": "7", "user_info": {"name": "Zoë"}, "watchlist": ["8"]});
    one.sign_in(user.clone()).await;
    two.sign_in(user).await;
    for socket in [&mut one, &mut two] {
        // As pusher-js asks for it.
        let subscribe = json!({"channel": CHANNEL, "auth": ""});
        socket.send_event("pusher:subscribe", subscribe).await;
        socket.acknowledged(CHANNEL).await;
    }

    let (mut stranger, mut other) = (
        Socket::connect(&system).await,
        Socket::connect(&system).await,
    );
    other.sign_in(json!({"id": "77"})).await;
    for socket in [&mut stranger, &mut other] {
        // What admits to a private channel of that name does not admit to this one.
        for auth in [json!(""), Value::Null, json!(socket.auth(CHANNEL))] {
            let subscribe = json!({"channel": CHANNEL, "auth": auth});
            socket.send_event("pusher:subscribe", subscribe).await;
            let frame = socket.expect("pusher:subscription_error").await;
            let status = &frame["data"]["status"];
            assert_eq!((&frame["channel"], status), (&json!(CHANNEL), &json!(401)));
        }
    }

    system.publish(event("1")).await;
    for socket in [&mut one, &mut two] {
        let frame = socket.expect("e").await;
        assert_eq!(
            (&frame["channel"], &frame["data"]),
            (&json!(CHANNEL), &json!("1"))
        );
    }
    let mut left_out = event("2");
    left_out["socket_id"] = json!(one.socket_id);
    system.publish(left_out).await;
    assert_eq!(two.expect("e").await["data"], "2");
    for socket in [&mut one, &mut stranger, &mut other] {
        socket.nothing_came().await;
    }
    // Nobody else reads along, and nobody says anything there.
    let polled = system.poll("channels=%23server-to-user-7").await;
    assert_eq!(polled.status, 403, "{polled:?}");
    let whisper = json!({"event": "client-e", "channel": CHANNEL, "data": {}});
    one.send_text(whisper.to_string()).await;
    assert_eq!(one.expect("pusher:error").await["data"]["code"], 4301);
    two.nothing_came().await;

    one.close().await;
    becomes(&system, "7", 1).await;
    system.publish(event("3")).await;
    assert_eq!(two.expect("e").await["data"], "3");
}

#[tokio::test]
async fn whoever_signs_in_again_is_answered_again_and_stays_who_it_is() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    for user_data in [json!({"id": "7"}), json!({"id": 7}), json!({"id": "7"})] {
        socket.sign_in(user_data).await;
    }
    // Some libraries send the data as a string.
    let user_data = r#"{ "id": "7", "more": [1.0] }"#;
    let data = json!({"auth": socket.user_auth(user_data), "user_data": user_data});
    socket
        .send_event("pusher:signin", json!(data.to_string()))
        .await;
    let frame = socket.expect("pusher:signin_success").await;
    assert_eq!(frame["data"], json!({"user_data": user_data}));
    assert_eq!(connections_of(&system, "7").await, 1);

    socket.subscribe(CHANNEL).await;
    socket.ask_to_sign_in(&json!({"id": "8"})).await;
    let reason = refused(&mut socket).await;
    assert!(reason.contains("another user"), "{reason}");
    becomes(&system, "7", 0).await;
    none_is_left(&system, "user/1001/8").await;
    none_is_left(&system, "subs/").await;
}

#[tokio::test]
async fn two_users_at_once_are_one() {
    let system = System::start();
    for _ in 0..5 {
        let mut socket = Socket::connect(&system).await;
        for id in ["7", "8"] {
            socket.ask_to_sign_in(&json!({"id": id})).await;
        }
        // The gateway runs them at once. One succeeds and may learn so; the other one ends it.
        let mut frame = socket.frame().await;
        if frame["event"] == "pusher:signin_success" {
            frame = socket.frame().await;
        }
        assert_eq!(frame["data"]["code"], 4009, "{frame}");
        assert_eq!(socket.close_code().await, Some(1000));
        for id in ["7", "8"] {
            becomes(&system, id, 0).await;
        }
    }
}

#[tokio::test]
async fn who_cannot_sign_in_is_told_why_and_closed() {
    let system = System::start();
    let user_data = json!({"id": "7"}).to_string();
    let elsewhere = Socket::connect(&system).await;
    for n in 0..6 {
        let mut socket = Socket::connect(&system).await;
        socket.subscribe("orders").await;
        let auth = match n {
            0 => socket.user_auth(&user_data).to_uppercase(),
            1 => socket.user_auth(&user_data).replace("local-", "other-"),
            2 => elsewhere.user_auth(&user_data),
            3 => socket.auth("private-orders"),
            4 => socket.user_auth(r#"{"id":"8"}"#),
            _ => String::new(),
        };
        let data = json!({"auth": auth, "user_data": user_data});
        socket.send_event("pusher:signin", data).await;
        let reason = refused(&mut socket).await;
        assert!(reason.contains("socket_id::user::user_data"), "{reason}");
    }
    for (user_data, rule) in [
        (json!("7"), "user_data"),
        (json!({}), "user_data"),
        (json!({"id": null}), "user_data"),
        (json!({"id": ""}), "user_id"),
        (json!({"id": "u".repeat(129)}), "user_id"),
        (
            json!({"id": "7", "user_info": "i".repeat(1_023)}),
            "user_info",
        ),
        (json!({"id": "7", "watchlist": "8"}), "user_data"),
        (json!({"id": "7", "watchlist": [""]}), "user_id"),
    ] {
        let mut socket = Socket::connect(&system).await;
        socket.subscribe("orders").await;
        socket.ask_to_sign_in(&user_data).await;
        let reason = refused(&mut socket).await;
        assert!(reason.contains(rule), "{user_data}: {reason}");
    }
    // It has cost each of them everything, and has written nothing.
    none_is_left(&system, "subs/").await;
    none_is_left(&system, "user/").await;
    // A frame that is no request to sign in costs nothing.
    let mut socket = Socket::connect(&system).await;
    for data in [
        json!({}),
        json!({"auth": "a"}),
        json!({"auth": "a", "user_data": {}}),
    ] {
        socket.send_event("pusher:signin", data).await;
        let told = socket.expect("pusher:error").await;
        assert_eq!(told["data"]["code"], Value::Null, "{told}");
    }
    socket.sign_in(json!({"id": "7"})).await;
}

#[tokio::test]
async fn a_token_says_who_may_sign_in_and_signs_nobody_in() {
    let system = System::start();
    let connect = async || {
        let grant = json!({"user_id": "7", "channels": ["*"]});
        let token = system.token(grant).await;
        Socket::connect_at(&system, &format!("/token/{token}/app/local-key?protocol=7")).await
    };
    let mut socket = connect().await;
    socket
        .send_event("pusher:subscribe", json!({"channel": CHANNEL}))
        .await;
    socket.expect("pusher:subscription_error").await;
    assert!(system.table().rows("user/").await.is_empty());
    socket.sign_in(json!({"id": "7"})).await;
    socket.subscribe(CHANNEL).await;

    let mut socket = connect().await;
    socket.ask_to_sign_in(&json!({"id": "8"})).await;
    let reason = refused(&mut socket).await;
    assert!(reason.contains("another user"), "{reason}");
}

#[tokio::test]
async fn who_has_signed_in_is_that_user_on_a_presence_channel() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    let subscribe = json!({"channel": "presence-a", "auth": socket.auth("presence-a")});
    socket
        .send_event("pusher:subscribe", subscribe.clone())
        .await;
    socket.expect("pusher:subscription_error").await;
    let user_data = json!({"id": "7", "user_info": {"name": "Zoë"}});
    socket.sign_in(user_data).await;
    socket.send_event("pusher:subscribe", subscribe).await;
    let roster = socket.roster("presence-a").await;
    let expected = json!({"ids": ["7"], "hash": {"7": {"name": "Zoë"}}, "count": 1});
    assert_eq!(roster, expected);
}

#[tokio::test]
async fn a_user_may_have_a_name_that_no_channel_can_have() {
    let system = System::start();
    let mut socket = Socket::connect(&system).await;
    let id = "a/b c#é";
    socket.sign_in(json!({"id": id})).await;
    assert_eq!(connections_of(&system, id).await, 1);
    let channel = format!("#server-to-user-{id}");
    socket
        .send_event("pusher:subscribe", json!({"channel": channel}))
        .await;
    let frame = socket.expect("pusher:subscription_error").await;
    assert_eq!(frame["data"]["status"], 400);
    socket.close().await;
    becomes(&system, id, 0).await;
}

#[tokio::test]
async fn without_watchlists_nobody_is_watched() {
    let system = System::start();
    let (mut one, mut two) = (
        Socket::connect(&system).await,
        Socket::connect(&system).await,
    );
    let many: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    one.sign_in(json!({"id": "7", "watchlist": many})).await;
    two.sign_in(json!({"id": "8", "watchlist": ["7"]})).await;
    two.close().await;
    becomes(&system, "8", 0).await;
    one.nothing_came().await;
    assert!(system.table().rows("watch").await.is_empty());
}
