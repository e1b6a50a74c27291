//! Who may open a session, how one ends, and which requests are refused.

use serde_json::{Value, json};
use tests::{Session, Socket, System, inner};

use super::transports::event;

#[tokio::test]
async fn who_may_not_connect_is_told_why_and_closed() {
    let settings = json!({"allowed_origins": ["https://app.example.com"]});
    let system = System::start_with_app(&settings, &[]);
    let mut unknown = Session::new(&system, "nobody");
    unknown.receive().await;
    let frame = unknown.expect("pusher:error").await;
    assert_eq!(frame["data"]["code"], 4001, "{frame}");
    assert_eq!(unknown.close_code().await, 4001);
    for (query, origin, code) in [
        ("?n=1", None, 4008),
        ("?n=1&protocol=4", None, 4007),
        ("?n=1&protocol=7&token=none", None, 4009),
        (
            "?n=1&protocol=7",
            Some("https://elsewhere.example.com"),
            4009,
        ),
    ] {
        let mut session = Session::new(&system, "local-key");
        let target = session.target("xhr");
        let target = format!("{}{query}", target.split('?').next().expect("a path"));
        let headers: Vec<_> = origin
            .map(|origin| ("origin", origin))
            .into_iter()
            .collect();
        let reply = system
            .request_with("POST", &target, &headers, Vec::new())
            .await;
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        session.take(&reply.text);
        assert_eq!(session.closed, Some(code), "{query} {reply:?}");
    }
    assert_eq!(system.table().rows("conn/").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_token_opens_a_session_and_what_it_grants() {
    let system = System::start();
    let grant = json!({"channels": ["private-a"], "reconnect_seconds": 60});
    let token = system.token(grant).await;
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let mut session = Session::open_with(&system, &token).await;
        session.subscribe("private-a").await;
        sessions.push(session);
    }
    // The newest wins.
    assert_eq!(sessions[0].close_code().await, 4200);
    system.publish(event("private-a", "1")).await;
    sessions[1].expect("e").await;
}

#[tokio::test]
async fn a_session_is_ended_with_its_reason() {
    let system = System::start();
    let mut session = Session::open(&system).await;
    session.sign_in(json!({"id": "7"})).await;
    session.subscribe("orders").await;
    let path = "/apps/1001/users/7/terminate_connections";
    assert_eq!(system.post(path, "{}").await.status, 200);
    assert_eq!(session.expect("pusher:error").await["data"]["code"], 4009);
    assert_eq!(session.close_code().await, 4009);
    // For good, whatever it asks for.
    session.closed = None;
    assert_eq!(session.close_code().await, 4009);
    let orders = system.get("/apps/1001/channels/orders", &[]).await;
    assert_eq!(orders.text, r#"{"occupied":false}"#);
    // Who signs in wrongly hears why, too.
    let mut session = Session::open(&system).await;
    let wrong = json!({"auth": "local-key:00", "user_data": "{\"id\":\"7\"}"});
    session.send_event("pusher:signin", wrong).await;
    session.expect("pusher:error").await;
    assert_eq!(session.close_code().await, 4009);
}

#[tokio::test]
async fn a_client_that_has_gone_is_forgotten() {
    let system = System::start_with(&["--reap-every", "0"]);
    let mut socket = Socket::connect(&system).await;
    let mut gone = Session::open(&system).await;
    gone.attend("presence-room", "gone").await;
    socket.attend("presence-room", json!("here")).await;
    socket.roster("presence-room").await;
    let table = system.table();
    let rows = table.rows("out/http/").await;
    let session = rows.iter().find(|row| row["sk"] == "!").expect("a session");
    let partition = session["pk"].as_str().expect("text");
    let connection = partition.replacen("out/", "conn/", 1);
    let set = |partition: &str, sk: &str, name: &str, to: u64| {
        json!({
            "Key": { "pk": { "S": partition }, "sk": { "S": sk } },
            "UpdateExpression": format!("SET {name} = :to"),
            "ExpressionAttributeValues": { ":to": { "N": to.to_string() } },
        })
    };
    // Looked at, and heard of: it stays.
    let due = set(&connection, "conn", "due_at", 1);
    table.call("UpdateItem", due.clone()).await;
    assert_eq!(system.reap().await, (1, 0));
    socket.nothing_came().await;
    // A minute of silence.
    let heard_at = session["heard_at"].as_u64().expect("a number");
    let silent = set(partition, "!", "heard_at", heard_at - 60_000);
    table.call("UpdateItem", silent).await;
    table.call("UpdateItem", due).await;
    assert_eq!(system.reap().await, (1, 0));
    let removed = socket.expect("pusher_internal:member_removed").await;
    assert_eq!(inner(&removed)["user_id"], "gone");
    assert_eq!(gone.close_code().await, 4200);
}

#[tokio::test]
async fn what_no_session_says_is_refused() {
    let system = System::start();
    let mut session = Session::open(&system).await;
    for (body, status) in [
        ("[]", 204),
        ("", 400),
        ("{}", 400),
        ("[1]", 400),
        ("[\"a\"", 400),
    ] {
        let reply = session.send(body).await;
        assert_eq!(reply.status, status, "{body}");
        if status == 400 {
            assert!(reply.json()["error"].is_string(), "{reply:?}");
        }
    }
    let long = vec![b' '; 300_000];
    assert_eq!(session.send(long).await.status, 413);
    // What is no frame is answered as on a socket.
    session.send("[\"rubbish\"]").await;
    session.expect("pusher:error").await;
    let mut nobody = Session::new(&system, "local-key");
    assert_eq!(nobody.send("[\"{}\"]").await.status, 401);
    let mut nobody = Session::new(&system, "nobody");
    assert_eq!(nobody.send("[]").await.status, 404);
    for (method, target, status) in [
        ("GET", session.target("xhr"), 404),
        ("POST", session.target("eventsource"), 404),
        (
            "POST",
            "/pusher/app/local-key/x/abcd0123/xhr?n=1".to_owned(),
            404,
        ),
        (
            "POST",
            "/pusher/app/local-key/7/abcd0123/xhr".to_owned(),
            400,
        ),
        (
            "POST",
            "/pusher/app/local-key/7/abcd0123/xhr?n=x".to_owned(),
            400,
        ),
    ] {
        let reply = system.request(method, &target, Vec::new()).await;
        assert_eq!(reply.status, status, "{target}");
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    }
    let headers = [
        ("origin", "https://app.example.com"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type"),
    ];
    let target = session.target("xhr_send");
    let asked = system
        .request_with("OPTIONS", &target, &headers, Vec::new())
        .await;
    assert_eq!(asked.status, 204);
    assert_eq!(asked.header("access-control-allow-origin"), Some("*"));
    assert_eq!(asked.header("access-control-allow-headers"), Some("*"));
}
