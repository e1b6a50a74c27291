use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc;

use super::*;
use crate::config::AMAZON_ROOTS_PEM;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

fn listen() -> (TcpListener, Pool) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let endpoint = format!("http://{}/live", listener.local_addr().unwrap());
    (
        listener,
        Pool::new(endpoint.parse().unwrap(), AMAZON_ROOTS_PEM.into(), 100),
    )
}

fn post() -> Whole {
    Request::post("/live/a")
        .header("host", "localhost")
        .body(Full::new(Bytes::from_static(b"frame")))
        .unwrap()
}

/// Reads one post. An end before it is `false`.
fn read_post(stream: &mut TcpStream) -> bool {
    let mut read = Vec::new();
    while !read.ends_with(b"frame") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap_or_default() == 0 {
            return false;
        }
        read.extend(byte);
    }
    true
}

#[tokio::test]
async fn posts_that_follow_one_another_share_a_connection() {
    let (listener, pool) = listen();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut posts = 0;
        while read_post(&mut stream) {
            posts += 1;
            stream.write_all(ANSWER).unwrap();
        }
        posts
    });
    for _ in 0..10 {
        assert_eq!(pool.send(post()).await.unwrap().status(), 200);
    }
    assert_eq!(pool.idle().len(), 1);
    drop(pool);
    // The connection's task sees that, and ends.
    let posts = tokio::task::spawn_blocking(|| server.join().unwrap()).await;
    assert_eq!(posts.unwrap(), 10);
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_costs_no_post_and_repeats_none() {
    let (listener, pool) = listen();
    let (closed, is_closed) = mpsc::channel();
    let (read, was_read) = mpsc::channel();
    let server = std::thread::spawn(move || {
        let mut posts = 0;
        for _ in 0..10 {
            let (mut stream, _) = listener.accept().unwrap();
            posts += usize::from(read_post(&mut stream));
            stream.write_all(ANSWER).unwrap();
            // The answer is read before the end: it waits for the next time that somebody looks.
            was_read.recv().unwrap();
            drop(stream);
            closed.send(()).unwrap();
        }
        posts
    });
    for _ in 0..10 {
        assert_eq!(pool.send(post()).await.unwrap().status(), 200);
        // Nothing else runs in between: as after a freeze, nobody has looked at the connection.
        read.send(()).unwrap();
        is_closed.recv().unwrap();
        std::thread::sleep(UNWATCHED);
    }
    assert_eq!(server.join().unwrap(), 10);
}

#[tokio::test]
async fn a_post_that_was_sent_and_not_answered_is_not_repeated() {
    let (listener, pool) = listen();
    let (read, was_read) = mpsc::channel();
    let server = std::thread::spawn(move || {
        for answered in [true, false, true] {
            let (mut stream, _) = listener.accept().unwrap();
            if answered {
                assert!(read_post(&mut stream));
                read.send(()).unwrap();
                stream.write_all(ANSWER).unwrap();
            }
            // The second is lost on a connection that was kept, the third on a new one.
            if read_post(&mut stream) {
                read.send(()).unwrap();
            }
        }
    });
    assert!(pool.send(post()).await.is_ok());
    assert!(pool.send(post()).await.is_err());
    assert!(pool.send(post()).await.is_err());
    assert!(pool.send(post()).await.is_ok());
    drop(pool);
    tokio::task::spawn_blocking(|| server.join().unwrap())
        .await
        .unwrap();
    assert_eq!(was_read.iter().count(), 4);
}

#[tokio::test]
async fn what_is_forgotten_is_closed_and_not_used_again() {
    let (listener, pool) = listen();
    let server = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            assert!(read_post(&mut stream));
            stream.write_all(ANSWER).unwrap();
            assert!(!read_post(&mut stream));
        }
    });
    for _ in 0..2 {
        assert_eq!(pool.send(post()).await.unwrap().status(), 200);
        pool.forget();
    }
    tokio::task::spawn_blocking(|| server.join().unwrap())
        .await
        .unwrap();
}
