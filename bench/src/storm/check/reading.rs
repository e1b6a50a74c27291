//! Polls and streams see the log: from where they began to where they are, all of it, in its order, once, and nothing
//! else. What was answered 200 is in the log.

use std::collections::BTreeMap;

use super::books::{Books, Reader};
use super::violation::{About, Violation, seconds};
use crate::storm::history::NEVER;
use crate::storm::history::{From, Micros, Reading};

pub(super) fn check(books: &Books<'_>) -> Vec<Violation> {
    let mut found = not_logged(books);
    for (&number, reader) in &books.readers {
        if !reader.may {
            let seen = reader.steps.iter().find(|(_, step)| {
                matches!(
                    step,
                    Reading::Let | Reading::Read { .. } | Reading::UpToDate
                )
            });
            if let Some(&(at, step)) = seen {
                found.push(Violation {
                    rule: "read-without-rights",
                    about: About::default().and_reader(number),
                    expected: format!(
                        "reader {number} has no right to what it asks for, and is refused"
                    ),
                    saw: format!("{step:?}"),
                    at,
                });
            }
            continue;
        }
        for (channel, from) in reader.channels {
            if let Some(log) = books.logs.get(channel.as_str()) {
                found.extend(on_channel(books, number, reader, channel, *from, log));
            }
        }
    }
    found
}

/// Events that were answered 200 and are in no log.
fn not_logged(books: &Books<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    // When each log was last shown: what was answered later is not held against it.
    let shown: BTreeMap<&str, Micros> = books
        .shown
        .iter()
        .filter_map(|shown| match shown.what {
            crate::storm::history::Shown::Log { channel, .. } => {
                Some((channel.as_str(), shown.since))
            }
            _ => None,
        })
        .collect();
    for (&event, publication) in &books.publications {
        let Some(confirmed_at) = publication.confirmed_at() else {
            continue;
        };
        for channel in publication.channels {
            let (Some(log), Some(&since)) = (
                books.logs.get(channel.as_str()),
                shown.get(channel.as_str()),
            ) else {
                continue;
            };
            let logged = log.iter().any(|&(_, of)| of == event);
            if !logged && confirmed_at < since {
                found.push(Violation {
                    rule: "not-logged",
                    about: About::channel(channel).and_event(event),
                    expected: format!(
                        "event {event} on {channel} was answered 200 at {}, so it is in the log",
                        seconds(confirmed_at)
                    ),
                    saw: "the log without it".to_owned(),
                    at: confirmed_at,
                });
            }
        }
    }
    found
}

/// What one reader saw of one channel, against the log.
fn on_channel(
    books: &Books<'_>,
    number: u32,
    reader: &Reader<'_>,
    channel: &str,
    from: From,
    log: &[(u64, u32)],
) -> Option<Violation> {
    let wrong = |rule, at, event: Option<u32>, expected: String, saw: String| {
        let about = About::channel(channel).and_reader(number);
        Some(Violation {
            rule,
            about: event.into_iter().fold(about, About::and_event),
            expected,
            saw,
            at,
        })
    };
    let let_at = at_first(reader, |step| matches!(step, Reading::Let));
    // What it must have seen: all behind a serial, or all that was asked for once it was let in.
    let is_due = |serial: u64, event: u32, behind: Option<u64>| match behind {
        Some(behind) => serial > behind,
        None => books
            .publications
            .get(&event)
            .is_some_and(|one| one.begun_at() >= let_at && one.confirmed_at().is_some()),
    };
    let mut behind = match from {
        From::After(serial) => Some(serial),
        From::Now => None,
    };
    let mut truncated = false;
    for &(at, step) in &reader.steps {
        match step {
            Reading::Truncated { channel: of } if of == channel => truncated = true,
            Reading::Read {
                channel: of,
                event,
                serial,
            } if of == channel => {
                if !log.contains(&(*serial, *event)) {
                    let expected = format!("reader {number} sees what is in the log of {channel}");
                    let saw = format!("event {event} with serial {serial}, which is not");
                    return wrong("not-in-the-log", at, Some(*event), expected, saw);
                }
                if behind.is_some_and(|behind| *serial <= behind) {
                    let expected = format!(
                        "reader {number} sees each event of {channel} once, and in order; it is behind {behind:?}"
                    );
                    let saw = format!("event {event} with serial {serial}");
                    return wrong("read-twice", at, Some(*event), expected, saw);
                }
                let skipped = log
                    .iter()
                    .find(|&&(other, missed)| other < *serial && is_due(other, missed, behind));
                if let Some(&(other, missed)) = skipped.filter(|_| !truncated) {
                    let expected = format!(
                        "reader {number}, behind {behind:?} on {channel}, sees event {missed} with serial {other} \
                         before event {event} with serial {serial}"
                    );
                    return wrong("skipped", at, Some(missed), expected, "not that".to_owned());
                }
                truncated = false;
                behind = Some(*serial);
            }
            Reading::UpToDate => {
                let published_by = |event: &u32| {
                    let publication = books.publications.get(event);
                    publication
                        .and_then(super::books::Publication::confirmed_at)
                        .unwrap_or(NEVER)
                        < at
                };
                let missed = log
                    .iter()
                    .find(|(serial, event)| published_by(event) && is_due(*serial, *event, behind));
                if let Some((serial, event)) = missed.filter(|_| !truncated) {
                    let expected = format!(
                        "reader {number} has read {channel} to its end, so it has event {event} with serial {serial}"
                    );
                    let saw = format!("it is behind {behind:?}, let in at {}", seconds(let_at));
                    return wrong("unread", at, Some(*event), expected, saw);
                }
            }
            _ => {}
        }
    }
    None
}

/// When a reader first saw such a step.
fn at_first(reader: &Reader<'_>, is: impl Fn(&Reading) -> bool) -> Micros {
    let first = reader.steps.iter().find(|(_, step)| is(step));
    first.map_or(NEVER, |(at, _)| *at)
}
