//! Counts are never too low, and right once everything had its time: as the HTTP API shows them, as subscribers are
//! told of them, and in the list of channels that somebody is on.

use std::collections::BTreeSet;

use super::books::Books;
use super::connection::Connection;
use super::presence::Bounds;
use super::violation::{About, Violation, seconds};
use crate::storm::history::{Micros, SECOND, Shown, Step, app_of, is_presence};

/// How long before it is asked something has to be so to be counted on.
const STEADY: Micros = 3 * SECOND;

/// How many connections are on a channel between two times.
fn subscribers(books: &Books<'_>, channel: &str, since: Micros, at: Micros) -> Bounds<u64> {
    let (mut surely, mut perhaps) = (0, 0);
    for connection in books.connections.values() {
        let of_channel = || {
            connection
                .stays
                .iter()
                .filter(|stay| stay.channel == channel)
        };
        let is_sure = of_channel().any(|stay| {
            stay.acknowledged_at + STEADY <= since && stay.until > at.saturating_add(STEADY)
        });
        let may_be = of_channel()
            .any(|stay| stay.asked_at <= at && stay.until.saturating_add(STEADY) >= since);
        surely += u64::from(is_sure);
        perhaps += u64::from(may_be || is_in_doubt(connection, channel, at));
    }
    Bounds { surely, perhaps }
}

/// Whether a connection that is there asked for a channel and does not know what came of it.
fn is_in_doubt(connection: &Connection<'_>, channel: &str, at: Micros) -> bool {
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
    connection.is_open_at(at)
        && matches!(
            last,
            Some((
                _,
                Step::Subscribes { may: true, .. } | Step::Refused { status: 500.., .. }
            ))
        )
}

pub(super) fn check(books: &Books<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for shown in &books.shown {
        let is_settled = shown.since >= books.settled_at;
        match shown.what {
            Shown::Count { channel, count } => {
                let truth = subscribers(books, channel, shown.since, shown.at);
                let is_wrong = *count < truth.surely || (is_settled && *count > truth.perhaps);
                if is_wrong {
                    found.push(Violation {
                        rule: if *count < truth.surely {
                            "count-too-low"
                        } else {
                            "count-too-high"
                        },
                        about: About::channel(channel),
                        expected: format!(
                            "the count of {channel} at {}: {} to {}",
                            seconds(shown.at),
                            truth.surely,
                            truth.perhaps
                        ),
                        saw: count.to_string(),
                        at: shown.at,
                    });
                }
                if is_settled {
                    found.extend(told(books, channel, shown.since, shown.at));
                }
            }
            Shown::Occupied { app, channels } => {
                found.extend(listed(
                    books,
                    app,
                    channels,
                    shown.since,
                    shown.at,
                    is_settled,
                ));
            }
            Shown::Users { .. } | Shown::Log { .. } => {}
        }
    }
    found
}

/// What the list of channels lacks, or has too much.
fn listed(
    books: &Books<'_>,
    app: &str,
    channels: &[String],
    since: Micros,
    at: Micros,
    is_settled: bool,
) -> Vec<Violation> {
    let mut known: BTreeSet<&str> = channels.iter().map(String::as_str).collect();
    for connection in books.connections.values() {
        let of_app = connection
            .stays
            .iter()
            .filter(|stay| app_of(stay.channel) == app);
        known.extend(of_app.map(|stay| stay.channel));
    }
    let mut found = Vec::new();
    for channel in known {
        let truth = subscribers(books, channel, since, at);
        let is_listed = channels.iter().any(|name| name == channel);
        let (rule, expected) = match (is_listed, truth.surely, truth.perhaps) {
            (false, 1.., _) => ("not-listed", "somebody is on it, so it is listed"),
            (true, _, 0) if is_settled => ("listed", "nobody is on it, so it is not listed"),
            _ => continue,
        };
        found.push(Violation {
            rule,
            about: About::channel(channel),
            expected: format!("{channel} at {}: {expected}", seconds(at)),
            saw: format!("{channels:?}"),
            at,
        });
    }
    found
}

/// What the subscribers of a channel were told last of how many they are.
fn told(books: &Books<'_>, channel: &str, since: Micros, at: Micros) -> Option<Violation> {
    if app_of(channel) != books.facts.featured || is_presence(channel) || channel.contains('#') {
        return None;
    }
    let truth = subscribers(books, channel, since, at);
    books.on(channel, at).find_map(|(conn, connection, stay)| {
        if stay.acknowledged_at + STEADY > since || stay.until <= at + STEADY {
            return None;
        }
        let last = connection
            .steps
            .iter()
            .rev()
            .find_map(|(when, step)| match step {
                Step::Counted { channel: of, count } if *when <= at && of == channel => {
                    Some(*count)
                }
                _ => None,
            });
        let is_right = last.is_some_and(|count| (truth.surely..=truth.perhaps).contains(&count));
        (!is_right).then(|| Violation {
            rule: "told-a-wrong-count",
            about: About::channel(channel).and_connection(conn),
            expected: format!(
                "connection {conn} was last told that {} to {} are on {channel}",
                truth.surely, truth.perhaps
            ),
            saw: format!("{last:?}"),
            at,
        })
    })
}
