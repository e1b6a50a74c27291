//! What a client does when its plan says so.

use serde_json::{Value, json};
use tokio::time::{Duration, timeout};

use super::client::{Client, State};
use super::link::{As, Link};
use crate::storm::history::Step;
use crate::storm::plan::acts::{Act, Flood, Intrusion, Transport};
use crate::storm::plan::world::{CHANNELS, USERS, channel_of_user, user};
use crate::storm::wire::{self, Auth, Wanted};

/// How often something is said in a flood.
const OFTEN: usize = 15;
/// How often the whole log is asked for.
const SOMETIMES: usize = 3;
/// How long an intruder waits for what it must not get.
const INTRUSION: Duration = Duration::from_secs(6);

impl Client {
    pub(super) async fn act(&mut self, act: Act) {
        match act {
            Act::Subscribe(channel) => self.join(channel).await,
            Act::SubscribeWrongly(channel) => self.join_wrongly(CHANNELS[channel]).await,
            Act::Unsubscribe(channel) => self.unsubscribe(CHANNELS[channel]).await,
            Act::Again(channel) => {
                if self.is_on(CHANNELS[channel]) {
                    self.ask(CHANNELS[channel]).await;
                }
            }
            Act::Burst(channel) => self.burst(CHANNELS[channel]).await,
            Act::As(channel, number) => {
                if self.is_on(CHANNELS[channel]) {
                    self.want(CHANNELS[channel].to_owned(), Some(user(number)))
                        .await;
                }
            }
            Act::SignIn(watched) => {
                let others = (1..=watched).map(|step| user((self.plan.user + step) % USERS));
                self.signs_in = Some((others.collect(), State::Due));
                self.sign_in().await;
            }
            Act::SignInWrongly => self.sign_in_wrongly().await,
            Act::JoinOwn => {
                if self
                    .signs_in
                    .as_ref()
                    .is_some_and(|(_, state)| *state == State::On)
                {
                    let channel = self.own_channel();
                    self.want(channel, None).await;
                }
            }
            Act::JoinAnothers => {
                let another = channel_of_user((self.plan.user + 1) % USERS);
                self.join_wrongly(&another).await;
            }
            Act::Say(channel) => self.talk(CHANNELS[channel]).await,
            Act::Ping => self.ping().await,
            Act::Flood(flood) => self.flood(flood).await,
            Act::Leave(millis) => self.go_for(true, millis).await,
            Act::Vanish(millis) => self.go_for(false, millis).await,
            Act::IntrudeWith(how) => self.intrude(how),
        }
    }

    pub(super) fn is_on(&self, channel: &str) -> bool {
        self.wants
            .get(channel)
            .is_some_and(|want| want.state == State::On)
    }

    async fn join(&mut self, channel: usize) {
        let name = CHANNELS[channel];
        if self.wants.contains_key(name) {
            return;
        }
        let user = name.starts_with("presence-").then(|| user(self.plan.user));
        self.want(name.to_owned(), user).await;
    }

    /// Asks for a channel that it has no right to.
    async fn join_wrongly(&mut self, channel: &str) {
        let (Some(socket_id), false) = (self.socket_id.clone(), self.wants.contains_key(channel))
        else {
            return;
        };
        // Whoever may is not refused.
        if self.plan.token && !channel.starts_with('#') {
            return;
        }
        let own = user(self.plan.user);
        let wanted = Wanted {
            channel,
            user: channel.starts_with("presence-").then_some(own.as_str()),
            after: self.random.bool().then_some(0),
            auth: if self.random.bool() {
                Auth::Bad
            } else {
                Auth::None
            },
        };
        let frame = self.app.subscribe(&socket_id, &wanted);
        let step = Step::Subscribes {
            channel: self.app.name(channel),
            after: wanted.after,
            user: wanted.user.map(|user| self.app.name(user)),
            may: false,
        };
        self.say(vec![(Some(step), frame)]).await;
    }

    async fn say(&mut self, all: Vec<(Option<Step>, Value)>) {
        if let (Some(link), Some(_)) = (&mut self.link, &self.socket_id) {
            link.say_all(all).await;
        }
    }

    async fn unsubscribe(&mut self, channel: &str) {
        if self.wants.remove(channel).is_some() && self.socket_id.is_some() {
            self.left.insert(channel.to_owned());
            let step = Step::Unsubscribes {
                channel: self.app.name(channel),
            };
            self.say(vec![(Some(step), wire::unsubscribe(channel))])
                .await;
        }
    }

    async fn burst(&mut self, channel: &str) {
        if !self.is_on(channel) {
            return;
        }
        let Some((step, frame)) = self.subscription(channel) else {
            return;
        };
        let leaves = Step::Unsubscribes {
            channel: self.app.name(channel),
        };
        self.say(vec![
            (Some(leaves), wire::unsubscribe(channel)),
            (Some(step), frame),
        ])
        .await;
    }

    async fn sign_in_wrongly(&mut self) {
        let Some(socket_id) = self.socket_id.clone() else {
            return;
        };
        let somebody = user((self.plan.user + 1) % USERS);
        let frame = self.app.sign_in(&socket_id, &somebody, &[], false);
        let step = Step::SignsIn {
            user: self.app.name(&somebody),
            watches: Vec::new(),
            may: false,
        };
        self.say(vec![(Some(step), frame)]).await;
    }

    /// Says something to the others, whether or not it is on the channel.
    async fn talk(&mut self, channel: &str) {
        let event = self.outside.recorder.new_event();
        let step = Step::Says {
            channel: self.app.name(channel),
            event,
        };
        self.say(vec![(Some(step), wire::say(channel, event))])
            .await;
    }

    async fn flood(&mut self, flood: Flood) {
        let orders = CHANNELS[0];
        match flood {
            Flood::Subscribes => {
                for _ in 0..OFTEN {
                    if self.is_on(orders) || self.wants.contains_key(orders) {
                        self.ask(orders).await;
                    }
                }
            }
            Flood::Resumes => {
                let Some(socket_id) = self.socket_id.clone() else {
                    return;
                };
                let wanted = Wanted {
                    channel: orders,
                    user: None,
                    after: Some(0),
                    auth: Auth::None,
                };
                let frame = self.app.subscribe(&socket_id, &wanted);
                let step = Step::Subscribes {
                    channel: self.app.name(orders),
                    after: Some(0),
                    user: None,
                    may: true,
                };
                if self.is_on(orders) {
                    self.say(vec![(Some(step), frame); SOMETIMES]).await;
                }
            }
            Flood::Unsubscribes => {
                let nowhere = |n: usize| format!("nowhere-{n}");
                let frame = |n| {
                    let step = Step::Unsubscribes {
                        channel: self.app.name(&nowhere(n)),
                    };
                    (Some(step), wire::unsubscribe(&nowhere(n)))
                };
                let all = (0..OFTEN).map(frame).collect();
                self.say(all).await;
            }
            Flood::ClientEvents => {
                if self.is_on(CHANNELS[3]) {
                    for _ in 0..2 * OFTEN {
                        self.talk(CHANNELS[3]).await;
                    }
                }
            }
            Flood::Garbage => {
                let garbage = [
                    json!([]),
                    json!("text"),
                    json!({ "event": "pusher:nothing" }),
                    json!({ "data": 7 }),
                ];
                self.say(garbage.into_iter().map(|frame| (None, frame)).collect())
                    .await;
            }
        }
    }

    /// Tries to connect as nobody may.
    fn intrude(&self, how: Intrusion) {
        let (outside, client, app) = (self.outside.clone(), self.plan.client, self.app);
        tokio::spawn(async move {
            let made_up = "A".repeat(43);
            let (key, token) = match how {
                Intrusion::MadeUpToken => (app.key, Some(made_up.as_str())),
                Intrusion::UnknownKey => ("nobodys-key", None),
            };
            let who = As {
                client,
                app,
                key,
                token,
                may: false,
            };
            let mut link = Link::open(&outside, Transport::Socket, who).await;
            let ended = async {
                while let Some(step) = link.heard.recv().await {
                    if matches!(step, Step::Closed { .. }) {
                        return;
                    }
                }
            };
            if timeout(INTRUSION, ended).await.is_err() {
                link.leave(true).await;
            }
        });
    }
}
