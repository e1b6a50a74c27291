//! When the account is throttled nobody is closed for it. Whoever is to be ended is ended.

use super::books::Books;
use super::violation::{About, Violation, seconds};
use crate::storm::history::{Micros, SECOND, Step};

/// The code of a connection that the system closes.
const BY_THE_SYSTEM: u16 = 1000;
/// How far back the cause of a closing may lie.
const CAUSE: Micros = 10 * SECOND;
/// How long it may take until a user's connections have ended that a server had ended.
const ENDING: Micros = 20 * SECOND;

pub(super) fn check(books: &Books<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (&conn, connection) in &books.connections {
        let Some((at, BY_THE_SYSTEM)) = connection.closed else {
            continue;
        };
        let since = at.saturating_sub(CAUSE);
        let throttled = books.met(since, at, |kind| kind == "throttle-all");
        let otherwise = books.met(since, at, |kind| kind != "throttle-all");
        let was_told = connection
            .steps
            .iter()
            .any(|(_, step)| matches!(step, Step::Told { code: Some(_) }));
        if throttled && !otherwise && !was_told {
            found.push(Violation {
                rule: "closed-for-a-throttled-account",
                about: About::connection(conn),
                expected: format!("connection {conn} stays open while the account is throttled"),
                saw: format!("closed with 1000 at {}", seconds(at)),
                at,
            });
        }
    }
    for ended in &books.ended_users {
        let Some((answered_at, 200)) = ended.answered else {
            continue;
        };
        for (&conn, connection) in &books.connections {
            let was_signed_in = connection.user_at(ended.begun_at) == Some(ended.user);
            let by = answered_at + ENDING;
            let is_over = connection.steps.last().is_some_and(|(last, _)| *last > by);
            if was_signed_in && is_over && connection.is_open_at(by) {
                found.push(Violation {
                    rule: "not-ended",
                    about: About::connection(conn).and_user(ended.user),
                    expected: format!(
                        "the connections of {} are ended, answered 200 at {}",
                        ended.user,
                        seconds(answered_at)
                    ),
                    saw: format!("connection {conn} is still open at {}", seconds(by)),
                    at: answered_at,
                });
            }
        }
    }
    found
}
