//! A published event that was answered 200 reached everybody who was acknowledged before it was asked for, and had
//! not left before it was answered; or that client was closed, or told that it missed something.

use super::books::{Books, Publication};
use super::connection::Connection;
use super::violation::{About, Violation, seconds};
use crate::storm::history::{Micros, SECOND, Step};

/// How long a frame that was posted may be on its way to a client that leaves.
pub(super) const ON_ITS_WAY: Micros = 3 * SECOND;
/// How long what is in the queue may be on its way. "Up to 500 get a publication twice, a minute later."
const IN_THE_QUEUE: Micros = 90 * SECOND;

/// Until when a stay has to last for an event to reach it that was answered at a time.
pub(super) fn arrives_by(books: &Books<'_>, channel: &str, confirmed_at: Micros) -> Micros {
    let wait = if books.may_queue(channel) {
        IN_THE_QUEUE
    } else {
        ON_ITS_WAY
    };
    let later = confirmed_at.saturating_add(wait);
    // Once everything had its time, nothing is on its way.
    if confirmed_at < books.settled_at {
        later.min(books.settled_at)
    } else {
        later.min(books.leaving_at)
    }
}

/// Whether a client knows, by being closed, that it may have missed something that began at a time. A connection that
/// breaks, or ends for its age, is no such sign: that comes to everybody, whatever was lost before.
pub(super) fn was_closed(connection: &Connection<'_>, since: Micros) -> bool {
    connection
        .closed
        .is_some_and(|(at, code)| at >= since && ![1001, 1005, 1006].contains(&code))
}

/// Whether it is the one that was left out.
pub(super) fn is_left_out(publication: &Publication<'_>, connection: &Connection<'_>) -> bool {
    publication.leaves_out.is_some() && publication.leaves_out == connection.socket_id
}

pub(super) fn check(books: &Books<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (&event, publication) in &books.publications {
        let (begun_at, Some(confirmed_at)) = (publication.begun_at(), publication.confirmed_at())
        else {
            continue;
        };
        for channel in publication.channels {
            let until = arrives_by(books, channel, confirmed_at);
            for (conn, connection, stay) in books.on(channel, begun_at) {
                let reached = stay.until < until
                    || is_left_out(publication, connection)
                    || connection.has(channel, event, begun_at)
                    || was_closed(connection, begun_at)
                    || connection.was_told(channel, begun_at);
                if !reached {
                    found.push(Violation {
                        rule: "lost",
                        about: About::channel(channel).and_connection(conn).and_event(event),
                        expected: format!(
                            "event {event} on {channel} was asked for at {} and answered 200 at {}; connection \
                             {conn} was acknowledged at {} and on it until {}, so it gets the event, or is closed, \
                             or told that it missed something",
                            seconds(begun_at),
                            seconds(confirmed_at),
                            seconds(stay.acknowledged_at),
                            until_text(stay.until),
                        ),
                        saw: "nothing of it".to_owned(),
                        at: begun_at,
                    });
                }
            }
        }
    }
    found.extend(said(books));
    found
}

/// What a client says to the others is not acknowledged, so that it counts only once all is calm.
fn said(books: &Books<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (&conn, connection) in &books.connections {
        for &(at, step) in &connection.steps {
            let Step::Says { channel, event } = step else {
                continue;
            };
            let refused =
                |&(later, step): &(Micros, &Step)| later >= at && matches!(step, Step::Told { .. });
            let speaks = connection.stays.iter().any(|stay| {
                stay.channel == channel && stay.acknowledged_at + ON_ITS_WAY < at && stay.until > at
            });
            if at < books.settled_at || !speaks || connection.steps.iter().any(refused) {
                continue;
            }
            let until = at.saturating_add(ON_ITS_WAY).min(books.leaving_at);
            for (other, listener, stay) in books.on(channel, at) {
                if other != conn && stay.until >= until && !listener.has(channel, *event, at) {
                    found.push(Violation {
                        rule: "not-heard",
                        about: About::channel(channel).and_connection(conn).and_connection(other).and_event(*event),
                        expected: format!(
                            "connection {conn} said event {event} on {channel} at {}, and connection {other} hears it",
                            seconds(at)
                        ),
                        saw: "nothing of it".to_owned(),
                        at,
                    });
                }
            }
        }
    }
    found
}

/// An end as it is printed.
pub(super) fn until_text(until: Micros) -> String {
    if until == crate::storm::history::NEVER {
        "the end".to_owned()
    } else {
        seconds(until)
    }
}
