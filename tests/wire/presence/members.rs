//! Members: who is there, who comes and who goes, and what the others are told.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{Socket, System, inner};

use super::room::{ROOM, leave, settled};

/// The next frame, which must be about a member.
async fn member(socket: &mut Socket, event: &str) -> Value {
    let frame = socket.expect(&format!("pusher_internal:{event}")).await;
    assert_eq!(frame["channel"], ROOM);
    inner(&frame)
}

#[tokio::test]
async fn the_others_learn_of_the_first_and_the_last_connection() {
    let system = System::start();
    let mut anna = Socket::connect(&system).await;
    anna.attend(ROOM, json!("anna")).await;
    assert_eq!(
        anna.roster(ROOM).await,
        json!({"ids": ["anna"], "hash": {"anna": {}}, "count": 1})
    );
    // A number is a text from then on.
    let mut bob = Socket::connect(&system).await;
    let info = json!({"user_id": 10, "user_info": {"name": "Bob"}});
    let subscribe = bob.presence(ROOM, &info);
    bob.send_event("pusher:subscribe", subscribe.clone()).await;
    let both =
        json!({"ids": ["10", "anna"], "hash": {"10": {"name": "Bob"}, "anna": {}}, "count": 2});
    assert_eq!(bob.roster(ROOM).await, both);
    assert_eq!(
        member(&mut anna, "member_added").await,
        json!({"user_id": "10", "user_info": {"name": "Bob"}})
    );
    // Another connection of the same user is no news, whatever it says of the user.
    let mut again = Socket::connect(&system).await;
    again.attend(ROOM, json!("10")).await;
    assert_eq!(again.roster(ROOM).await, both);
    leave(&mut bob).await;
    settled(&system, 2).await;
    for socket in [&mut anna, &mut again, &mut bob] {
        socket.nothing_came().await;
    }
    again.close().await;
    assert_eq!(
        member(&mut anna, "member_removed").await,
        json!({"user_id": "10"})
    );
    // Who comes back has come.
    bob.send_event("pusher:subscribe", subscribe).await;
    assert_eq!(bob.roster(ROOM).await, both);
    assert_eq!(member(&mut anna, "member_added").await["user_id"], "10");
    // It is a channel like any other.
    system
        .publish(json!({"name": "e", "channel": ROOM, "data": "d"}))
        .await;
    for socket in [&mut anna, &mut bob] {
        assert_eq!(socket.expect("e").await["channel"], ROOM);
        socket.nothing_came().await;
    }
}

#[tokio::test]
async fn an_abrupt_end_is_told_like_any_other() {
    let system = System::start();
    let mut anna = Socket::connect(&system).await;
    anna.attend(ROOM, json!("anna")).await;
    anna.roster(ROOM).await;
    for user in ["bob", "carl"] {
        let mut other = Socket::connect(&system).await;
        other.attend(ROOM, json!(user)).await;
        other.roster(ROOM).await;
        assert_eq!(member(&mut anna, "member_added").await["user_id"], user);
        other.vanish();
        assert_eq!(member(&mut anna, "member_removed").await["user_id"], user);
    }
    // Unsubscribed from nothing: nobody learns of it.
    leave(&mut Socket::connect(&system).await).await;
    anna.nothing_came().await;
}

#[tokio::test]
async fn a_grant_says_who_its_bearer_is() {
    let system = System::start();
    let request =
        json!({"user_id": "7", "user_info": {"name": "Seven"}, "channels": ["presence-*"]});
    let path = |token: String| format!("/app/local-key?protocol=7&token={token}");
    let mut socket = Socket::connect_at(&system, &path(system.token(request).await)).await;
    socket
        .send_event("pusher:subscribe", json!({"channel": ROOM, "auth": ""}))
        .await;
    assert_eq!(
        socket.roster(ROOM).await,
        json!({"ids": ["7"], "hash": {"7": {"name": "Seven"}}, "count": 1})
    );
    // A token without a user opens no presence channel.
    let nobody = system.token(json!({"channels": ["presence-*"]})).await;
    let mut nobody = Socket::connect_at(&system, &path(nobody)).await;
    nobody
        .send_event("pusher:subscribe", json!({"channel": ROOM}))
        .await;
    nobody.expect("pusher:subscription_error").await;
    socket.nothing_came().await;
}

#[tokio::test]
async fn what_does_not_say_who_it_is_joins_nothing() {
    let system = System::start();
    let mut anna = Socket::connect(&system).await;
    anna.attend(ROOM, json!("anna")).await;
    anna.roster(ROOM).await;
    let mut stranger = Socket::connect(&system).await;
    let mut unsigned = stranger.presence(ROOM, &json!({"user_id": "x"}));
    unsigned["channel_data"] = json!(r#"{"user_id":"y"}"#);
    let without_data = json!({"channel": ROOM, "auth": stranger.auth(ROOM)});
    let other_channel = stranger.presence("presence-other", &json!({"user_id": "x"}));
    let mut refused = vec![
        (json!({"channel": ROOM}), 401),
        (unsigned, 401),
        (
            json!({"channel": ROOM, "auth": other_channel["auth"], "channel_data": other_channel["channel_data"]}),
            401,
        ),
        (without_data, 400),
    ];
    for data in [
        json!({}),
        json!({"user_id": null}),
        json!({"user_id": ""}),
        json!({"user_id": ["x"]}),
        json!({"user_id": "x".repeat(129)}),
        json!({"user_id": "x", "user_info": "i".repeat(1_023)}),
        json!([]),
        json!("x"),
    ] {
        refused.push((stranger.presence(ROOM, &data), 400));
    }
    for (subscribe, status) in refused {
        stranger
            .send_event("pusher:subscribe", subscribe.clone())
            .await;
        let frame = stranger.expect("pusher:subscription_error").await;
        assert_eq!(frame["data"]["status"], status, "{subscribe}: {frame}");
        assert!(
            frame["data"]["error"]
                .as_str()
                .is_some_and(|text| text.len() > 10)
        );
    }
    anna.nothing_came().await;
    settled(&system, 1).await;
}

#[tokio::test]
async fn a_full_channel_takes_no_more_users() {
    let system = System::start_with(&["--quiet"]);
    let join = async |n: usize| {
        let mut socket = Socket::connect(&system).await;
        socket.attend(ROOM, json!(n)).await;
        socket
    };
    let mut sockets = join_all((0..110).map(join)).await;
    let mut answers = Vec::new();
    for socket in &mut sockets {
        loop {
            let frame = socket.frame().await;
            match frame["event"].as_str() {
                Some("pusher_internal:member_added") => {}
                _ => break answers.push(frame),
            }
        }
    }
    let refused = |frame: &&Value| frame["event"] == "pusher:subscription_error";
    assert_eq!(answers.iter().filter(refused).count(), 10);
    for frame in answers.iter().filter(refused) {
        let error = frame["data"]["error"].as_str().expect("words");
        assert!(error.contains("100"), "{error}");
    }
    settled(&system, 100).await;
    // Another connection of a user who is there is no new member, and one that leaves makes room.
    let there = answers
        .iter()
        .position(|frame| !refused(&frame))
        .expect("one");
    let mut second = Socket::connect(&system).await;
    second.attend(ROOM, json!(there)).await;
    assert_eq!(second.roster(ROOM).await["count"], 100);
    second.close().await;
    sockets.swap_remove(there).close().await;
    settled(&system, 99).await;
    let mut late = Socket::connect(&system).await;
    late.attend(ROOM, json!("late")).await;
    assert_eq!(late.roster(ROOM).await["count"], 100);
    // One more is refused before anything is written that others could see.
    let mut later = Socket::connect(&system).await;
    later.attend(ROOM, json!("later")).await;
    later.expect("pusher:subscription_error").await;
    settled(&system, 100).await;
}

#[tokio::test]
async fn a_list_that_would_not_fit_a_frame_takes_no_more_users() {
    let settings = json!({"max_presence_members": 1_000});
    let system = System::start_with_app(&settings, &["--quiet"]);
    let mut refused = 0;
    let mut sockets = Vec::new();
    for n in 0..130 {
        let mut socket = Socket::connect(&system).await;
        let user = json!({"user_id": n, "user_info": "i".repeat(1_000)});
        let subscribe = socket.presence(ROOM, &user);
        socket.send_event("pusher:subscribe", subscribe).await;
        let answer = socket.frame().await;
        if answer["event"] == "pusher:subscription_error" {
            let error = answer["data"]["error"].as_str().expect("words");
            assert!(error.contains("131072 bytes"), "{error}");
            refused += 1;
        } else {
            assert!(answer.to_string().len() > 1_000, "{answer}");
        }
        sockets.push(socket);
    }
    assert!((1..30).contains(&refused), "{refused}");
    settled(&system, 130 - refused).await;
}
