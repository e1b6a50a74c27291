use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};

use bytes::Bytes;

use super::*;
use crate::aws::connections::{Connections, Liveness, Payload, Posted};
use crate::config::variable;
use crate::model::socket_id::ConnectionId;

/// Answers each request with what `answer` makes of its head, and hands out the heads.
fn serve(mut answer: impl FnMut() -> (u16, String) + Send + 'static) -> (String, Receiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (came, heads) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head = read(&mut stream);
            // Before the answer: whoever has that can count on it.
            if came.send(head).is_err() {
                return;
            }
            let (status, body) = answer();
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} -\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (address, heads)
}

/// Reads one request, and gives its head.
fn read(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "a whole head");
        read.extend(byte);
    }
    let head = String::from_utf8(read).unwrap().to_ascii_lowercase();
    let length = head.split("content-length: ").nth(1);
    let length = length.map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
    stream.read_exact(&mut vec![0; length]).unwrap();
    head
}

/// What an endpoint answers: the keys of that name, which end so many seconds from now on.
fn keys(name: &str, secs: i64) -> String {
    let end = DateTime::from_secs(i64::try_from(now().secs()).unwrap() + secs);
    let end = end.fmt(DateTimeFormat::DateTime).unwrap();
    format!(
        r#"{{"AccessKeyId":"{name}","SecretAccessKey":"a","Token":"token-{name}","Expiration":"{end}","Code":"Success"}}"#
    )
}

fn config(endpoint: &str, connections: &str) -> Config {
    let lookup = |name: &str| {
        let value = match name {
            variable::APPS => r#"[{"id":"1","key":"k","secret":"s"}]"#.to_owned(),
            variable::TABLE_NAME | variable::FUNCTION_NAME => "any".to_owned(),
            variable::REGION => "eu-west-1".to_owned(),
            variable::CONNECTIONS_ENDPOINT => format!("http://{connections}/live"),
            variable::KEY_ENDPOINT => format!("http://{endpoint}/v1/credentials?of=me"),
            variable::KEY_TOKEN => "shown".to_owned(),
            _ => return None,
        };
        Some(value)
    };
    let config = Config::from(lookup, &[]);
    config.map_err(|problems| problems.to_string()).unwrap()
}

/// An endpoint with these answers, and `@connections`. Behind the last answer there is no other.
fn system(answers: Vec<(u16, String)>) -> (Connections, Receiver<String>, Receiver<String>) {
    let mut answers = answers.into_iter();
    let (endpoint, asked) = serve(move || answers.next().expect("it is not asked again"));
    let (connections, posted) = serve(|| (200, "{}".to_owned()));
    let connections = Connections::new(&config(&endpoint, &connections));
    (connections, asked, posted)
}

async fn post(connections: &Connections) -> Posted {
    let id = ConnectionId::new("L0SM9cOFvHcCIhw=".to_owned());
    let payload = Payload::from(Bytes::from_static(b"frame"));
    connections.post(&id, &payload).await
}

fn is_signed_by(head: &str, name: &str) -> bool {
    head.contains(&format!("credential={name}/"))
        && head.contains(&format!("x-amz-security-token: token-{name}\r\n"))
}

#[tokio::test]
async fn new_credentials_are_signed_with_once_the_old_ones_end() {
    let answers = vec![(200, keys("one", 0)), (200, keys("two", 3_600))];
    let (connections, asked, posted) = system(answers);
    for name in ["one", "two", "two"] {
        assert!(matches!(post(&connections).await, Posted::Delivered));
        let head = posted.recv().unwrap();
        assert!(is_signed_by(&head, name), "{head}");
    }
    // So does what the SDK sends.
    let id = ConnectionId::new("L0SM9cOFvHcCIhw=".to_owned());
    assert_eq!(connections.ask(&id).await.unwrap(), Liveness::There);
    let head = posted.recv().unwrap();
    assert!(is_signed_by(&head, "two"), "{head}");
    for _ in 0..2 {
        let head = asked.recv().unwrap();
        assert!(
            head.starts_with("get /v1/credentials?of=me http/1.1\r\n"),
            "{head}"
        );
        assert!(head.contains("authorization: shown\r\n"), "{head}");
    }
}

/// As if the endpoint had not been asked for a while.
fn let_time_pass(keys: &Keys, expires_at: Option<UnixMillis>) {
    let Source::Endpoint(endpoint) = &*keys.0 else {
        panic!("an endpoint gives them");
    };
    let mut held = endpoint.held();
    let held = held.as_mut().expect("it has given some");
    held.asked_at = UnixMillis(0);
    held.expires_at = expires_at.or(held.expires_at);
}

#[tokio::test]
async fn those_that_still_hold_are_kept_while_there_are_no_new_ones() {
    let mut answers = vec![
        (200, keys("one", 120)),
        (500, String::new()),
        (200, "{}".to_owned()),
        (403, String::new()),
    ]
    .into_iter();
    let (endpoint, asked) = serve(move || answers.next().expect("it is not asked again"));
    let keys = Keys::new(&config(&endpoint, "127.0.0.1:1"));
    let first = keys.get().await.unwrap();
    for _ in 0..2 {
        // They end soon, but it was asked a moment ago.
        assert!(Arc::ptr_eq(&first, &keys.get().await.unwrap()));
        let_time_pass(&keys, None);
        assert!(Arc::ptr_eq(&first, &keys.get().await.unwrap()));
    }
    let_time_pass(&keys, Some(now()));
    assert!(keys.get().await.is_err());
    assert_eq!(asked.try_iter().count(), 4);
}

#[tokio::test]
async fn whoever_wants_them_at_the_same_time_shares_one_question() {
    let mut answers = vec![(200, keys("one", 3_600))].into_iter();
    let (endpoint, asked) = serve(move || answers.next().expect("it is not asked again"));
    let keys = Keys::new(&config(&endpoint, "127.0.0.1:1"));
    let (one, other) = tokio::join!(keys.get(), keys.get());
    assert!(Arc::ptr_eq(&one.unwrap(), &other.unwrap()));
    assert_eq!(asked.try_iter().count(), 1);
}
