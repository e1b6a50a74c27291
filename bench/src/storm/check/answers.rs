//! Whoever asks is answered: a greeting, a subscription, a sign-in, a ping. A refusal stands. Once no fault is in
//! force, nothing fails. No frame is one that no client understands.

use super::books::Books;
use super::connection::Connection;
use super::violation::{About, Violation, seconds};
use crate::storm::history::NEVER;
use crate::storm::history::{Micros, SECOND, Step};

/// How long an answer may take: a holder that died is replaced after its lease and a run of the reaper.
const PATIENCE: Micros = 45 * SECOND;
/// The same for a greeting.
const GREETING: Micros = 30 * SECOND;
/// How long before a frame a fault may have come that loses it.
const NEARBY: Micros = SECOND / 5;
/// How long a request whose key is in use may be refused for that, once no fault is in force.
const UNDER_WAY: Micros = 40 * SECOND;
/// How long what was held up may still fail.
const RECOVERING: Micros = 10 * SECOND;

pub(super) fn check(books: &Books<'_>) -> Vec<Violation> {
    let mut found = failed(books);
    for (&conn, connection) in &books.connections {
        found.extend(
            connection
                .steps
                .iter()
                .enumerate()
                .filter_map(|(n, &(at, step))| of_step(books, conn, connection, n, at, step)),
        );
        let answered = connection.steps.iter().any(|(_, step)| {
            matches!(
                step,
                Step::Greeted { .. } | Step::Told { .. } | Step::Failed
            )
        });
        let since = connection.opened_at;
        if !answered && is_over(books, connection, since, GREETING) {
            found.push(Violation {
                rule: "not-greeted",
                about: About::connection(conn),
                expected: format!(
                    "connection {conn} opened at {} and is greeted",
                    seconds(since)
                ),
                saw: "nothing".to_owned(),
                at: since,
            });
        }
    }
    found
}

/// What is wrong with one step of a connection.
fn of_step(
    books: &Books<'_>,
    conn: u32,
    connection: &Connection<'_>,
    n: usize,
    at: Micros,
    step: &Step,
) -> Option<Violation> {
    let later = || connection.steps.iter().skip(n + 1).map(|(_, step)| *step);
    let answered = match step {
        Step::Subscribes { channel, .. } => later().any(|step| match step {
            Step::Acknowledged { channel: of, .. }
            | Step::Refused { channel: of, .. }
            | Step::Unsubscribes { channel: of } => of == channel,
            Step::Failed => true,
            _ => false,
        }),
        Step::SignsIn { .. } => later().any(|step| {
            matches!(
                step,
                Step::SignedIn { .. } | Step::Told { .. } | Step::Failed
            )
        }),
        Step::Pings => {
            later().any(|step| matches!(step, Step::Ponged | Step::Failed | Step::Told { .. }))
        }
        Step::Strange { text } => {
            return Some(Violation {
                rule: "strange",
                about: About::connection(conn),
                expected: "each frame is one that a client understands".to_owned(),
                saw: text.clone(),
                at,
            });
        }
        Step::Acknowledged { channel, .. } => {
            return stands(conn, connection, n, at, channel);
        }
        _ => true,
    };
    let lost = books.met(at.saturating_sub(NEARBY), at + NEARBY, |kind| {
        kind == "frames"
    });
    if answered || lost || !is_over(books, connection, at, PATIENCE) {
        return None;
    }
    Some(Violation {
        rule: "unanswered",
        about: match step {
            Step::Subscribes { channel, .. } => About::channel(channel).and_connection(conn),
            _ => About::connection(conn),
        },
        expected: format!("connection {conn} is answered within {}", seconds(PATIENCE)),
        saw: format!("no answer to {step:?}"),
        at,
    })
}

/// Whether it was there for so long after a time.
fn is_over(books: &Books<'_>, connection: &Connection<'_>, at: Micros, patience: Micros) -> bool {
    let end = books.settled_at.min(connection.ended_at());
    let end = if end == NEVER {
        connection.steps.last().map_or(0, |(at, _)| *at)
    } else {
        end
    };
    end > at.saturating_add(patience)
}

/// Nobody who was refused is acknowledged later.
fn stands(
    conn: u32,
    connection: &Connection<'_>,
    n: usize,
    at: Micros,
    channel: &str,
) -> Option<Violation> {
    let (mut asked, mut refused) = (0, None);
    for &(when, step) in connection.steps.iter().take(n) {
        match step {
            Step::Subscribes { channel: of, .. } if of == channel => asked += 1,
            Step::Refused {
                channel: of,
                status,
            } if of == channel => {
                asked = if asked > 0 { asked - 1 } else { 0 };
                // What failed on the other side may have happened.
                refused = (asked == 0 && *status < 500).then_some(when);
            }
            Step::Acknowledged { channel: of, .. } if of == channel => (asked, refused) = (0, None),
            _ => {}
        }
    }
    let refused_at = refused.filter(|_| asked == 0)?;
    Some(Violation {
        rule: "refused-then-acknowledged",
        about: About::channel(channel).and_connection(conn),
        expected: format!(
            "connection {conn} was refused on {channel} at {} and has not asked again",
            seconds(refused_at)
        ),
        saw: "an acknowledgement".to_owned(),
        at,
    })
}

/// Requests that failed although no fault was in force.
fn failed(books: &Books<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (&event, publication) in &books.publications {
        for attempt in &publication.attempts {
            let Some((_, status)) = attempt.answered else {
                continue;
            };
            let calm_for = attempt.begun_at.saturating_sub(books.calm_at);
            let is_wrong = match status {
                409 => calm_for > UNDER_WAY,
                0 | 500.. => calm_for > RECOVERING,
                _ => false,
            };
            if attempt.begun_at > books.calm_at && is_wrong {
                found.push(Violation {
                    rule: "failed-in-the-calm",
                    about: About::default().and_event(event),
                    expected: format!(
                        "event {event} is published, asked for long after the last fault"
                    ),
                    saw: format!("status {status}"),
                    at: attempt.begun_at,
                });
            }
        }
    }
    found
}
