//! pusher-js's own HTTP transports: what a session sends and receives, request by request.

use std::time::{Duration, Instant};

use reqwest::Response;
use serde_json::{Value, json};
use tests::{PATIENCE, Session, Socket, System, inner};

pub(super) fn event(channel: &str, data: &str) -> Value {
    json!({"name": "e", "channel": channel, "data": data})
}

/// A stream that a session has opened.
struct SessionStream {
    response: Response,
    come: Vec<u8>,
}

impl SessionStream {
    async fn open(system: &System, session: &mut Session<'_>) -> Self {
        let url = format!("{}{}", system.base, session.target("xhr_streaming"));
        let response = system.client().post(url).send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        let come = Vec::new();
        Self { response, come }
    }

    /// The next line; `None`: the stream has ended.
    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.come.iter().position(|byte| *byte == b'\n') {
                let rest = self.come.split_off(end + 1);
                let line = std::mem::replace(&mut self.come, rest);
                return Some(String::from_utf8(line).expect("text"));
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            let chunk = chunk.expect("something comes").expect("it is whole")?;
            self.come.extend_from_slice(&chunk);
        }
    }

    /// Has the session take lines until this event is among them.
    async fn expect(&mut self, session: &mut Session<'_>, event: &str) -> Value {
        let line = self.line().await.expect("a line");
        session.take(&line);
        session.expect(event).await
    }
}

#[tokio::test]
async fn a_session_over_http_is_a_connection_like_any_other() {
    let system = System::start();
    let mut session = Session::open(&system).await;
    let mut socket = Socket::connect(&system).await;
    session.subscribe("orders").await;
    socket.subscribe("orders").await;
    system.publish(event("orders", "1")).await;
    assert_eq!(session.expect("e").await["data"], "1");
    assert_eq!(socket.expect("e").await["data"], "1");
    let mut own = event("orders", "2");
    own["socket_id"] = json!(session.socket_id);
    system.publish(own).await;
    socket.expect("e").await;
    session.nothing_came().await;
    let info = [("info", "subscription_count")];
    let shown = system.get("/apps/1001/channels/orders", &info).await;
    assert_eq!(shown.json()["subscription_count"], 2);
    // Several at once are taken in their order.
    let subscribe = |event: &str| json!({"event": event, "data": {"channel": "orders"}});
    let both = ["pusher:unsubscribe", "pusher:subscribe"].map(subscribe);
    session.say(&both).await;
    session
        .expect("pusher_internal:subscription_succeeded")
        .await;
    system.publish(event("orders", "3")).await;
    assert_eq!(session.expect("e").await["data"], "3");
}

#[tokio::test]
async fn sessions_and_sockets_see_each_other() {
    let system = System::start_with_app(&json!({"client_events": true}), &[]);
    let mut session = Session::open(&system).await;
    let mut socket = Socket::connect(&system).await;
    let channel = "presence-room";
    assert_eq!(session.attend(channel, "a").await["count"], 1);
    socket.attend(channel, json!("b")).await;
    assert_eq!(socket.roster(channel).await["count"], 2);
    let added = session.expect("pusher_internal:member_added").await;
    assert_eq!(inner(&added)["user_id"], "b");
    let whisper = json!({"event": "client-hi", "channel": channel, "data": {"n": 1}});
    session.say(&[whisper]).await;
    let heard = socket.expect("client-hi").await;
    assert_eq!(
        (&heard["data"]["n"], &heard["user_id"]),
        (&json!(1), &json!("a"))
    );
    let whisper = json!({"event": "client-hi", "channel": channel, "data": {"n": 2}});
    socket.send_text(whisper.to_string()).await;
    assert_eq!(session.expect("client-hi").await["data"]["n"], 2);
    let leave = json!({"channel": channel});
    session.send_event("pusher:unsubscribe", leave).await;
    let removed = socket.expect("pusher_internal:member_removed").await;
    assert_eq!(inner(&removed)["user_id"], "a");
}

#[tokio::test]
async fn an_answer_that_is_lost_is_given_again_and_none_is_given_twice() {
    let system = System::start();
    let mut session = Session::open(&system).await;
    // The opening, too.
    let again = session.same_target("xhr");
    let opened = system.request("POST", &again, Vec::new()).await;
    assert!(opened.text.starts_with("o\na["), "{opened:?}");
    session.subscribe("orders").await;
    system.publish(event("orders", "1")).await;
    let lost = session.poll().await;
    let again = session.same_target("xhr");
    let found = system.request("POST", &again, Vec::new()).await;
    assert_eq!(found.text, lost.text);
    // What came meanwhile comes with it.
    system.publish(event("orders", "2")).await;
    let found = system.request("POST", &again, Vec::new()).await;
    session.take(&found.text);
    for data in ["1", "2"] {
        assert_eq!(session.expect("e").await["data"], data);
    }
    // The next request says that the answer has come.
    session.nothing_came().await;
    let before = session.same_target("xhr");
    session.nothing_came().await;
    let stale = system.request("POST", &before, Vec::new()).await;
    assert_eq!((stale.status, stale.text.as_str()), (200, "h\n"));
    let frames = system.table().rows("out/").await;
    assert!(frames.len() <= 2, "{frames:?}");
}

#[tokio::test]
async fn a_request_to_receive_ends_the_one_before() {
    let system = System::start();
    let mut session = Session::open(&system).await;
    let mut first = SessionStream::open(&system, &mut session).await;
    let mut second = SessionStream::open(&system, &mut session).await;
    assert_eq!(first.line().await, None);
    session.send_event("pusher:ping", json!({})).await;
    second.expect(&mut session, "pusher:pong").await;
    let target = session.target("xhr");
    let (stale, mut third) = tokio::join!(system.request("POST", &target, Vec::new()), async {
        assert_eq!(second.line().await, None);
        SessionStream::open(&system, &mut session).await
    });
    assert_eq!(stale.text, "h\n");
    session.send_event("pusher:ping", json!({})).await;
    third.expect(&mut session, "pusher:pong").await;
}

#[tokio::test]
async fn a_stream_brings_what_comes_and_goes_on_in_another_one() {
    let system = System::start();
    let mut session = Session::new(&system, "local-key");
    let mut stream = SessionStream::open(&system, &mut session).await;
    assert_eq!(stream.line().await.as_deref(), Some("o\n"));
    let greeting = stream.line().await.expect("a line");
    session.take(&greeting);
    session.greeted().await;
    session
        .send_event("pusher:subscribe", json!({"channel": "orders"}))
        .await;
    let acknowledged = "pusher_internal:subscription_succeeded";
    stream.expect(&mut session, acknowledged).await;
    // More than pusher-js reads of one stream, in lines of any length.
    let data = "\u{e9}\"".repeat(2_400);
    let (mut read, mut published, mut streams) = (0, 0, 1);
    let mut units = 2 + greeting.len();
    while streams < 3 {
        if published == read {
            published += 1;
            system
                .publish(event("orders", &format!("{published}{data}")))
                .await;
        }
        let line = stream.line().await.expect("a line");
        units += line.encode_utf16().count();
        let before = read;
        session.take(&line);
        while read < published {
            let frame = session.expect("e").await;
            read += 1;
            let expected = format!("{read}{data}");
            assert_eq!(frame["data"], expected.as_str());
        }
        assert!(read > before || line == "h\n");
        // Where pusher-js opens it anew.
        if units > 256 * 1_024 {
            published += 1;
            system
                .publish(event("orders", &format!("{published}{data}")))
                .await;
            stream = SessionStream::open(&system, &mut session).await;
            (units, streams) = (0, streams + 1);
        }
    }
}

#[tokio::test]
async fn a_session_outlives_its_streams() {
    let system = System::start_with(&["--stream-life", "1"]);
    let mut session = Session::open(&system).await;
    session.subscribe("orders").await;
    for n in 1..=2 {
        let mut stream = SessionStream::open(&system, &mut session).await;
        // It is filled up to where pusher-js opens it anew.
        let filler = stream.line().await.expect("a line");
        assert!(filler.starts_with("a[ ") && filler.len() > 256 * 1_024);
        session.take(&filler);
        system.publish(event("orders", &n.to_string())).await;
        let mut next = SessionStream::open(&system, &mut session).await;
        assert_eq!(stream.line().await, None);
        let frame = next.expect(&mut session, "e").await;
        assert_eq!(frame["data"], n.to_string());
    }
    // A client that does not come back is told to begin anew, and is forgotten.
    let mut stream = SessionStream::open(&system, &mut session).await;
    while let Some(line) = stream.line().await {
        session.take(&line);
    }
    assert_eq!(session.closed, Some(4200));
    let started = Instant::now();
    while system.get("/apps/1001/channels/orders", &[]).await.text != r#"{"occupied":false}"# {
        assert!(started.elapsed() < PATIENCE, "it is not forgotten");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_burst_comes_whole_and_in_order_by_polls() {
    let system = System::start();
    let mut session = Session::open(&system).await;
    session.subscribe("orders").await;
    let started = Instant::now();
    for n in 1..=250 {
        system.publish(event("orders", &n.to_string())).await;
    }
    for n in 1..=250 {
        assert_eq!(session.expect("e").await["data"], n.to_string());
    }
    session.nothing_came().await;
    assert!(started.elapsed() < PATIENCE);
}
