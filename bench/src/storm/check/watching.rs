//! What a client was last told of each user that it watches is so, once everything had its time.

use super::books::Books;
use super::violation::{About, Violation, seconds};
use crate::storm::history::NEVER;
use crate::storm::history::{Micros, SECOND, Step};

/// How long before something has to be so to be counted on.
const STEADY: Micros = 3 * SECOND;

pub(super) fn check(books: &Books<'_>) -> Vec<Violation> {
    let at = books.settled_at;
    if at == NEVER {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (&conn, connection) in &books.connections {
        if !connection.is_open_at(at.saturating_add(STEADY)) {
            continue;
        }
        for watched in watches(connection, at) {
            let Some(is_online) = is_online(books, watched, at) else {
                continue;
            };
            let last = connection
                .steps
                .iter()
                .rev()
                .find_map(|(when, step)| match step {
                    Step::Watched { online, offline } if *when <= at => {
                        let is_in = |list: &[String]| list.iter().any(|user| user == watched);
                        (is_in(online) || is_in(offline)).then(|| is_in(online))
                    }
                    _ => None,
                });
            if last != Some(is_online) {
                found.push(Violation {
                    rule: "watched",
                    about: About::connection(conn).and_user(watched),
                    expected: format!(
                        "connection {conn} was last told whether {watched} is online: {is_online}, at {}",
                        seconds(at)
                    ),
                    saw: format!("{last:?}"),
                    at,
                });
            }
        }
    }
    found
}

/// Whom a connection watches, by the last sign-in that was answered.
fn watches<'a>(connection: &super::connection::Connection<'a>, at: Micros) -> &'a [String] {
    let mut asked: Option<&'a [String]> = None;
    let mut settled: &'a [String] = &[];
    for &(when, step) in &connection.steps {
        match step {
            _ if when + STEADY > at => break,
            Step::SignsIn { watches, .. } => asked = Some(watches),
            Step::SignedIn { .. } => settled = asked.take().unwrap_or(settled),
            _ => {}
        }
    }
    // Of two that are under way it is not known which is the last.
    if asked.is_some() { &[] } else { settled }
}

/// Whether a user is signed in anywhere; `None` where that has just changed, or is not known.
fn is_online(books: &Books<'_>, user: &str, at: Micros) -> Option<bool> {
    let mut online = false;
    for connection in books.connections.values() {
        let signs_in = connection.steps.iter().find_map(|(when, step)| match step {
            Step::SignsIn { user: of, .. } if of == user => Some(*when),
            _ => None,
        });
        let signed_in = connection.steps.iter().find_map(|(when, step)| match step {
            Step::SignedIn { user: of } if of == user => Some(*when),
            _ => None,
        });
        let ended_at = connection.ended_at();
        match (signs_in, signed_in) {
            (None, _) => {}
            _ if ended_at.saturating_add(STEADY) < at => {}
            (_, Some(since)) if since + STEADY < at && ended_at > at.saturating_add(STEADY) => {
                online = true;
            }
            _ => return None,
        }
    }
    Some(online)
}
