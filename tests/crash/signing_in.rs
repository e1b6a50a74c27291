//! Signing in and leaving, where users are watched. If an announcer dies, the reaper tells the watchers after
//! its lease has ended. All cases are begun first, and awaited together.

use serde_json::{Value, json};
use tests::{PATIENCE, Socket, inner};

use crate::stage::{Case, Stage, cases};

/// One case under way.
struct Begun {
    case: Case,
    user: String,
    /// Watches the user, and is watched by it.
    watcher: Socket,
    watcher_id: String,
    socket: Socket,
}

impl Begun {
    async fn new(stage: &Stage, case: Case, n: usize) -> Self {
        let (user, watcher_id) = (format!("user-{n}."), format!("watcher-{n}."));
        let mut watcher = Socket::connect(stage).await;
        watcher
            .sign_in(json!({"id": watcher_id, "watchlist": [user]}))
            .await;
        let nobody = (vec![], vec![user.clone()]);
        assert_eq!(watcher.watched().await, nobody);
        let socket = Socket::connect(stage).await;
        let begun = Self {
            case,
            user,
            watcher,
            watcher_id,
            socket,
        };
        begun.told(stage, &begun.watcher_id, true).await;
        begun
    }

    async fn ask(&mut self) {
        let user_data = json!({"id": self.user, "watchlist": [self.watcher_id]});
        self.socket.ask_to_sign_in(&user_data).await;
    }

    fn channel(&self) -> String {
        format!("#server-to-user-{}", self.user)
    }

    /// The next frame of the one that signs in, past what API Gateway itself says and what is told of
    /// the watcher, which has been online all the time.
    async fn frame(&mut self) -> Value {
        loop {
            let message = self.socket.message().await.expect("open");
            let frame: Value =
                serde_json::from_str(message.to_text().expect("text")).expect("JSON");
            match frame["event"].as_str() {
                Some("pusher_internal:watchlist_events") => {
                    let online = json!({"name": "online", "user_ids": [self.watcher_id]});
                    let events = &inner(&frame)["events"];
                    assert_eq!(*events, json!([online]), "{:?}", self.case);
                }
                Some(_) => return frame,
                None => {}
            }
        }
    }

    /// Waits until it is signed in, past whatever it was answered before, and on its channel.
    async fn signed_in(&mut self) {
        while self.frame().await["event"] != "pusher:signin_success" {}
        let channel = json!({"channel": self.channel()});
        self.socket.send_event("pusher:subscribe", channel).await;
        // The first answer may have come late.
        while self.frame().await["event"] != "pusher_internal:subscription_succeeded" {}
    }

    /// Waits until nothing of the user is left to be told, if anybody ever knew that it was there.
    async fn left(&self, stage: &Stage) {
        let partition = format!("user/1001/{}", self.user);
        if !stage.table().rows(&partition).await.is_empty() {
            self.told(stage, &self.user, false).await;
        }
    }

    /// Waits until a user's watchers were told that it is online, or is not.
    async fn told(&self, stage: &Stage, user: &str, online: bool) {
        let started = std::time::Instant::now();
        loop {
            let rows = stage.table().rows(&format!("user/1001/{user}")).await;
            let row = rows.first().unwrap_or(&Value::Null);
            let names = row.as_object().into_iter().flatten();
            let connections = names.filter(|(name, _)| name.starts_with("c/")).count();
            if row["announced"] == online
                && (connections > 0) == online
                && row.get("lease").is_none()
                && row.get("due_at").is_none()
            {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{:?}: {rows:?}", self.case);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// What the watcher was told of the user by now: whether it is online, each time.
    async fn words(&mut self) -> Vec<bool> {
        self.watcher.send_event("pusher:ping", json!({})).await;
        let mut words = Vec::new();
        loop {
            let frame = self.watcher.frame().await;
            if frame["event"] == "pusher:pong" {
                return words;
            }
            let event = inner(&frame)["events"][0].clone();
            assert_eq!(event["user_ids"], json!([self.user]), "{:?}", self.case);
            words.push(event["name"] == "online");
        }
    }

    /// The watcher was told just this by now, once or, after a crash, twice.
    async fn word(&mut self, online: bool) {
        let words = self.words().await;
        let right = words.iter().all(|&word| word == online);
        let count = words.len();
        assert!(
            right && (1..=2).contains(&count),
            "{:?}: {words:?}",
            self.case
        );
    }
}

/// Sign-in of a user that watches one: the connection, the list, the other's row, the user's, and the
/// lease.
const SIGN_IN_WRITES: usize = 5;
/// The connection's mark, three for its channel, the user's row, the other's and the list, the lease,
/// and the end of the mark.
const LEAVE_WRITES: usize = 1 + 3 + 1 + 2 + 1 + 1;

#[tokio::test]
async fn who_was_told_that_it_is_signed_in_is_reached_and_is_told_of() {
    let stage = Stage::of_watchers();
    let mut begun = Vec::new();
    for (n, case) in cases(SIGN_IN_WRITES).enumerate() {
        let mut one = Begun::new(&stage, case, n).await;
        stage.faults().forget().await;
        stage.fail("message", case).await;
        one.ask().await;
        stage.met(case).await;
        stage.faults().lift().await;
        begun.push(one);
    }
    for mut one in begun {
        // A client that was answered with an error, or not at all, asks again.
        one.ask().await;
        one.signed_in().await;
        let event = json!({"name": "e", "channel": one.channel(), "data": "1"});
        stage.publish(event).await;
        loop {
            let frame = one.frame().await;
            if frame["event"] == "e" {
                break;
            }
            // The answer to what it asked for twice.
            assert_eq!(frame["event"], "pusher:signin_success", "{:?}", one.case);
        }
        one.told(&stage, &one.user, true).await;
        one.word(true).await;
    }
}

#[tokio::test]
async fn a_sign_in_that_was_begun_and_left_is_told_to_its_end() {
    let stage = Stage::of_watchers();
    let mut begun = Vec::new();
    for (n, case) in cases(SIGN_IN_WRITES).enumerate() {
        let mut one = Begun::new(&stage, case, n).await;
        stage.faults().forget().await;
        stage.fail("message", case).await;
        one.ask().await;
        stage.met(case).await;
        stage.faults().lift().await;
        // Whatever it is answered, the function is done with it, or dead.
        one.socket.message().await;
        let other = Socket::connect(&stage).await;
        std::mem::replace(&mut one.socket, other).vanish();
        begun.push(one);
    }
    for mut one in begun {
        one.left(&stage).await;
        // Online perhaps, and then, whatever was noted of that, offline.
        let words = one.words().await;
        assert!(words.len() <= 4, "{:?}: {words:?}", one.case);
        assert_ne!(words.last(), Some(&true), "{:?}: {words:?}", one.case);
    }
}

#[tokio::test]
async fn who_leaves_leaves_nothing_and_is_told_of() {
    let stage = Stage::of_watchers();
    let mut begun = Vec::new();
    // Without its mark nothing is begun, and it is as if it had never come: the reaper's tests.
    let begun_at_all = |case: &Case| case.write > 0 || !case.lasting;
    for (n, case) in cases(LEAVE_WRITES).filter(begun_at_all).enumerate() {
        let mut one = Begun::new(&stage, case, n).await;
        one.ask().await;
        one.signed_in().await;
        one.told(&stage, &one.user, true).await;
        one.word(true).await;
        stage.faults().forget().await;
        stage.fail("disconnect", case).await;
        let other = Socket::connect(&stage).await;
        std::mem::replace(&mut one.socket, other).vanish();
        stage.met(case).await;
        stage.faults().lift().await;
        begun.push(one);
    }
    stage.overdue().await;
    for mut one in begun {
        one.told(&stage, &one.user, false).await;
        one.word(false).await;
        stage.only(&one.channel(), &[], one.case).await;
        let started = std::time::Instant::now();
        loop {
            let watcher = format!("watch/1001/{}", one.watcher_id);
            let rows = stage.table().rows(&watcher).await;
            if rows.is_empty() {
                break;
            }
            assert!(started.elapsed() < PATIENCE, "{:?}: {rows:?}", one.case);
        }
    }
}
