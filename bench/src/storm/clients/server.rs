//! An app's server: publishes, asks, and has the connections of users ended.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::storm::history::{Publish, Shown, What};
use crate::storm::outside::Outside;
use crate::storm::plan::calls::{Call, ServerPlan};
use crate::storm::plan::world::{APPS, CHANNELS, channel_of_user, user};
use crate::storm::record::unix_secs;
use crate::storm::wire::{App, EVENT, data_of};

/// How long a request under a key is made again while there are faults, and after that.
const AGAIN: [Duration; 2] = [Duration::from_secs(8), Duration::from_secs(50)];
/// Pause before it is made again.
const PAUSE: Duration = Duration::from_millis(700);

/// A server at work.
pub(crate) struct Server {
    app: &'static App,
    outside: Arc<Outside>,
    /// Requests under a key that were not answered 200 yet: what is asked, and of which events.
    open: Vec<(String, &'static str, Vec<Publish>)>,
    random: fastrand::Rng,
}

impl Server {
    pub(crate) fn new(app: usize, outside: &Arc<Outside>, seed: u64) -> Self {
        Self {
            app: &APPS[app],
            outside: outside.clone(),
            open: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Does what its plan says, and once all is calm finishes what it has begun under a key.
    pub(crate) async fn live(
        mut self,
        plan: ServerPlan,
        started: Instant,
        mut calm: watch::Receiver<bool>,
    ) {
        for (at, call) in plan.calls {
            tokio::select! {
                () = sleep_until(started + Duration::from_millis(at)) => {}
                _ = calm.wait_for(|calm| *calm) => break,
            }
            self.make(call).await;
        }
        // However the one that says so ends.
        let _ = calm.wait_for(|calm| *calm).await;
        for (body, path, publishes) in std::mem::take(&mut self.open) {
            self.repeat(&body, path, &publishes, AGAIN[1]).await;
        }
    }

    async fn make(&mut self, call: Call) {
        match call {
            Call::Publish {
                channels,
                keyed,
                bytes,
                leaves_out,
            } => {
                let names: Vec<&str> = channels.iter().map(|&channel| CHANNELS[channel]).collect();
                let leaves_out = if leaves_out { self.somebody() } else { None };
                self.publish(&names, keyed, bytes, leaves_out).await;
            }
            Call::Batch { channels, keyed } => self.batch(&channels, keyed).await,
            Call::ToUser(number) => {
                self.publish(&[&channel_of_user(number)], true, 20, None)
                    .await;
            }
            Call::PublishWrongly(channel) => self.publish_wrongly(CHANNELS[channel]).await,
            Call::List => self.list().await,
            Call::Count(channel) => self.count(CHANNELS[channel]).await,
            Call::Users(channel) => self.users(CHANNELS[channel]).await,
            Call::End(number) => {
                let (call, id) = (self.outside.recorder.new_call(), user(number));
                self.outside.recorder.note(What::Terminates {
                    call,
                    user: self.app.name(&id),
                });
                let path = format!("/users/{id}/terminate_connections");
                let (status, _) = self.outside.call(self.app, "POST", &path, &[], "{}").await;
                self.outside.recorder.note(What::Answered { call, status });
            }
        }
    }

    /// The socket id of somebody who is there.
    fn somebody(&mut self) -> Option<String> {
        let some = self.outside.recorder.greeted();
        self.random.choice(some)
    }

    fn planned(&self, channels: Vec<String>, keyed: bool, leaves_out: Option<String>) -> Publish {
        Publish {
            call: 0,
            event: self.outside.recorder.new_event(),
            channels,
            keyed,
            leaves_out,
        }
    }

    pub(crate) async fn publish(
        &mut self,
        names: &[&str],
        keyed: bool,
        bytes: usize,
        leaves_out: Option<String>,
    ) {
        let channels = names.iter().map(|name| self.app.name(name)).collect();
        let publish = self.planned(channels, keyed, leaves_out);
        let data = data_of(publish.event, bytes).to_string();
        let mut body = json!({ "name": EVENT, "channels": names, "data": data });
        if let Some(socket_id) = &publish.leaves_out {
            body["socket_id"] = json!(socket_id);
        }
        if keyed {
            body["idempotency_key"] = json!(format!("key-{}", publish.event));
        }
        self.ask(body.to_string(), "/events", vec![publish]).await;
    }

    async fn batch(&mut self, channels: &[usize], keyed: bool) {
        let mut publishes: Vec<Publish> = Vec::new();
        for &channel in channels {
            publishes.push(self.planned(vec![self.app.name(CHANNELS[channel])], keyed, None));
        }
        let event = |(publish, &channel): (&Publish, &usize)| {
            let data = data_of(publish.event, 30).to_string();
            json!({ "name": EVENT, "channel": CHANNELS[channel], "data": data })
        };
        let batch: Vec<Value> = publishes.iter().zip(channels).map(event).collect();
        let mut body = json!({ "batch": batch });
        if let Some(first) = publishes.first().filter(|_| keyed) {
            body["idempotency_key"] = json!(format!("key-{}", first.event));
        }
        self.ask(body.to_string(), "/batch_events", publishes).await;
    }

    /// Asks, and under a key asks again for a while.
    async fn ask(&mut self, body: String, path: &'static str, publishes: Vec<Publish>) {
        let keyed = publishes.iter().all(|publish| publish.keyed);
        let patience = if keyed { AGAIN[0] } else { Duration::ZERO };
        if !self.repeat(&body, path, &publishes, patience).await && keyed {
            self.open.push((body, path, publishes));
        }
    }

    /// Whether it was answered for good.
    async fn repeat(
        &self,
        body: &str,
        path: &str,
        publishes: &[Publish],
        patience: Duration,
    ) -> bool {
        let began = Instant::now();
        loop {
            let call = self.outside.recorder.new_call();
            for publish in publishes {
                self.outside.recorder.note(What::Publishes(Publish {
                    call,
                    ..publish.clone()
                }));
            }
            let (status, _) = self.outside.call(self.app, "POST", path, &[], body).await;
            self.outside.recorder.note(What::Answered { call, status });
            let is_final = (200..500).contains(&status) && ![409, 429].contains(&status);
            if is_final || began.elapsed() >= patience {
                return is_final;
            }
            sleep(PAUSE).await;
        }
    }

    async fn publish_wrongly(&mut self, name: &str) {
        let publish = self.planned(vec![self.app.name(name)], false, None);
        let body = json!({ "name": EVENT, "channel": name, "data": data_of(publish.event, 5).to_string() });
        let call = self.outside.recorder.new_call();
        self.outside
            .recorder
            .note(What::Publishes(Publish { call, ..publish }));
        let body = body.to_string();
        let forged = App {
            secret: "not-its-secret",
            ..self.app.clone()
        };
        let target = forged.signed("POST", "/events", &[], &body, unix_secs());
        let (status, _) = self.outside.send("POST", &target, &body).await;
        self.outside.recorder.note(What::Answered { call, status });
    }

    fn shown(&self, since: u64, shown: Shown) {
        self.outside.recorder.note(What::Shown { since, shown });
    }

    /// The channels that somebody is on.
    pub(crate) async fn list(&self) {
        let since = self.outside.recorder.now();
        let (status, answer) = self
            .outside
            .call(self.app, "GET", "/channels", &[], "")
            .await;
        if let (200, Some(channels)) = (status, answer["channels"].as_object()) {
            let channels = channels.keys().map(|name| self.app.name(name)).collect();
            let app = self.app.id.to_owned();
            self.shown(since, Shown::Occupied { app, channels });
        }
    }

    pub(crate) async fn count(&self, name: &str) {
        let since = self.outside.recorder.now();
        let info = [("info", "subscription_count")];
        let path = format!("/channels/{name}");
        let (status, answer) = self.outside.call(self.app, "GET", &path, &info, "").await;
        if let (200, Some(count)) = (status, answer["subscription_count"].as_u64()) {
            self.shown(
                since,
                Shown::Count {
                    channel: self.app.name(name),
                    count,
                },
            );
        }
    }

    pub(crate) async fn users(&self, name: &str) {
        let since = self.outside.recorder.now();
        let path = format!("/channels/{name}/users");
        let (status, answer) = self.outside.call(self.app, "GET", &path, &[], "").await;
        let users = answer["users"].as_array().filter(|_| status == 200);
        let users = users.and_then(|users| {
            users
                .iter()
                .map(|user| Some(self.app.name(user["id"].as_str()?)))
                .collect::<Option<Vec<_>>>()
        });
        if let Some(users) = users {
            self.shown(
                since,
                Shown::Users {
                    channel: self.app.name(name),
                    users,
                },
            );
        }
    }
}
