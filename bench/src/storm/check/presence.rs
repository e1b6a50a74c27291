//! Rosters at clients, what `GET …/users` shows and the truth are one, once everything had its time.

use std::collections::BTreeSet;

use super::books::Books;
use super::connection::Connection;
use super::violation::{About, Violation, seconds};
use crate::storm::history::{Micros, SECOND, Shown, Step};

/// How long before it is asked something has to be so to be counted on.
const STEADY: Micros = 3 * SECOND;

/// Who is on a channel for sure, and who may be, between two times.
pub(super) struct Bounds<T> {
    pub(super) surely: T,
    pub(super) perhaps: T,
}

/// The users on a presence channel.
fn users<'a>(
    books: &Books<'a>,
    channel: &str,
    since: Micros,
    at: Micros,
) -> Bounds<BTreeSet<&'a str>> {
    let (mut surely, mut perhaps) = (BTreeSet::new(), BTreeSet::new());
    for connection in books.connections.values() {
        for stay in connection
            .stays
            .iter()
            .filter(|stay| stay.channel == channel)
        {
            let Some(user) = stay.user else { continue };
            if stay.acknowledged_at + STEADY <= since && stay.until > at.saturating_add(STEADY) {
                surely.insert(user);
            }
            if stay.asked_at <= at && stay.until.saturating_add(STEADY) >= since {
                perhaps.insert(user);
            }
        }
        perhaps.extend(asking(connection, channel, at));
    }
    Bounds { surely, perhaps }
}

/// As whom a connection that is there has ever asked for a channel and was not answered.
fn asking<'a>(connection: &Connection<'a>, channel: &str, at: Micros) -> Option<&'a str> {
    if !connection.is_open_at(at) {
        return None;
    }
    let last = connection.steps.iter().rev().find(|(when, step)| {
        *when <= at
            && matches!(
                step,
                Step::Subscribes { channel: of, .. }
                    | Step::Unsubscribes { channel: of }
                    | Step::Acknowledged { channel: of, .. }
                    | Step::Refused { channel: of, .. } if of == channel
            )
    });
    match last {
        Some((
            _,
            Step::Subscribes {
                user, may: true, ..
            },
        )) => user.as_deref(),
        _ => None,
    }
}

pub(super) fn check(books: &Books<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for shown in books
        .shown
        .iter()
        .filter(|shown| shown.since >= books.settled_at)
    {
        let Shown::Users {
            channel,
            users: listed,
        } = shown.what
        else {
            continue;
        };
        let listed: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
        let truth = users(books, channel, shown.since, shown.at);
        found.extend(compared(
            &listed,
            &truth,
            shown.at,
            About::channel(channel),
            || format!("`/users` of {channel}"),
        ));
        if listed.len() > books.facts.members_max {
            found.push(Violation {
                rule: "too-many-members",
                about: About::channel(channel),
                expected: format!("at most {} users on {channel}", books.facts.members_max),
                saw: format!("{listed:?}"),
                at: shown.at,
            });
        }
        for (conn, connection, stay) in books.on(channel, shown.at) {
            if stay.acknowledged_at + STEADY > shown.since || stay.until <= shown.at + STEADY {
                continue;
            }
            let view = view(connection, channel, shown.at);
            let about = About::channel(channel).and_connection(conn);
            found.extend(compared(&view, &truth, shown.at, about, || {
                format!("the roster of {channel} at connection {conn}")
            }));
        }
    }
    for (&conn, connection) in &books.connections {
        found.extend(without_itself(conn, connection));
    }
    found
}

/// What a list should have and has not, and the other way round.
fn compared(
    seen: &BTreeSet<&str>,
    truth: &Bounds<BTreeSet<&str>>,
    at: Micros,
    about: About,
    whose: impl Fn() -> String,
) -> Option<Violation> {
    let ghost = seen.difference(&truth.perhaps).next();
    let missing = truth.surely.difference(seen).next();
    let (rule, user, what) = match (ghost, missing) {
        (Some(ghost), _) => ("ghost", *ghost, "which names nobody who is not there"),
        (None, Some(missing)) => (
            "not-on-the-roster",
            *missing,
            "which names everybody who is there",
        ),
        (None, None) => return None,
    };
    Some(Violation {
        rule,
        about: about.and_user(user),
        expected: format!(
            "{} at {}, {what}: {:?}, and perhaps of {:?}",
            whose(),
            seconds(at),
            truth.surely,
            truth.perhaps
        ),
        saw: format!("{seen:?}"),
        at,
    })
}

/// Who is on a channel as a client knows it, by what it heard.
fn view<'a>(connection: &Connection<'a>, channel: &str, at: Micros) -> BTreeSet<&'a str> {
    let mut view = BTreeSet::new();
    for &(when, step) in &connection.steps {
        match step {
            _ if when > at => break,
            Step::Acknowledged {
                channel: of,
                roster: Some(roster),
            } if of == channel => view = roster.iter().map(String::as_str).collect(),
            Step::Added { channel: of, user } if of == channel => {
                view.insert(user.as_str());
            }
            Step::Removed { channel: of, user } if of == channel => {
                view.remove(user.as_str());
            }
            _ => {}
        }
    }
    view
}

/// Whoever is acknowledged on a presence channel, and has not left it, finds itself on the list.
fn without_itself(conn: u32, connection: &Connection<'_>) -> Option<Violation> {
    let steps = connection.steps.iter().enumerate();
    steps
        .filter_map(|(n, &(at, step))| match step {
            Step::Acknowledged {
                channel,
                roster: Some(roster),
            } => Some((n, at, channel, roster)),
            _ => None,
        })
        .find_map(|(n, at, channel, roster)| {
            let mut asked: Vec<&str> = Vec::new();
            for (_, step) in &connection.steps[..n] {
                match step {
                    Step::Subscribes {
                        channel: of, user, ..
                    } if of == channel => asked.extend(user.as_deref()),
                    Step::Unsubscribes { channel: of } if of == channel => asked.clear(),
                    _ => {}
                }
            }
            let is_there = asked.iter().any(|user| roster.iter().any(|there| there == user));
            (!is_there && !asked.is_empty()).then(|| Violation {
                rule: "not-on-the-roster",
                about: About::channel(channel).and_connection(conn),
                expected: format!(
                    "connection {conn}, acknowledged on {channel} as one of {asked:?}, is on the list"
                ),
                saw: format!("{roster:?}"),
                at,
            })
        })
}
