//! Something that is wrong with a history.

use std::collections::BTreeSet;

use crate::storm::history::Micros;

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
    pub(super) fn channel(name: &str) -> Self {
        Self {
            channel: Some(name.to_owned()),
            ..Self::default()
        }
    }

    pub(super) fn connection(conn: u32) -> Self {
        Self::default().and_connection(conn)
    }

    pub(super) fn and_connection(mut self, conn: u32) -> Self {
        self.connections.insert(conn);
        self
    }

    pub(super) fn and_event(mut self, event: u32) -> Self {
        self.events.insert(event);
        self
    }

    pub(super) fn and_reader(mut self, reader: u32) -> Self {
        self.readers.insert(reader);
        self
    }

    pub(super) fn thing(name: &str) -> Self {
        Self {
            thing: Some(name.to_owned()),
            ..Self::default()
        }
    }

    pub(super) fn and_user(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }
}

/// A time as it is printed.
pub(crate) fn seconds(at: Micros) -> String {
    format!("{}.{:03} s", at / 1_000_000, at / 1_000 % 1_000)
}
