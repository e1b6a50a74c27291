//! A client: does what its plan says, minds what it hears, and comes back when its connection ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::link::{As, Link};
use super::position::Position;
use crate::storm::history::Step;
use crate::storm::outside::Outside;
use crate::storm::plan::acts::{Act, ClientPlan};
use crate::storm::plan::world::{APPS, channel_of_user, user};
use crate::storm::wire::{self, App};

/// How long a client waits for its greeting before it tries again, as pusher-js does.
const GREETING: Duration = Duration::from_secs(32);
/// How long it waits for an answer before it asks again.
const ANSWER: Duration = Duration::from_secs(55);
/// Pause before it asks again for what failed.
pub(super) const AGAIN: Duration = Duration::from_secs(1);
/// How long what it misses may be on its way when a function dies.
const RESUMING: Duration = Duration::from_secs(30);
/// How long a barrier waits for everything to be answered.
const BARRIER: Duration = Duration::from_secs(12);

/// What a client is told from outside.
pub(crate) enum Order {
    /// Nothing new begins.
    Calm,
    /// To say when all that was sent to it before has come.
    Barrier(oneshot::Sender<()>),
    /// To do something now.
    Do(Act),
    Leave(oneshot::Sender<()>),
}

/// How it is with a channel that a client wants.
pub(super) struct Want {
    /// As whom, on a presence channel.
    pub(super) user: Option<String>,
    pub(super) at: Instant,
    pub(super) state: State,
    pub(super) resumes: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Asked,
    On,
    /// To be asked for.
    Due,
}

/// A client at work.
pub(crate) struct Client {
    pub(super) plan: ClientPlan,
    pub(super) app: &'static App,
    pub(super) outside: Arc<Outside>,
    pub(super) random: fastrand::Rng,
    started: Instant,
    pub(super) link: Option<Link>,
    pub(super) socket_id: Option<String>,
    pub(super) has_token: bool,
    opened_at: Instant,
    back_at: Option<Instant>,
    pub(super) wants: BTreeMap<String, Want>,
    pub(super) left: BTreeSet<String>,
    pub(super) positions: BTreeMap<String, Position>,
    /// Whom it watches once it has signed in; whether that was answered.
    pub(super) signs_in: Option<(Vec<String>, State)>,
    barrier: Option<(oneshot::Sender<()>, Instant)>,
    ponged: bool,
}

impl Client {
    pub(crate) fn new(
        plan: ClientPlan,
        outside: &Arc<Outside>,
        seed: u64,
        started: Instant,
    ) -> Self {
        Self {
            app: &APPS[plan.app],
            outside: outside.clone(),
            random: fastrand::Rng::with_seed(seed ^ u64::from(plan.client)),
            started,
            link: None,
            socket_id: None,
            has_token: false,
            opened_at: started,
            back_at: Some(started + Duration::from_millis(plan.starts_at)),
            wants: BTreeMap::new(),
            left: BTreeSet::new(),
            positions: BTreeMap::new(),
            signs_in: None,
            barrier: None,
            ponged: false,
            plan,
        }
    }

    /// Lives until it is told to leave.
    pub(crate) async fn live(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut acts = std::mem::take(&mut self.plan.acts).into_iter().peekable();
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Calm) => {
                        acts = Vec::new().into_iter().peekable();
                        self.leave_again().await;
                    }
                    Some(Order::Barrier(reply)) => {
                        self.ponged = false;
                        self.barrier = Some((reply, Instant::now() + BARRIER));
                        self.ping().await;
                    }
                    Some(Order::Do(act)) => self.act(act).await,
                    Some(Order::Leave(reply)) => {
                        let politely = self.random.bool();
                        self.go(politely).await;
                        let _ = reply.send(());
                        return;
                    }
                    None => return,
                },
                step = hear(&mut self.link) => self.hears(step).await,
                _ = ticks.tick() => {
                    let elapsed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
                    while let Some((_, act)) = acts.next_if(|(at, _)| *at <= elapsed) {
                        self.act(act).await;
                    }
                    self.tend().await;
                }
            }
            self.answer_barrier();
        }
    }

    pub(super) fn is_greeted(&self) -> bool {
        self.link.is_some() && self.socket_id.is_some()
    }

    /// Sees to what is due: coming back, asking again.
    async fn tend(&mut self) {
        let now = Instant::now();
        if self.back_at.is_some_and(|at| at <= now) {
            self.back_at = None;
            self.open().await;
        }
        if self.link.is_some() && self.socket_id.is_none() && self.opened_at + GREETING < now {
            self.go(true).await;
            self.back_at = Some(now);
        }
        if !self.is_greeted() {
            return;
        }
        let due: Vec<String> = self
            .wants
            .iter()
            .filter(|(_, want)| match want.state {
                State::Asked => want.at + ANSWER < now,
                State::Due => want.at < now,
                State::On => false,
            })
            .map(|(channel, _)| channel.clone())
            .collect();
        for channel in due {
            self.ask(&channel).await;
        }
        if self
            .signs_in
            .as_ref()
            .is_some_and(|(_, state)| *state == State::Due)
        {
            self.sign_in().await;
        }
    }

    async fn open(&mut self) {
        let mut token = None;
        if self.plan.token {
            let granted = ["private-*", "presence-*"];
            token = self
                .outside
                .token(self.app, &user(self.plan.user), &granted)
                .await;
            if token.is_none() {
                self.back_at = Some(Instant::now() + AGAIN);
                return;
            }
        }
        self.has_token = token.is_some();
        self.socket_id = None;
        self.opened_at = Instant::now();
        let who = As {
            client: self.plan.client,
            app: self.app,
            key: self.app.key,
            token: token.as_deref(),
            may: true,
        };
        self.link = Some(Link::open(&self.outside, self.plan.transport, who).await);
    }

    /// Ends the connection.
    pub(super) async fn go(&mut self, politely: bool) {
        if let Some(link) = self.link.take() {
            link.leave(politely).await;
        }
        self.socket_id = None;
        self.left.clear();
    }

    /// Ends it, and comes back.
    pub(super) async fn go_for(&mut self, politely: bool, millis: u64) {
        self.go(politely).await;
        self.back_at = Some(Instant::now() + Duration::from_millis(millis));
    }

    async fn hears(&mut self, step: Step) {
        let now = Instant::now();
        match step {
            Step::Greeted { socket_id } => {
                self.socket_id = Some(socket_id);
                for want in self.wants.values_mut() {
                    (want.state, want.at) = (State::Due, now);
                }
                if let Some((_, state)) = &mut self.signs_in {
                    *state = State::Due;
                    self.sign_in().await;
                }
                self.tend().await;
            }
            Step::Acknowledged { channel, .. } => {
                if let Some(want) = self.wants.get_mut(bare(&channel)) {
                    want.state = State::On;
                }
            }
            Step::Refused { channel, status } => self.refused(bare(&channel), status),
            Step::Got {
                channel,
                serial: Some(serial),
                ..
            } => {
                let at = self.outside.recorder.now();
                self.positions
                    .entry(bare(&channel).to_owned())
                    .or_default()
                    .saw(serial, at);
            }
            Step::ResumeFailed { channel } => {
                self.positions.remove(bare(&channel));
            }
            Step::SignedIn { .. } => {
                if let Some((_, state)) = &mut self.signs_in {
                    *state = State::On;
                }
            }
            // What was asked for may or may not have happened.
            Step::Failed => {
                for want in self.wants.values_mut() {
                    let is_shown = want.resumes && want.at + RESUMING > now;
                    if want.state == State::Asked || is_shown {
                        (want.state, want.at) = (State::Due, now + AGAIN);
                    }
                }
                self.sign_in_again();
            }
            Step::Told { code: None } => self.sign_in_again(),
            Step::Ponged => self.ponged = true,
            Step::Closed { .. } => {
                if let Some(link) = self.link.take() {
                    // It has ended; nothing more is written down of it.
                    drop(link);
                }
                self.socket_id = None;
                self.left.clear();
                self.back_at = Some(now + Duration::from_millis(self.random.u64(200..1_500)));
            }
            _ => {}
        }
    }

    pub(super) async fn ping(&mut self) {
        if self.is_greeted()
            && let Some(link) = &mut self.link
        {
            link.say(Some(Step::Pings), &wire::ping()).await;
        }
    }

    /// That it has left, it says again when all is calm: a frame may have been lost, and has no answer.
    async fn leave_again(&mut self) {
        let left: Vec<String> = self.left.iter().cloned().collect();
        for channel in left {
            let step = Step::Unsubscribes {
                channel: self.app.name(&channel),
            };
            if let Some(link) = &mut self.link {
                link.say(Some(step), &wire::unsubscribe(&channel)).await;
            }
        }
    }

    fn answer_barrier(&mut self) {
        let Some((_, until)) = &self.barrier else {
            return;
        };
        let is_answered = self.ponged
            && self.is_greeted()
            && self.wants.values().all(|want| want.state == State::On);
        if (is_answered || *until < Instant::now())
            && let Some((reply, _)) = self.barrier.take()
        {
            let _ = reply.send(());
        }
    }

    /// The channel of the user that it is.
    pub(super) fn own_channel(&self) -> String {
        channel_of_user(self.plan.user)
    }
}

/// A channel's name without its app.
fn bare(channel: &str) -> &str {
    channel.split_once('/').map_or(channel, |(_, name)| name)
}

/// The next step that is heard, if there is a connection.
async fn hear(link: &mut Option<Link>) -> Step {
    match link {
        Some(link) => match link.heard.recv().await {
            Some(step) => step,
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}
