//! Nobody sees what is not theirs: on a connection, only what is said on the channels that it rightly asked for; of
//! a request that was refused, nothing.

use std::collections::BTreeMap;

use super::books::Books;
use super::connection::Connection;
use super::delivery::is_left_out;
use super::violation::{About, Violation, seconds};
use crate::storm::history::{Micros, SECOND, Step};

/// How long what was posted before may still come to somebody who has left.
const LEAVING: Micros = 5 * SECOND;

pub(super) fn check(books: &Books<'_>) -> Vec<Violation> {
    let said = said(books);
    let mut found = Vec::new();
    for (&conn, connection) in &books.connections {
        let mut wrong = |at, channel: &str, event: Option<u32>, expected: &str, saw: String| {
            let about = About::channel(channel).and_connection(conn);
            let about = event.into_iter().fold(about, About::and_event);
            found.push(Violation {
                rule: "without-rights",
                about,
                expected: format!("connection {conn}: {expected}"),
                saw: format!("{saw} at {}", seconds(at)),
                at,
            });
        };
        if !connection.may && connection.socket_id.is_some() {
            let expected = "it may not connect, and is refused";
            wrong(
                connection.opened_at,
                "",
                None,
                expected,
                "a greeting".to_owned(),
            );
        }
        for &(at, step) in &connection.steps {
            let Some(channel) = about_channel(step) else {
                if matches!(step, Step::SignedIn { user } if !asked_to_be(connection, user, at)) {
                    let expected = "it may sign in as nobody but whom its server has signed for";
                    wrong(at, "", None, expected, format!("{step:?}"));
                }
                continue;
            };
            if !asked_rightly(connection, channel, at) {
                let expected = format!("it has no right to {channel}");
                wrong(at, channel, None, &expected, format!("{step:?}"));
                continue;
            }
            let Step::Got { event, serial, .. } = step else {
                continue;
            };
            let problem = match serial {
                Some(_) => published(books, connection, channel, *event, at),
                None => match said.get(&(channel, *event)) {
                    None => Some("nobody said that there"),
                    Some((sender, _)) if *sender == conn => Some("it said so itself"),
                    Some(_) => None,
                },
            };
            if let Some(problem) = problem {
                wrong(
                    at,
                    channel,
                    Some(*event),
                    problem,
                    format!("event {event} of {channel}"),
                );
            }
        }
    }
    found
}

/// What is wrong with a server's event that came to a connection.
fn published(
    books: &Books<'_>,
    connection: &Connection<'_>,
    channel: &str,
    event: u32,
    at: Micros,
) -> Option<&'static str> {
    let Some(publication) = books.publications.get(&event) else {
        return Some("nobody published that");
    };
    let begun_at = publication.begun_at();
    let to_it = publication.channels.iter().any(|name| name == channel);
    if !to_it || begun_at > at {
        return Some("that was not published there by then");
    }
    if publication.is_refused() {
        return Some("the request was refused, so nothing was published");
    }
    // It may read it back: what it is left out of is what comes by itself.
    let comes_by_itself = connection
        .stays
        .iter()
        .any(|stay| stay.channel == channel && stay.acknowledged_at <= begun_at && at < stay.until);
    if is_left_out(publication, connection) && comes_by_itself {
        return Some("it is left out");
    }
    // Once all is calm nothing is slow, and who has left has left.
    if begun_at >= books.settled_at && has_left(connection, channel, begun_at) {
        return Some("it has left the channel long before");
    }
    None
}

/// Whether it has left a channel long before, and not asked for it since.
fn has_left(connection: &Connection<'_>, channel: &str, at: Micros) -> bool {
    let of_channel = connection.steps.iter().rev().find(|(when, step)| {
        *when < at
            && matches!(step, Step::Subscribes { channel: of, .. } | Step::Unsubscribes { channel: of } if of == channel)
    });
    of_channel.is_some_and(|(when, step)| {
        when + LEAVING < at && matches!(step, Step::Unsubscribes { .. })
    })
}

/// The channel that something heard is about.
fn about_channel(step: &Step) -> Option<&str> {
    match step {
        Step::Acknowledged { channel, .. }
        | Step::Got { channel, .. }
        | Step::Added { channel, .. }
        | Step::Removed { channel, .. }
        | Step::Counted { channel, .. }
        | Step::CacheMiss { channel }
        | Step::ResumeFailed { channel } => Some(channel),
        _ => None,
    }
}

/// Whether it asked for a channel, with every right to it, before a time.
fn asked_rightly(connection: &Connection<'_>, channel: &str, before: Micros) -> bool {
    connection.steps.iter().any(|(at, step)| {
        *at <= before
            && matches!(step, Step::Subscribes { channel: of, may: true, .. } if of == channel)
    })
}

fn asked_to_be(connection: &Connection<'_>, user: &str, before: Micros) -> bool {
    connection.steps.iter().any(|(at, step)| {
        *at <= before && matches!(step, Step::SignsIn { user: of, may: true, .. } if of == user)
    })
}

/// What clients said where: who did, and when.
fn said<'a>(books: &Books<'a>) -> BTreeMap<(&'a str, u32), (u32, Micros)> {
    let mut said = BTreeMap::new();
    for (&conn, connection) in &books.connections {
        for &(at, step) in &connection.steps {
            if let Step::Says { channel, event } = step {
                said.insert((channel.as_str(), *event), (conn, at));
            }
        }
    }
    said
}
