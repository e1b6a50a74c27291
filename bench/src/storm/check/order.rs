//! Publishes that follow one another, the second asked for after the first was answered, are in the log and arrive in
//! that order.

use std::collections::BTreeSet;

use super::books::{Books, Publication};
use super::connection::Connection;
use super::violation::{About, Violation, seconds};
use crate::storm::history::NEVER;
use crate::storm::history::{Micros, Step, keeps_last};

/// Something that is in an order: an event, when it was asked for, and when it was answered.
#[derive(Clone, Copy)]
struct Placed {
    event: u32,
    begun_at: Micros,
    confirmed_at: Micros,
}

impl Placed {
    fn of(event: u32, publication: &Publication<'_>) -> Self {
        Self {
            event,
            begun_at: publication.begun_at(),
            confirmed_at: publication.confirmed_at().unwrap_or(NEVER),
        }
    }
}

pub(super) fn check(books: &Books<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (&channel, events) in &books.logs {
        let placed = events.iter().filter_map(|&(_, event)| {
            let publication = books.publications.get(&event)?;
            Some(Placed::of(event, publication))
        });
        if let Some((earlier, later)) = swapped(placed) {
            found.push(Violation {
                rule: "order-in-the-log",
                about: About::channel(channel)
                    .and_event(earlier.event)
                    .and_event(later.event),
                expected: expected(channel, earlier, later),
                saw: "the other way round in the log".to_owned(),
                at: later.begun_at,
            });
        }
    }
    for (&conn, connection) in &books.connections {
        for channel in channels_of(connection.got().map(|(_, channel, _, _)| channel)) {
            let wrong = runs(books, connection, channel)
                .into_iter()
                .find_map(|run| swapped(run.into_iter()));
            if let Some((earlier, later)) = wrong {
                found.push(Violation {
                    rule: "order",
                    about: About::channel(channel)
                        .and_connection(conn)
                        .and_event(earlier.event)
                        .and_event(later.event),
                    expected: expected(channel, earlier, later),
                    saw: format!("connection {conn} got them the other way round"),
                    at: later.begun_at,
                });
            }
        }
    }
    found
}

/// What a connection got of a channel for the first time, in order. Whoever asks for what came after a serial is
/// shown it after what it has seen since, so that another run begins there.
fn runs(books: &Books<'_>, connection: &Connection<'_>, channel: &str) -> Vec<Vec<Placed>> {
    let (mut seen, mut runs) = (BTreeSet::new(), vec![Vec::new()]);
    for &(at, step) in &connection.steps {
        match step {
            Step::Subscribes {
                channel: of,
                after: Some(_),
                ..
            } if of == channel => runs.push(Vec::new()),
            Step::Got {
                channel: of, event, ..
            } if of == channel && seen.insert(*event) => {
                let Some(publication) = books.publications.get(event) else {
                    continue;
                };
                let placed = Placed::of(*event, publication);
                // The last event of a channel that keeps it may be older than what is live by then.
                let is_kept = keeps_last(channel)
                    && connection.stays.iter().any(|stay| {
                        stay.channel == channel
                            && stay.acknowledged_at <= at
                            && placed.confirmed_at < stay.acknowledged_at
                    });
                if !is_kept && let Some(run) = runs.last_mut() {
                    run.push(placed);
                }
            }
            _ => {}
        }
    }
    runs
}

fn channels_of<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    names.collect()
}

/// The first two that came in the wrong order: what comes later was answered before what came earlier was asked for.
fn swapped(all: impl Iterator<Item = Placed>) -> Option<(Placed, Placed)> {
    let mut latest: Option<Placed> = None;
    for placed in all {
        if let Some(before) = latest.filter(|before| placed.confirmed_at < before.begun_at) {
            return Some((placed, before));
        }
        if latest.is_none_or(|before| before.begun_at < placed.begun_at) {
            latest = Some(placed);
        }
    }
    None
}

fn expected(channel: &str, earlier: Placed, later: Placed) -> String {
    format!(
        "event {} on {channel} was answered 200 at {}, and event {} asked for at {}: they keep that order",
        earlier.event,
        seconds(earlier.confirmed_at),
        later.event,
        seconds(later.begun_at),
    )
}
