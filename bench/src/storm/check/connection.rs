//! A connection of a client, as what it said and heard shows it.

use std::collections::HashMap;

use super::stays::{self, Stay};
use crate::storm::history::NEVER;
use crate::storm::history::{Micros, Step};

/// A connection of a client.
pub(super) struct Connection<'a> {
    pub(super) client: u32,
    pub(super) may: bool,
    pub(super) opened_at: Micros,
    pub(super) socket_id: Option<&'a str>,
    /// When it closed by itself.
    pub(super) left_at: Micros,
    /// When the other end closed it, and with which code.
    pub(super) closed: Option<(Micros, u16)>,
    pub(super) steps: Vec<(Micros, &'a Step)>,
    pub(super) stays: Vec<Stay<'a>>,
    /// When it got which event of which channel.
    received: HashMap<(&'a str, u32), Vec<Micros>>,
}

impl<'a> Connection<'a> {
    /// One that is opened.
    pub(super) fn opened(client: u32, may: bool, at: Micros) -> Self {
        Self {
            client,
            may,
            opened_at: at,
            socket_id: None,
            left_at: NEVER,
            closed: None,
            steps: Vec::new(),
            stays: Vec::new(),
            received: HashMap::new(),
        }
    }

    /// Notes a step.
    pub(super) fn note(&mut self, at: Micros, step: &'a Step) {
        match step {
            Step::Greeted { socket_id } => self.socket_id = Some(socket_id),
            Step::Leaves => self.left_at = self.left_at.min(at),
            Step::Closed { code } => {
                self.closed.get_or_insert((at, *code));
            }
            _ => {}
        }
        self.steps.push((at, step));
    }

    /// Once all steps are noted: sees where it was, and what it got.
    pub(super) fn finish(&mut self) {
        self.stays = stays::of(&self.steps);
        let mut received: HashMap<(&'a str, u32), Vec<Micros>> = HashMap::new();
        for (at, channel, event, _) in self.got() {
            received.entry((channel, event)).or_default().push(at);
        }
        self.received = received;
    }

    /// When it ended, whoever ended it.
    pub(super) fn ended_at(&self) -> Micros {
        let closed_at = self.closed.map_or(NEVER, |(at, _)| at);
        self.left_at.min(closed_at)
    }

    /// Whether it was there at a time.
    pub(super) fn is_open_at(&self, at: Micros) -> bool {
        self.opened_at <= at && at < self.ended_at()
    }

    /// The events that it got: when, on which channel, which, and under which serial.
    pub(super) fn got(&self) -> impl Iterator<Item = (Micros, &'a str, u32, Option<u64>)> + '_ {
        self.steps.iter().filter_map(|&(at, step)| match step {
            Step::Got {
                channel,
                event,
                serial,
            } => Some((at, channel.as_str(), *event, *serial)),
            _ => None,
        })
    }

    /// Whether it got an event of a channel at a time or later.
    pub(super) fn has(&self, channel: &str, event: u32, since: Micros) -> bool {
        let received = self.received.get(&(channel, event));
        received.is_some_and(|times| times.iter().any(|&at| at >= since))
    }

    /// Whether it was told at a time or later that it missed something of a channel.
    pub(super) fn was_told(&self, channel: &str, since: Micros) -> bool {
        self.steps.iter().any(|&(at, step)| {
            at >= since && matches!(step, Step::ResumeFailed { channel: of } if of == channel)
        })
    }

    /// The user that it was signed in as at a time.
    pub(super) fn user_at(&self, at: Micros) -> Option<&'a str> {
        let signed_in = self
            .steps
            .iter()
            .rev()
            .find_map(|&(when, step)| match step {
                Step::SignedIn { user } if when <= at => Some(user.as_str()),
                _ => None,
            });
        signed_in.filter(|_| self.is_open_at(at))
    }

    /// The stays that last over a time.
    pub(super) fn stays_at(&self, at: Micros) -> impl Iterator<Item = &Stay<'a>> {
        let over = move |stay: &&Stay<'a>| stay.acknowledged_at <= at && at < stay.until;
        self.stays.iter().filter(over)
    }
}
