//! Ending a user's connections.

use serde_json::json;
use tests::{PATIENCE, Socket, System, now_secs, signed_query};

/// Ends a user's connections, which must succeed.
async fn terminate(system: &System, user_id: &str) {
    let path = format!("/apps/1001/users/{user_id}/terminate_connections");
    let reply = system.post(&path, "{}").await;
    assert_eq!(
        (reply.status, reply.text.as_str()),
        (200, "{}"),
        "{user_id}"
    );
}

/// Takes the reason, and then the end.
async fn ended(socket: &mut Socket) {
    let frame = socket.expect("pusher:error").await;
    assert_eq!(frame["data"]["code"], 4009, "{frame}");
    assert_eq!(socket.close_code().await, Some(1000));
}

/// Waits until so many connections are the user's.
async fn until_left(system: &System, user_id: &str, count: usize) {
    let started = std::time::Instant::now();
    while left_of(system, user_id).await != count {
        assert!(started.elapsed() < PATIENCE, "they are not forgotten");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// How many of a user's connections its row still names.
async fn left_of(system: &System, user_id: &str) -> usize {
    let partition = format!("user/1001/{user_id}");
    let mut rows = system.table().rows(&partition).await;
    rows.retain(|row| row["pk"] == partition.as_str());
    let names = rows
        .iter()
        .flat_map(|row| row.as_object().expect("a row").keys());
    names.filter(|name| name.starts_with("c/")).count()
}

#[tokio::test]
async fn all_connections_on_which_the_user_is_signed_in_end_and_no_others() {
    let system = System::start();
    let (mut one, mut two) = (
        Socket::connect(&system).await,
        Socket::connect(&system).await,
    );
    for socket in [&mut one, &mut two] {
        socket.sign_in(json!({"id": "7"})).await;
    }
    one.subscribe("orders").await;
    let mut other = Socket::connect(&system).await;
    other.sign_in(json!({"id": "77"})).await;
    // Somebody of that name on a presence channel has not signed in.
    let mut present = Socket::connect(&system).await;
    present.attend("presence-lobby", json!("7")).await;
    present.roster("presence-lobby").await;
    terminate(&system, "nobody").await;
    terminate(&system, "7").await;
    ended(&mut one).await;
    ended(&mut two).await;
    // A worker forgets them.
    until_left(&system, "7", 0).await;
    let orders = system.get("/apps/1001/channels/orders", &[]).await;
    assert_eq!(orders.text, r#"{"occupied":false}"#);
    other.nothing_came().await;
    present.nothing_came().await;
    terminate(&system, "7").await;
    // Who signs in again is let in.
    let mut again = Socket::connect(&system).await;
    again.sign_in(json!({"id": "7"})).await;
    again.nothing_came().await;
}

#[tokio::test]
async fn a_users_id_may_be_any_text() {
    let system = System::start();
    for (user_id, sent, signed) in [
        ("a b", "a%20b", "a b"),
        ("jos\u{e9}", "jos%C3%A9", "jos\u{e9}"),
        ("jos\u{e9}", "jos%C3%A9", "jos%C3%A9"),
        ("#&=+%", "%23%26%3D%2B%25", "%23%26%3D%2B%25"),
        ("a%41", "a%2541", "a%2541"),
        ("=@,;.", "=@,;.", "=@,;."),
    ] {
        let mut socket = Socket::connect(&system).await;
        socket.sign_in(json!({"id": user_id})).await;
        let path = |user_id: &str| format!("/apps/1001/users/{user_id}/terminate_connections");
        let query = signed_query("POST", &path(signed), b"{}", now_secs());
        let target = format!("{}?{query}", path(sent));
        let reply = system.request("POST", &target, b"{}".into()).await;
        assert_eq!(reply.status, 200, "{user_id}: {reply:?}");
        ended(&mut socket).await;
    }
    for path in [
        "/apps/1001/users//terminate_connections".to_owned(),
        format!("/apps/1001/users/{}/terminate_connections", "u".repeat(129)),
    ] {
        let status = system.post(&path, "{}").await.status;
        assert!([400, 404].contains(&status), "{path}: {status}");
    }
}

#[tokio::test]
async fn the_key_names_the_app_where_the_path_does_not() {
    let system = System::start_with(&[
        "--app",
        "1001:local-key:local-secret",
        "--app",
        "1002:other-key:local-secret",
    ]);
    let mut mine = Socket::connect(&system).await;
    mine.sign_in(json!({"id": "7"})).await;
    let path = "/users/7/terminate_connections";
    let signed = signed_query("POST", path, b"{}", now_secs());
    for (key, status) in [("no-such-key", 404), ("other-key", 401), ("local-key", 200)] {
        mine.nothing_came().await;
        let target = format!("{path}?{}", signed.replace("local-key", key));
        let reply = system.request("POST", &target, b"{}".into()).await;
        assert_eq!(reply.status, status, "{key}: {reply:?}");
    }
    ended(&mut mine).await;
}

#[tokio::test]
async fn beyond_some_the_reaper_forgets_those_who_were_closed() {
    let system = System::start_with(&["--quiet", "--disconnects", "drop"]);
    let mut sockets = Vec::new();
    for _ in 0..25 {
        let mut socket = Socket::connect(&system).await;
        socket.sign_in(json!({"id": "7"})).await;
        socket.subscribe("orders").await;
        sockets.push(socket);
    }
    terminate(&system, "7").await;
    for socket in &mut sockets {
        ended(socket).await;
    }
    until_left(&system, "7", 5).await;
    let started = std::time::Instant::now();
    while left_of(&system, "7").await > 0 {
        assert!(started.elapsed() < PATIENCE, "they are not forgotten");
        system.reap().await;
    }
    assert!(system.table().rows("subs/").await.is_empty());
}

#[tokio::test]
async fn a_connection_that_may_still_be_open_is_found_again() {
    let system = System::start_with(&["--faults", "--quiet"]);
    let mut socket = Socket::connect(&system).await;
    socket.sign_in(json!({"id": "7"})).await;
    let rule = json!([{"function": "publisher", "operation": "DeleteConnection", "fault": "drop"}]);
    system.faults().set(rule).await;
    let path = "/apps/1001/users/7/terminate_connections";
    assert_eq!(system.post(path, "{}").await.status, 500);
    assert_eq!(left_of(&system, "7").await, 1);
    system.faults().lift().await;
    terminate(&system, "7").await;
    socket.expect("pusher:error").await;
    ended(&mut socket).await;
    until_left(&system, "7", 0).await;
}
