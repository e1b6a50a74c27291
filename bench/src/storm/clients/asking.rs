//! What a client asks for, and asks for again: channels and signing in.

use serde_json::Value;
use tokio::time::Instant;

use super::client::{AGAIN, Client, State, Want};
use crate::storm::history::Step;
use crate::storm::plan::world::{needs_auth, user};
use crate::storm::wire::{Auth, Wanted};

impl Client {
    pub(super) fn refused(&mut self, channel: &str, status: u16) {
        let Some(want) = self.wants.get_mut(channel) else {
            return;
        };
        // That it may not, it asked for rightly: whoever is told so asks again.
        if status >= 500 || status == 401 {
            (want.state, want.at) = (State::Due, Instant::now() + AGAIN);
        } else {
            self.wants.remove(channel);
        }
    }

    pub(super) fn sign_in_again(&mut self) {
        if let Some((_, state)) = &mut self.signs_in
            && *state == State::Asked
        {
            *state = State::Due;
        }
    }

    /// Wants a channel from now on, whenever it is connected.
    pub(super) async fn want(&mut self, channel: String, user: Option<String>) {
        let want = Want {
            user,
            at: Instant::now(),
            state: State::Due,
            resumes: false,
        };
        self.left.remove(&channel);
        self.wants.insert(channel.clone(), want);
        if self.is_greeted() {
            self.ask(&channel).await;
        }
    }

    /// Asks for a channel that it wants.
    pub(super) async fn ask(&mut self, channel: &str) {
        let Some((step, frame)) = self.subscription(channel) else {
            return;
        };
        if let Some(link) = &mut self.link {
            link.say(Some(step), &frame).await;
        }
    }

    /// What it says to join a channel that it wants, as if it were said now.
    pub(super) fn subscription(&mut self, channel: &str) -> Option<(Step, Value)> {
        let (socket_id, app) = (self.socket_id.as_deref()?, self.app);
        let want = self.wants.get_mut(channel)?;
        (want.state, want.at) = (State::Asked, Instant::now());
        let now = self.outside.recorder.now();
        let position = self.positions.get_mut(channel);
        let after = position.and_then(|position| position.after(self.plan.resumes, now));
        want.resumes = after.is_some();
        let own = user(self.plan.user);
        let by_token = self.has_token && want.user.as_ref().is_none_or(|user| *user == own);
        let auth = if needs_auth(channel) && !by_token {
            Auth::Good
        } else {
            Auth::None
        };
        let user = want.user.clone();
        let said = if by_token { None } else { user.as_deref() };
        let frame = app.subscribe(
            socket_id,
            &Wanted {
                channel,
                user: said,
                after,
                auth,
            },
        );
        let step = Step::Subscribes {
            channel: app.name(channel),
            after,
            user: user.map(|user| app.name(&user)),
            may: true,
        };
        Some((step, frame))
    }

    pub(super) async fn sign_in(&mut self) {
        let (Some(socket_id), Some((watches, state))) = (&self.socket_id, &mut self.signs_in)
        else {
            return;
        };
        *state = State::Asked;
        let id = user(self.plan.user);
        let frame = self.app.sign_in(socket_id, &id, watches, true);
        let watched = if self.plan.app == 0 {
            watches.clone()
        } else {
            Vec::new()
        };
        let step = Step::SignsIn {
            user: self.app.name(&id),
            watches: watched.iter().map(|user| self.app.name(user)).collect(),
            may: true,
        };
        if let Some(link) = &mut self.link {
            link.say(Some(step), &frame).await;
        }
    }
}
