//! The checker of histories. It knows what is promised (docs/reliability.md), and nothing of how it is kept: its
//! input is what clients, servers and whoever looks from outside have written down.
//!
//! | module | what it holds against a history |
//! | --- | --- |
//! | [`delivery`] | what was answered 200 reached everybody, or they know that it did not |
//! | [`resuming`] | whoever comes back behind a serial misses nothing |
//! | [`twice`] | nothing comes twice, and a key is good for one event |
//! | [`order`] | what follows one another arrives so |
//! | [`rights`] | nobody sees what is not theirs |
//! | [`reading`] | polls and streams see the log, all of it and nothing else |
//! | [`answers`] | whoever asks is answered, and a refusal stands |
//! | [`presence`] | rosters at clients, lists and the truth are one |
//! | [`counting`] | so are counts, and the list of channels |
//! | [`watching`] | and who is online |
//! | [`hooks`] | what webhooks say is what happened |
//! | [`closing`] | nobody is closed because the account is throttled; whoever is to be ended is |
//! | [`leftovers`] | no row stays that belongs to nobody; no action costs more than it may; no secret is logged |
//!
//! [`books`] sorts a history for them by what it is about, one [`connection`] for each; [`stays`] says who was where.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a rule looks at the steps that it is about, whatever others there are"
)]

mod answers;
mod books;
mod closing;
mod connection;
mod counting;
mod delivery;
mod hooks;
mod leftovers;
mod order;
mod presence;
mod reading;
mod resuming;
mod rights;
mod stays;
mod twice;
mod watching;

#[cfg(test)]
mod broken;
#[cfg(test)]
mod injected;
#[cfg(test)]
mod model;

use std::collections::BTreeSet;

use self::books::Books;
use super::history::{Entry, Micros};

/// Something that should not be so.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Violation {
    /// The rule's name.
    pub(crate) rule: &'static str,
    /// What it is about.
    pub(crate) about: About,
    pub(crate) expected: String,
    pub(crate) saw: String,
    /// When it happened, more or less.
    pub(crate) at: Micros,
}

/// What a violation is about: what has to be kept to see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) connections: BTreeSet<u32>,
    pub(crate) events: BTreeSet<u32>,
    pub(crate) readers: BTreeSet<u32>,
    pub(crate) channel: Option<String>,
    pub(crate) user: Option<String>,
    /// An action, a row or a secret.
    pub(crate) thing: Option<String>,
}

impl About {
    fn channel(name: &str) -> Self {
        Self {
            channel: Some(name.to_owned()),
            ..Self::default()
        }
    }

    fn connection(conn: u32) -> Self {
        Self::default().and_connection(conn)
    }

    fn and_connection(mut self, conn: u32) -> Self {
        self.connections.insert(conn);
        self
    }

    fn and_event(mut self, event: u32) -> Self {
        self.events.insert(event);
        self
    }

    fn and_reader(mut self, reader: u32) -> Self {
        self.readers.insert(reader);
        self
    }

    fn thing(name: &str) -> Self {
        Self {
            thing: Some(name.to_owned()),
            ..Self::default()
        }
    }

    fn and_user(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }
}

/// Everything in a history that should not be so.
pub(crate) fn check(history: &[Entry]) -> Vec<Violation> {
    let books = Books::of(history);
    let rules: [fn(&Books<'_>) -> Vec<Violation>; 13] = [
        delivery::check,
        resuming::check,
        twice::check,
        order::check,
        rights::check,
        reading::check,
        answers::check,
        presence::check,
        counting::check,
        watching::check,
        hooks::check,
        closing::check,
        leftovers::check,
    ];
    rules.iter().flat_map(|rule| rule(&books)).collect()
}

/// A time as it is printed.
pub(crate) fn seconds(at: Micros) -> String {
    format!("{}.{:03} s", at / 1_000_000, at / 1_000 % 1_000)
}
