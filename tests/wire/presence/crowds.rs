//! Many members who come and go at once.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{Socket, System, inner};

use super::room::{ROOM, leave, settled};

/// A connection that comes and goes, and what it was told.
struct Visitor {
    socket: Socket,
    user: String,
    there: Option<BTreeSet<String>>,
    /// Whether nothing fails, so that nothing may be told twice.
    strict: bool,
    /// Whether it wants to be there.
    wants: bool,
    /// Whether it has heard all that it wanted to hear.
    heard_all: bool,
}

impl Visitor {
    async fn new(system: &System, user: usize, strict: bool) -> Self {
        Self {
            socket: Socket::connect(system).await,
            user: format!("u{user}"),
            there: None,
            strict,
            wants: false,
            heard_all: true,
        }
    }

    /// Takes the next frame in, and checks that nothing is told twice, nor of oneself.
    async fn hear(&mut self) {
        let frame = self.socket.frame().await;
        let event = frame["event"].as_str().expect("an event");
        if event == "pusher:pong" {
            self.heard_all = true;
            return;
        }
        if event == "pusher_internal:subscription_succeeded" {
            let ids = inner(&frame)["presence"]["ids"].clone();
            let ids: BTreeSet<String> = serde_json::from_value(ids).expect("ids");
            assert!(ids.contains(&self.user), "{ids:?} without {}", self.user);
            self.there = Some(ids);
            return;
        }
        // What fails is asked for again, as a client does it.
        if !self.strict && ["pusher:subscription_error", "pusher:error"].contains(&event) {
            if self.wants {
                let user = json!(self.user);
                self.socket.attend(ROOM, user).await;
            }
            return;
        }
        // Between leaving and the next acknowledgement it is told of what was under way.
        let Some(there) = &mut self.there else { return };
        let user = inner(&frame)["user_id"].as_str().expect("an id").to_owned();
        assert_ne!(user, self.user, "{frame}");
        match event {
            "pusher_internal:member_added" => {
                assert!(there.insert(user) || !self.strict, "twice: {frame}");
            }
            "pusher_internal:member_removed" => {
                assert!(there.remove(&user) || !self.strict, "twice: {frame}");
            }
            other => panic!("{other}: {frame}"),
        }
    }

    /// Takes in all that was sent before now.
    async fn hear_all(&mut self) {
        self.socket.send_event("pusher:ping", json!({})).await;
        self.heard_all = false;
        while !self.heard_all {
            self.hear().await;
        }
    }

    async fn join(&mut self) {
        self.wants = true;
        let user = json!(self.user);
        self.socket.attend(ROOM, user).await;
        while self.there.is_none() {
            self.hear().await;
        }
    }

    async fn visit(mut self, rounds: usize, stays: bool) -> Option<Self> {
        for _ in 0..rounds {
            self.join().await;
            self.wants = false;
            leave(&mut self.socket).await;
            self.there = None;
        }
        if stays {
            self.join().await;
            Some(self)
        } else {
            // Half of them without a word.
            if rounds.is_multiple_of(2) {
                self.socket.close().await;
            } else {
                self.socket.vanish();
            }
            None
        }
    }

    async fn until(&mut self, users: &BTreeSet<String>) {
        while self.there.as_ref() != Some(users) {
            self.hear().await;
        }
    }
}

/// Lets many connections of few users come and go at once, and checks what each was told.
async fn crowd(system: &System, visitors: usize, users: usize, strict: bool) {
    let visits = (0..visitors).map(async |n| {
        let visitor = Visitor::new(system, n % users, strict).await;
        visitor.visit(n % 4, n % 3 == 0).await
    });
    let stayed: Vec<Visitor> = join_all(visits).await.into_iter().flatten().collect();
    let expected: BTreeSet<String> = stayed.iter().map(|visitor| visitor.user.clone()).collect();
    assert!(expected.len() < users, "nobody has gone");
    let mut stayed = stayed;
    join_all(stayed.iter_mut().map(|visitor| visitor.until(&expected))).await;
    if !strict {
        return;
    }
    settled(system, u64::try_from(stayed.len()).expect("few")).await;
    // Who agreed for a moment may have heard more since.
    for visitor in &mut stayed {
        visitor.hear_all().await;
        assert_eq!(visitor.there.as_ref(), Some(&expected));
    }
    let rows = system.table().rows(&format!("memb/1001/{ROOM}")).await;
    assert_eq!(rows.len(), expected.len());
}

#[tokio::test]
async fn hundreds_who_come_and_go_at_once_agree_in_the_end() {
    crowd(&System::start_with(&["--quiet"]), 200, 18, true).await;
}

#[tokio::test]
async fn they_agree_though_requests_fail_while_they_come_and_go() {
    let system = System::start_with(&["--quiet", "--faults", "--reap-every", "1"]);
    // One of each fault in turn, every so many requests, wherever they fall.
    let faults = ["lose_answer", "throttle", "conflict", "fail", "drop"];
    let rules: Vec<Value> = (0..25)
        .map(|n| {
            let (skip, fault) = (20 + n * 9, faults[n % faults.len()]);
            json!({"function": "message", "operation": "write", "skip": skip, "times": 1, "fault": fault})
        })
        .collect();
    system.faults().set(json!(rules)).await;
    crowd(&system, 60, 18, false).await;
    let met = system.faults().made().await;
    assert!(met.iter().filter(|made| made.fault.is_some()).count() >= 10);
}
