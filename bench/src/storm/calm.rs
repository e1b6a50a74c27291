//! After the storm: no fault any more, what was left behind has its time, and what is then is compared with what
//! should be. The checker says when everything has come right; what has not by then never does.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::check::checker::check;
use super::clients::client::Order;
use super::clients::reader::ToTheEnd;
use super::clients::server::Server;
use super::costs;
use super::history::{Part, Shown, Step, What};
use super::outside::Outside;
use super::plan::acts::Act;
use super::plan::world::{APPS, CHANNELS, needs_auth};
use super::table::Known;
use super::wire::number_in;
use crate::runtime::Problem;

/// How long servers may take to finish what they have begun.
const FINISHING: Duration = Duration::from_secs(90);
/// How long everybody may take to leave, and what they leave to go.
const LEAVING: Duration = Duration::from_secs(30);
/// How long a round of questions may take.
const ROUND: Duration = Duration::from_secs(30);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_secs(3);
/// Rules that may be broken for as long as everything has to come right.
const SLOWLY: [&str; 5] = [
    "count-too-high",
    "count-too-low",
    "told-a-wrong-count",
    "listed",
    "not-listed",
];
/// Rules that may be broken for half of that: what the reaper and the queues finish.
const SOON: [&str; 8] = [
    "lost",
    "ghost",
    "not-on-the-roster",
    "watched",
    "hook",
    "row-of-nobody",
    "not-resumed",
    "lost-while-away",
];

/// Whether what is wrong may still come right, of so long a time after so long.
fn may_heal(rule: &str, elapsed: Duration, patience: Duration) -> bool {
    (SLOWLY.contains(&rule) && elapsed < patience)
        || (SOON.contains(&rule) && elapsed < patience / 2)
}

/// Everybody who takes part.
pub(crate) struct Everybody {
    pub(crate) clients: Vec<mpsc::UnboundedSender<Order>>,
    pub(crate) readers: Vec<mpsc::UnboundedSender<ToTheEnd>>,
    pub(crate) servers: Vec<JoinHandle<()>>,
    pub(crate) calm: watch::Sender<bool>,
}

/// Who is there, by what was written down.
fn known(outside: &Outside) -> Known {
    let mut known = Known::default();
    let (mut names, mut ended) = (
        std::collections::BTreeMap::new(),
        std::collections::BTreeSet::new(),
    );
    for entry in outside.recorder.history() {
        if let What::Connection { conn, step } = entry.what {
            match step {
                Step::Greeted { socket_id } => drop(names.insert(conn, socket_id)),
                Step::Leaves | Step::Closed { .. } => drop(ended.insert(conn)),
                _ => {}
            }
        }
    }
    for (conn, socket_id) in names {
        let set = if ended.contains(&conn) {
            &mut known.ended
        } else {
            &mut known.open
        };
        set.insert(socket_id);
    }
    known
}

impl Everybody {
    /// From the last fault to the end. Everything has so long to come right.
    pub(crate) async fn settle(
        mut self,
        outside: &Arc<Outside>,
        patience: Duration,
    ) -> Result<(), Problem> {
        outside.recorder.note(What::Begins(Part::Calm));
        let began = Instant::now();
        for client in &self.clients {
            let _ = client.send(Order::Calm);
        }
        self.calm.send_replace(true);
        for server in std::mem::take(&mut self.servers) {
            // One that does not end is of no use any longer.
            let _ = timeout(FINISHING, server).await;
        }
        let mut askers = [Server::new(0, outside, 0), Server::new(1, outside, 1)];
        loop {
            self.look(outside, &askers).await?;
            let found = check(&outside.recorder.history());
            let heals = |rule| may_heal(rule, began.elapsed(), patience);
            if !found.iter().any(|violation| heals(violation.rule)) {
                break;
            }
            sleep(PAUSE).await;
        }
        self.probe(outside, &mut askers).await?;
        costs::measure(outside, &self.clients).await?;
        self.leave(outside, &askers).await
    }

    /// Lets what is due happen, and asks how everything is.
    async fn look(&self, outside: &Arc<Outside>, askers: &[Server; 2]) -> Result<(), Problem> {
        outside.age(&known(outside)).await?;
        outside.reap().await;
        outside.rests(ROUND).await?;
        outside.recorder.note(What::Begins(Part::Settled));
        for asker in askers {
            asker.list().await;
            for name in CHANNELS {
                if name.starts_with("presence-") {
                    asker.users(name).await;
                } else {
                    asker.count(name).await;
                }
            }
        }
        self.barrier().await;
        for row in outside.rows().await? {
            outside.recorder.note(What::Row(row));
        }
        Ok(())
    }

    /// Waits until what was sent to everybody has come.
    async fn barrier(&self) {
        let waiting: Vec<oneshot::Receiver<()>> = self
            .clients
            .iter()
            .map(|client| {
                let (reply, answered) = oneshot::channel();
                let _ = client.send(Order::Barrier(reply));
                answered
            })
            .collect();
        let all = futures_util::future::join_all(waiting);
        let _ = timeout(ROUND, all).await;
    }

    /// Something is published on each channel, and said, and has to reach everybody.
    async fn probe(&self, outside: &Arc<Outside>, askers: &mut [Server; 2]) -> Result<(), Problem> {
        for asker in askers.iter_mut() {
            for name in CHANNELS {
                asker.publish(&[name], false, 10, None).await;
            }
        }
        for (client, channel) in self.clients.iter().zip([3, 4, 6, 7].into_iter().cycle()) {
            let _ = client.send(Order::Do(Act::Say(channel)));
        }
        outside.rests(ROUND).await?;
        self.barrier().await;
        let mut waiting = Vec::new();
        for reader in &self.readers {
            let (reply, answered) = oneshot::channel();
            let _ = reader.send(reply);
            waiting.push(answered);
        }
        let _ = timeout(2 * ROUND, futures_util::future::join_all(waiting)).await;
        for app in 0..APPS.len() {
            for name in CHANNELS {
                log(outside, app, name).await;
            }
        }
        Ok(())
    }

    /// Everybody leaves, and what is left has its time to go.
    async fn leave(self, outside: &Arc<Outside>, askers: &[Server; 2]) -> Result<(), Problem> {
        outside.recorder.note(What::Begins(Part::Leaving));
        drop(self.readers);
        let mut waiting = Vec::new();
        for client in &self.clients {
            let (reply, answered) = oneshot::channel();
            let _ = client.send(Order::Leave(reply));
            waiting.push(answered);
        }
        let _ = timeout(ROUND, futures_util::future::join_all(waiting)).await;
        let began = Instant::now();
        loop {
            sleep(PAUSE).await;
            outside.rests(ROUND).await?;
            outside.age(&known(outside)).await?;
            outside.reap().await;
            outside.rests(ROUND).await?;
            let rows = outside.rows().await?;
            if rows.iter().all(|row| row.mark) || began.elapsed() > LEAVING {
                outside.recorder.note(What::Begins(Part::Over));
                for row in rows {
                    outside.recorder.note(What::Row(row));
                }
                break;
            }
        }
        for asker in askers {
            asker.list().await;
        }
        for (line, secret) in outside.leaks() {
            outside.recorder.note(What::Leaked { line, secret });
        }
        Ok(())
    }
}

/// Reads all that is kept of a channel, by polling as anybody may who has a token.
async fn log(outside: &Outside, app: usize, name: &str) {
    let app = &APPS[app];
    let since = outside.recorder.now();
    let (mut after, mut events) = ("0".to_owned(), Vec::new());
    loop {
        let mut query = format!("channels={name}&after={after}");
        if needs_auth(name) {
            let Some(token) = outside.token(app, "reader-of-logs", &[name]).await else {
                return;
            };
            query.push_str(&format!("&token={token}"));
        }
        let (status, polled) = outside
            .send("GET", &format!("/status/{}?{query}", app.key), "")
            .await;
        let (200, Some(some)) = (status, polled["events"].as_array()) else {
            return;
        };
        if some.is_empty() {
            break;
        }
        let entry = |event: &Value| {
            Some((
                event["serial"].as_u64()?,
                event["data"].as_str().and_then(number_in)?,
            ))
        };
        events.extend(some.iter().filter_map(entry));
        let Some((last, _)) = events.last() else {
            return;
        };
        after = last.to_string();
    }
    let channel = app.name(name);
    outside.recorder.note(What::Shown {
        since,
        shown: Shown::Log { channel, events },
    });
}
