//! Joining and leaving a presence channel. If an announcer dies, the reaper announces the rest after its
//! lease has ended. All cases are begun first, and awaited together.

use serde_json::{Value, json};
use tests::{Socket, inner};

use crate::stage::{Case, Stage, cases};

/// One case under way.
struct Begun {
    case: Case,
    channel: String,
    /// Is there all the time, and hears of the other.
    steady: Socket,
    other: Socket,
}

impl Begun {
    async fn new(stage: &Stage, case: Case, n: usize) -> Self {
        let channel = format!("presence-{n}");
        let mut steady = Socket::connect(stage).await;
        steady.attend(&channel, json!("steady")).await;
        steady.roster(&channel).await;
        let other = Socket::connect(stage).await;
        Self {
            case,
            channel,
            steady,
            other,
        }
    }

    async fn join(&mut self) {
        self.other.attend(&self.channel, json!("other")).await;
    }

    /// Waits until the other is acknowledged, past whatever it was told before.
    async fn acknowledged(&mut self) -> Value {
        loop {
            let message = self.other.message().await.expect("open");
            let frame: Value =
                serde_json::from_str(message.to_text().expect("text")).expect("JSON");
            if frame["event"] == "pusher_internal:subscription_succeeded" {
                return inner(&frame)["presence"]["ids"].clone();
            }
        }
    }

    /// Waits until the steady one is told, and gives how often it was by then.
    async fn told(&mut self, event: &str) {
        let frame = self
            .steady
            .expect(&format!("pusher_internal:{event}"))
            .await;
        assert_eq!(inner(&frame)["user_id"], "other", "{:?}", self.case);
    }

    /// Waits until the steady one is told that the other is gone. What `disconnect` has begun and
    /// Lambda has not repeated the reaper finishes, after a minute: its time is made to pass.
    async fn hear_of_the_end(&mut self, stage: &Stage) {
        for row in stage.table().rows("conn/").await {
            if row["closed"] == true && row.get("due_at").is_some() {
                let due = json!({
                    "Key": { "pk": { "S": row["pk"] }, "sk": { "S": "conn" } },
                    "UpdateExpression": "SET due_at = :past",
                    "ExpressionAttributeValues": { ":past": { "N": "1" } },
                });
                stage.table().call("UpdateItem", due).await;
            }
        }
        self.told("member_removed").await;
    }

    /// Counts what the steady one is told until a last word that a third one brings about.
    async fn repeats(&mut self, stage: &Stage, event: &str) {
        let mut last = Socket::connect(stage).await;
        last.attend(&self.channel, json!("last")).await;
        let roster = last.roster(&self.channel).await["ids"].clone();
        let there = event == "member_added";
        let expected = if there {
            json!(["last", "other", "steady"])
        } else {
            json!(["last", "steady"])
        };
        assert_eq!(roster, expected, "{:?}", self.case);
        let mut repeats = 0;
        loop {
            let frame = self.steady.frame().await;
            let user = inner(&frame)["user_id"].clone();
            if user == "last" {
                break;
            }
            assert_eq!(
                frame["event"],
                format!("pusher_internal:{event}"),
                "{:?}",
                self.case
            );
            repeats += 1;
        }
        assert!(repeats <= 1, "{:?}: told {repeats} times more", self.case);
    }
}

fn stage() -> Stage {
    Stage::with(&["--reap-every", "1"])
}

#[tokio::test]
async fn who_joins_is_there_and_is_told_of_once() {
    let stage = stage();
    let mut begun = Vec::new();
    for (n, case) in cases(6).enumerate() {
        let mut one = Begun::new(&stage, case, n).await;
        stage.given_back(&one.channel).await;
        stage.faults().forget().await;
        stage.fail("message", case).await;
        one.join().await;
        stage.met(case).await;
        stage.faults().lift().await;
        begun.push(one);
    }
    for mut one in begun {
        // A client that was answered with an error, or not at all, asks again.
        one.join().await;
        let roster = one.acknowledged().await;
        assert_eq!(roster, json!(["other", "steady"]), "{:?}", one.case);
        one.told("member_added").await;
        one.repeats(&stage, "member_added").await;
    }
}

#[tokio::test]
async fn who_leaves_is_gone_and_is_told_of_once() {
    let stage = stage();
    let mut begun = Vec::new();
    let of_message = cases(6).map(|case| ("message", case));
    // Without its mark nothing is begun, and it is as if it had never come: the reaper's tests.
    let begun_at_all = |case: &Case| case.write > 0 || !case.lasting;
    let of_disconnect = cases(8)
        .filter(begun_at_all)
        .map(|case| ("disconnect", case));
    for (n, (function, case)) in of_message.chain(of_disconnect).enumerate() {
        let mut one = Begun::new(&stage, case, n).await;
        one.join().await;
        one.acknowledged().await;
        one.told("member_added").await;
        stage.given_back(&one.channel).await;
        stage.faults().forget().await;
        stage.fail(function, case).await;
        if function == "message" {
            let channel = json!({"channel": one.channel});
            one.other.send_event("pusher:unsubscribe", channel).await;
            stage.met(case).await;
            stage.faults().lift().await;
            begun.push((one, true));
        } else {
            let other = std::mem::replace(&mut one.other, Socket::connect(&stage).await);
            other.vanish();
            stage.met(case).await;
            stage.faults().lift().await;
            begun.push((one, false));
        }
    }
    for (mut one, again) in begun {
        if again {
            // It may still be there; a client that wants to be sure leaves again.
            let channel = json!({"channel": one.channel});
            one.other.send_event("pusher:unsubscribe", channel).await;
        }
        one.hear_of_the_end(&stage).await;
        one.repeats(&stage, "member_removed").await;
    }
}
