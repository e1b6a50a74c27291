//! Whoever subscribes behind the last serial that it has is shown what was published since, or told that it cannot
//! be: on the connection that asks for it, and over all connections of a client that comes back again and again.

use std::collections::BTreeMap;

use super::books::{Books, Publication};
use super::connection::Connection;
use super::delivery::{arrives_by, is_left_out, until_text, was_closed};
use super::stays::Stay;
use super::violation::{About, Violation, seconds};
use crate::storm::history::NEVER;
use crate::storm::history::{Micros, SECOND, Step};

/// How long it may take until everything is shown that was missed.
const SHOWING: Micros = 12 * SECOND;

pub(super) fn check(books: &Books<'_>) -> Vec<Violation> {
    let mut found = behind_a_serial(books);
    found.extend(over_connections(books));
    found
}

/// What each stay that began behind a serial must have been shown.
fn behind_a_serial(books: &Books<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (&event, publication) in &books.publications {
        let Some(confirmed_at) = publication.confirmed_at() else {
            continue;
        };
        for channel in publication.channels {
            // What was logged twice, another rule is about.
            let &[serial] = books.serials(channel, event) else {
                continue;
            };
            for (&conn, connection) in &books.connections {
                let begun_behind = connection
                    .stays
                    .iter()
                    .filter(|stay| stay.channel == channel);
                for stay in begun_behind {
                    let Some(after) = stay.after.filter(|&after| serial > after) else {
                        continue;
                    };
                    let shown_by = stay.acknowledged_at.saturating_add(SHOWING);
                    let until = arrives_by(books, channel, confirmed_at).max(shown_by);
                    let shown = stay.until < until
                        || is_left_out(publication, connection)
                        || connection.has(channel, event, stay.asked_at)
                        || was_closed(connection, stay.asked_at)
                        || connection.was_told(channel, stay.asked_at);
                    if !shown {
                        found.push(Violation {
                            rule: "not-resumed",
                            about: About::channel(channel).and_connection(conn).and_event(event),
                            expected: format!(
                                "connection {conn} subscribed to {channel} behind serial {after} at {} and was \
                                 acknowledged at {}; event {event} has serial {serial}, so it is shown, or the \
                                 connection told that it cannot be",
                                seconds(stay.asked_at),
                                seconds(stay.acknowledged_at),
                            ),
                            saw: "nothing of it".to_owned(),
                            at: stay.asked_at,
                        });
                    }
                }
            }
        }
    }
    found
}

/// How long a client waits for a serial that is missing before it says to have what came after it: what takes longer
/// to be published it may miss.
const GAP: Micros = 5 * SECOND;

/// A client's stays on a channel, each but the first behind what it had before.
struct Chain<'b, 'a> {
    client: u32,
    channel: &'a str,
    links: Vec<(u32, &'b Connection<'a>, &'b Stay<'a>)>,
}

impl Chain<'_, '_> {
    fn begins_at(&self) -> Micros {
        self.links
            .first()
            .map_or(NEVER, |(_, _, stay)| stay.acknowledged_at)
    }

    fn ends_at(&self) -> Micros {
        self.links.last().map_or(0, |(_, _, stay)| stay.until)
    }

    /// Whether its client has an event, on whichever connection, or knows that it may have missed it.
    fn has(&self, books: &Books<'_>, event: u32, publication: &Publication<'_>) -> bool {
        let begun_at = publication.begun_at();
        let mut own = books
            .connections
            .values()
            .filter(|of| of.client == self.client);
        let last = self.links.last();
        own.any(|connection| {
            is_left_out(publication, connection)
                || connection.has(self.channel, event, begun_at)
                || connection.was_told(self.channel, begun_at)
        }) || last.is_some_and(|(_, connection, _)| was_closed(connection, begun_at))
    }
}

/// What a client must have got that came back behind what it had, however often.
fn over_connections(books: &Books<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for chain in chains(books) {
        for (&event, publication) in &books.publications {
            let of_channel = publication
                .channels
                .iter()
                .any(|name| name == chain.channel);
            let (begun_at, Some(confirmed_at)) =
                (publication.begun_at(), publication.confirmed_at())
            else {
                continue;
            };
            let last_shown_by = chain.links.last().map_or(NEVER, |(_, _, stay)| {
                stay.acknowledged_at.saturating_add(SHOWING)
            });
            let until = arrives_by(books, chain.channel, confirmed_at).max(last_shown_by);
            let within = chain.begins_at() <= begun_at
                && until <= chain.ends_at()
                && confirmed_at <= begun_at.saturating_add(GAP);
            if of_channel && within && !chain.has(books, event, publication) {
                let connections: Vec<u32> = chain.links.iter().map(|(conn, _, _)| *conn).collect();
                let about = About::channel(chain.channel).and_event(event);
                let about = connections
                    .iter()
                    .fold(about, |about, &conn| about.and_connection(conn));
                found.push(Violation {
                    rule: "lost-while-away",
                    about,
                    expected: format!(
                        "client {} was on {} from {} to {} and came back behind what it had each time (connections \
                         {connections:?}); event {event} was asked for at {} and answered 200 at {}, so it has it",
                        chain.client,
                        chain.channel,
                        seconds(chain.begins_at()),
                        until_text(chain.ends_at()),
                        seconds(begun_at),
                        seconds(confirmed_at),
                    ),
                    saw: "nothing of it on any connection".to_owned(),
                    at: begun_at,
                });
            }
        }
    }
    found
}

/// All chains of more than one link.
fn chains<'b, 'a>(books: &'b Books<'a>) -> Vec<Chain<'b, 'a>> {
    let mut stays: Vec<(u32, u32, &Connection<'a>, &Stay<'a>)> = Vec::new();
    for (&conn, connection) in &books.connections {
        let own = connection.stays.iter();
        stays.extend(own.map(|stay| (connection.client, conn, connection, stay)));
    }
    stays.sort_by_key(|(_, _, _, stay)| stay.acknowledged_at);
    let mut open: BTreeMap<(u32, &str), Chain<'b, 'a>> = BTreeMap::new();
    let mut all = Vec::new();
    for (client, conn, connection, stay) in stays {
        let key = (client, stay.channel);
        // Whoever left a channel by its own will begins anew, and so does whoever asked for it without a serial.
        let goes_on = open.get(&key).is_some_and(|chain| {
            let before = chain.links.last();
            let follows = before.is_some_and(|&(_, of, before)| {
                !left(of, before) && !began_anew(books, key, before.asked_at, stay.asked_at)
            });
            stay.after.is_some() && follows
        });
        let link = (conn, connection, stay);
        if goes_on && let Some(chain) = open.get_mut(&key) {
            chain.links.push(link);
            continue;
        }
        let begun = Chain {
            client,
            channel: stay.channel,
            links: vec![link],
        };
        all.extend(open.insert(key, begun));
    }
    all.extend(open.into_values());
    all.retain(|chain| chain.links.len() > 1);
    all
}

/// Whether a client asked for a channel without a serial, between two times.
fn began_anew(books: &Books<'_>, (client, channel): (u32, &str), from: Micros, to: Micros) -> bool {
    let own = books.connections.values().filter(|of| of.client == client);
    let mut steps = own.flat_map(|connection| &connection.steps);
    steps.any(|(at, step)| {
        let anew =
            matches!(step, Step::Subscribes { channel: of, after: None, .. } if of == channel);
        anew && *at > from && *at < to
    })
}

/// Whether a stay ended because its client did not want it any longer, or was refused.
fn left(connection: &Connection<'_>, stay: &Stay<'_>) -> bool {
    stay.until < connection.ended_at() && {
        let mut later = connection.stays.iter();
        !later.any(|other| other.channel == stay.channel && other.asked_at == stay.until)
    }
}
