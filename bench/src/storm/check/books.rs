//! A history, sorted by what it is about: what every rule looks into.

use std::collections::BTreeMap;

use super::connection::Connection;
use super::stays::Stay;
use crate::storm::history::{
    Cost, Entry, Facts, From, Hook, Micros, NEVER, Part, Publish, Reading, Row, Shown, Step, What,
};

/// All of a history.
pub(super) struct Books<'a> {
    pub(super) facts: Facts,
    pub(super) connections: BTreeMap<u32, Connection<'a>>,
    pub(super) publications: BTreeMap<u32, Publication<'a>>,
    pub(super) readers: BTreeMap<u32, Reader<'a>>,
    pub(super) ended_users: Vec<EndedUser<'a>>,
    pub(super) shown: Vec<ShownAt<'a>>,
    /// What was last shown of each channel's log, and each event's serial in it.
    pub(super) logs: BTreeMap<&'a str, &'a [(u64, u32)]>,
    /// With when each came.
    pub(super) hooks: Vec<(Micros, &'a Hook)>,
    /// With when each was seen.
    pub(super) rows: Vec<(Micros, &'a Row)>,
    pub(super) costs: Vec<&'a Cost>,
    pub(super) leaks: Vec<(&'a str, &'a str)>,
    /// The kinds of faults in force from a time on.
    pub(super) faults: Vec<(Micros, &'a [String])>,
    pub(super) calm_at: Micros,
    pub(super) settled_at: Micros,
    pub(super) leaving_at: Micros,
    serials: Serials<'a>,
}

/// The serials of each channel's events.
type Serials<'a> = BTreeMap<&'a str, BTreeMap<u32, Vec<u64>>>;

/// An event that was published, however often it was asked for.
pub(super) struct Publication<'a> {
    pub(super) channels: &'a [String],
    pub(super) keyed: bool,
    pub(super) leaves_out: Option<&'a str>,
    pub(super) attempts: Vec<Attempt>,
}

/// A request to publish it.
pub(super) struct Attempt {
    call: u32,
    pub(super) begun_at: Micros,
    /// When, and with which status; 0 is none.
    pub(super) answered: Option<(Micros, u16)>,
}

impl Publication<'_> {
    /// When it was first asked for.
    pub(super) fn begun_at(&self) -> Micros {
        self.attempts
            .iter()
            .map(|one| one.begun_at)
            .min()
            .unwrap_or(NEVER)
    }

    /// When it was first answered 200, if ever.
    pub(super) fn confirmed_at(&self) -> Option<Micros> {
        let answers = self.attempts.iter().filter_map(|one| one.answered);
        answers
            .filter(|&(_, status)| status == 200)
            .map(|(at, _)| at)
            .min()
    }

    /// Whether it was refused, and so changed nothing.
    pub(super) fn is_refused(&self) -> bool {
        self.attempts.iter().all(|one| {
            one.answered
                .is_some_and(|(_, status)| (400..500).contains(&status) && status != 409)
        })
    }
}

/// A poll or a stream.
pub(super) struct Reader<'a> {
    pub(super) channels: &'a [(String, From)],
    pub(super) may: bool,
    pub(super) steps: Vec<(Micros, &'a Reading)>,
}

/// A user whose connections a server had ended.
pub(super) struct EndedUser<'a> {
    call: u32,
    pub(super) user: &'a str,
    pub(super) begun_at: Micros,
    pub(super) answered: Option<(Micros, u16)>,
}

/// What the HTTP API showed.
pub(super) struct ShownAt<'a> {
    pub(super) since: Micros,
    pub(super) at: Micros,
    pub(super) what: &'a Shown,
}

impl<'a> Books<'a> {
    /// Sorts a history.
    pub(super) fn of(history: &'a [Entry]) -> Self {
        let mut books = Self {
            facts: Facts {
                inline_max: usize::MAX,
                per_shard: usize::MAX,
                members_max: usize::MAX,
                featured: String::new(),
            },
            connections: BTreeMap::new(),
            publications: BTreeMap::new(),
            readers: BTreeMap::new(),
            ended_users: Vec::new(),
            shown: Vec::new(),
            logs: BTreeMap::new(),
            hooks: Vec::new(),
            rows: Vec::new(),
            costs: Vec::new(),
            leaks: Vec::new(),
            faults: Vec::new(),
            calm_at: NEVER,
            settled_at: NEVER,
            leaving_at: NEVER,
            serials: BTreeMap::new(),
        };
        for entry in history {
            books.enter(entry.at, &entry.what);
        }
        for connection in books.connections.values_mut() {
            connection.finish();
        }
        books.number();
        books
    }

    fn enter(&mut self, at: Micros, what: &'a What) {
        match what {
            What::Facts(facts) => self.facts = facts.clone(),
            What::Faults { kinds, .. } => self.faults.push((at, kinds)),
            What::Begins(Part::Calm) => self.calm_at = at,
            What::Begins(Part::Settled) => self.settled_at = at,
            What::Begins(Part::Leaving) => self.leaving_at = at,
            What::Begins(Part::Over) => {}
            What::Connection { conn, step } => self.connection(at, *conn, step),
            What::Publishes(publish) => self.publishes(at, publish),
            What::Answered { call, status } => self.answered(at, *call, *status),
            What::Terminates { call, user } => self.ended_users.push(EndedUser {
                call: *call,
                user,
                begun_at: at,
                answered: None,
            }),
            What::Shown { since, shown } => {
                if let Shown::Log { channel, events } = shown {
                    self.logs.insert(channel, events);
                }
                self.shown.push(ShownAt {
                    since: *since,
                    at,
                    what: shown,
                });
            }
            What::Reader { reader, step } => self.reader(at, *reader, step),
            What::Hook(hook) => self.hooks.push((at, hook)),
            What::Row(row) => self.rows.push((at, row)),
            What::Cost(cost) => self.costs.push(cost),
            What::Leaked { line, secret } => self.leaks.push((line, secret)),
        }
    }

    fn connection(&mut self, at: Micros, conn: u32, step: &'a Step) {
        if let Step::Opens { client, may, .. } = step {
            let opened = Connection::opened(*client, *may, at);
            self.connections.insert(conn, opened);
        }
        // A history that was made shorter may lack its beginning.
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.note(at, step);
        }
    }

    fn publishes(&mut self, at: Micros, publish: &'a Publish) {
        let first = || Publication {
            channels: &publish.channels,
            keyed: publish.keyed,
            leaves_out: publish.leaves_out.as_deref(),
            attempts: Vec::new(),
        };
        let publication = self.publications.entry(publish.event).or_insert_with(first);
        publication.attempts.push(Attempt {
            call: publish.call,
            begun_at: at,
            answered: None,
        });
    }

    /// Several events may have been asked for at once, and so share a call.
    fn answered(&mut self, at: Micros, call: u32, status: u16) {
        for publication in self.publications.values_mut() {
            for attempt in &mut publication.attempts {
                if attempt.call == call {
                    attempt.answered = Some((at, status));
                }
            }
        }
        for ended in &mut self.ended_users {
            if ended.call == call {
                ended.answered = Some((at, status));
            }
        }
    }

    fn reader(&mut self, at: Micros, reader: u32, step: &'a Reading) {
        if let Reading::Begins { channels, may } = step {
            let begun = Reader {
                channels,
                may: *may,
                steps: Vec::new(),
            };
            self.readers.insert(reader, begun);
        }
        if let Some(reader) = self.readers.get_mut(&reader) {
            reader.steps.push((at, step));
        }
    }

    /// Notes under which serials each event was seen anywhere.
    fn number(&mut self) {
        let mut serials: Serials<'a> = BTreeMap::new();
        let mut seen = |channel: &'a str, event: u32, serial: u64| {
            let known = serials
                .entry(channel)
                .or_default()
                .entry(event)
                .or_default();
            if !known.contains(&serial) {
                known.push(serial);
            }
        };
        for (&channel, events) in &self.logs {
            for &(serial, event) in *events {
                seen(channel, event, serial);
            }
        }
        for connection in self.connections.values() {
            for (_, channel, event, serial) in connection.got() {
                if let Some(serial) = serial {
                    seen(channel, event, serial);
                }
            }
        }
        for reader in self.readers.values() {
            for &(_, step) in &reader.steps {
                if let Reading::Read {
                    channel,
                    event,
                    serial,
                } = step
                {
                    seen(channel, *event, *serial);
                }
            }
        }
        self.serials = serials;
    }

    /// The serials under which an event of a channel was seen anywhere.
    pub(super) fn serials(&self, channel: &str, event: u32) -> &[u64] {
        let known = self
            .serials
            .get(channel)
            .and_then(|events| events.get(&event));
        known.map_or(&[], Vec::as_slice)
    }

    /// Whether what is published on a channel may have gone through the queue.
    pub(super) fn may_queue(&self, channel: &str) -> bool {
        let ever = self.connections.values().filter(|connection| {
            let mut steps = connection.steps.iter();
            steps.any(
                |(_, step)| matches!(step, Step::Subscribes { channel: of, .. } if of == channel),
            )
        });
        ever.count() > self.facts.inline_max
    }

    /// Whether a kind of faults was in force at some time between two.
    pub(super) fn met(&self, from: Micros, to: Micros, is: impl Fn(&str) -> bool) -> bool {
        self.faults.iter().enumerate().any(|(n, (began, kinds))| {
            let ended = self.faults.get(n + 1).map_or(NEVER, |(at, _)| *at);
            *began <= to && ended >= from && kinds.iter().any(|kind| is(kind))
        })
    }

    /// The stays on a channel that last over a time, with their connections.
    pub(super) fn on(
        &self,
        channel: &str,
        at: Micros,
    ) -> impl Iterator<Item = (u32, &Connection<'a>, &Stay<'a>)> {
        self.connections
            .iter()
            .flat_map(move |(&conn, connection)| {
                let of_channel = move |stay: &&Stay<'a>| stay.channel == channel;
                let stays = connection.stays_at(at).filter(of_channel);
                stays.map(move |stay| (conn, connection, stay))
            })
    }
}
