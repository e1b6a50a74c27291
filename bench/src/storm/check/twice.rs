//! Nothing comes twice but where it may: a key's retry, a worker of the queue and a client that resumes may show an
//! event again, under its serial; a cache channel shows its last one to whoever comes. A request that is made once, or
//! under a key, is one event with one serial.

use std::collections::{BTreeMap, HashMap};

use super::books::Books;
use super::connection::Connection;
use super::violation::{About, Violation, seconds};
use crate::storm::history::{Step, keeps_last};

pub(super) fn check(books: &Books<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (&conn, connection) in &books.connections {
        let mut seen: HashMap<(&str, u32), Option<u64>> = HashMap::new();
        for (at, channel, event, serial) in connection.got() {
            let Some(first) = seen.insert((channel, event), serial) else {
                continue;
            };
            if !(first == serial && may_repeat(books, connection, channel, event)) {
                found.push(Violation {
                    rule: "twice",
                    about: About::channel(channel)
                        .and_connection(conn)
                        .and_event(event),
                    expected: format!("connection {conn} gets event {event} of {channel} once"),
                    saw: format!(
                        "once more at {}, serials {first:?} and {serial:?}",
                        seconds(at)
                    ),
                    at,
                });
            }
        }
    }
    found.extend(serials(books));
    found
}

/// Whether it is documented that an event may come to a connection again.
fn may_repeat(books: &Books<'_>, connection: &Connection<'_>, channel: &str, event: u32) -> bool {
    let attempts = books
        .publications
        .get(&event)
        .map_or(0, |one| one.attempts.len());
    let subscribed = |is: fn(Option<u64>) -> bool| {
        let mut steps = connection.steps.iter();
        steps.any(|(_, step)| {
            matches!(step, Step::Subscribes { channel: of, after, .. } if of == channel && is(*after))
        })
    };
    attempts > 1
        || books.may_queue(channel)
        || subscribed(|after| after.is_some())
        || (keeps_last(channel) && attempts > 0)
}

/// That each event has one serial, and each serial one event.
fn serials(books: &Books<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut events: BTreeMap<(&str, u64), u32> = BTreeMap::new();
    for (&event, publication) in &books.publications {
        for channel in publication.channels {
            let serials = books.serials(channel, event);
            // A request without a key that is made again may happen twice.
            let once = publication.keyed || publication.attempts.len() == 1;
            if serials.len() > 1 && once {
                found.push(Violation {
                    rule: "published-twice",
                    about: About::channel(channel).and_event(event),
                    expected: format!(
                        "event {event} is published on {channel} once, under one serial"
                    ),
                    saw: format!("serials {serials:?}"),
                    at: publication.begun_at(),
                });
            }
            for &serial in serials {
                let Some(other) = events.insert((channel, serial), event) else {
                    continue;
                };
                if other != event {
                    found.push(Violation {
                        rule: "one-serial-for-two",
                        about: About::channel(channel).and_event(event).and_event(other),
                        expected: format!("each event of {channel} has a serial of its own"),
                        saw: format!("events {other} and {event} have serial {serial}"),
                        at: publication.begun_at(),
                    });
                }
            }
        }
    }
    found
}
