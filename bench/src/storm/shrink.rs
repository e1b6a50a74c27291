//! Of a history in which something is wrong, the shortest that can be found in which the same is wrong.
//!
//! Entries are left out, not changed, and what is left is held against the same rules: whatever is not needed to see
//! what is wrong goes. First all that is about others; then halves, quarters and so on, down to single entries.

use super::check::checker::check;
use super::check::violation::{About, Violation};
use super::history::{Entry, Reading, Shown, Step, What};

/// Entries that are looked into, in all histories together, before what was found by then is good enough.
const ENTRIES_MAX: usize = 3_000_000;

/// The shortest history with the same violation, or all of it where nothing can go.
pub(crate) fn shortest(history: &[Entry], violation: &Violation) -> Vec<Entry> {
    let is_same = |entries: &[Entry]| {
        let mut found = check(entries).into_iter();
        found.any(|other| other.rule == violation.rule && other.about == violation.about)
    };
    let mut looked_into = 0;
    let mut is_so = |entries: &[Entry]| {
        looked_into += entries.len();
        looked_into <= ENTRIES_MAX && is_same(entries)
    };
    let mut kept: Vec<Entry> = history.to_vec();
    let near: Vec<Entry> = history
        .iter()
        .filter(|entry| is_near(&violation.about, &entry.what))
        .cloned()
        .collect();
    if near.len() < kept.len() && is_so(&near) {
        kept = near;
    }
    let mut size = kept.len().div_ceil(2);
    while size > 0 {
        let mut from = 0;
        let mut removed = false;
        while from < kept.len() {
            let to = (from + size).min(kept.len());
            let without: Vec<Entry> = kept[..from].iter().chain(&kept[to..]).cloned().collect();
            if is_so(&without) {
                kept = without;
                removed = true;
            } else {
                from = to;
            }
        }
        size = match (size, removed) {
            // As long as a single one could go, another one may.
            (1, true) => 1,
            (1, false) => 0,
            (more, _) => more.div_ceil(2).min(more - 1),
        };
    }
    kept
}

/// Whether an entry may have to do with what a violation is about.
fn is_near(about: &About, what: &What) -> bool {
    let of_channel = |name: &str| {
        about
            .channel
            .as_deref()
            .is_none_or(|channel| channel == name)
    };
    match what {
        What::Facts(_) | What::Begins(_) | What::Row(_) | What::Cost(_) | What::Leaked { .. } => {
            true
        }
        // They explain it, and are printed beside it.
        What::Faults { .. } => about.channel.is_none(),
        What::Connection { conn, step } => {
            about.connections.contains(conn)
                || channel_of(step).is_some_and(|name| about.channel.is_some() && of_channel(name))
                || (about.channel.is_some()
                    && about.connections.is_empty()
                    && matches!(
                        step,
                        Step::Opens { .. } | Step::Leaves | Step::Closed { .. }
                    ))
        }
        What::Publishes(publish) => {
            about.events.contains(&publish.event)
                || publish.channels.iter().any(|name| of_channel(name))
        }
        What::Answered { .. } => !about.events.is_empty() || about.user.is_some(),
        What::Terminates { .. } => about.user.is_some(),
        What::Shown { shown, .. } => match shown {
            Shown::Occupied { .. } => true,
            Shown::Count { channel, .. }
            | Shown::Users { channel, .. }
            | Shown::Log { channel, .. } => of_channel(channel),
        },
        What::Reader { reader, step } => {
            about.readers.contains(reader)
                || matches!(step, Reading::Read { channel, .. } if about.readers.is_empty() && of_channel(channel))
        }
        What::Hook(hook) => of_channel(&hook.channel),
    }
}

fn channel_of(step: &Step) -> Option<&str> {
    match step {
        Step::Subscribes { channel, .. }
        | Step::Unsubscribes { channel }
        | Step::Says { channel, .. }
        | Step::Acknowledged { channel, .. }
        | Step::Refused { channel, .. }
        | Step::Got { channel, .. }
        | Step::Added { channel, .. }
        | Step::Removed { channel, .. }
        | Step::Counted { channel, .. }
        | Step::CacheMiss { channel }
        | Step::ResumeFailed { channel } => Some(channel),
        Step::Opens { .. }
        | Step::SignsIn { .. }
        | Step::Pings
        | Step::Leaves
        | Step::Greeted { .. }
        | Step::SignedIn { .. }
        | Step::Watched { .. }
        | Step::Told { .. }
        | Step::Failed
        | Step::Ponged
        | Step::Strange { .. }
        | Step::Closed { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storm::history::{Publish, SECOND};

    fn connection(at: u64, conn: u32, step: Step) -> Entry {
        Entry {
            at,
            what: What::Connection { conn, step },
        }
    }

    #[test]
    fn only_what_is_needed_to_see_it_is_left() {
        let channel = "1/a".to_owned();
        let mut history = Vec::new();
        for conn in 0..20 {
            let at = u64::from(conn);
            let app = "1".to_owned();
            let opens = Step::Opens {
                client: conn,
                app,
                may: true,
            };
            let (of, user) = (channel.clone(), None);
            let subscribes = Step::Subscribes {
                channel: of.clone(),
                after: None,
                user,
                may: true,
            };
            history.push(connection(at, conn, opens));
            let socket_id = format!("{conn}.{conn}");
            history.push(connection(at, conn, Step::Greeted { socket_id }));
            history.push(connection(at, conn, subscribes));
            let acknowledged = Step::Acknowledged {
                channel: of,
                roster: None,
            };
            history.push(connection(at + 1, conn, acknowledged));
        }
        for event in 0..30 {
            let at = SECOND * u64::from(event + 1);
            history.push(Entry {
                at,
                what: What::Publishes(Publish {
                    call: event,
                    event,
                    channels: vec![channel.clone()],
                    keyed: false,
                    leaves_out: None,
                }),
            });
            for conn in 0..20 {
                // One is lost on one connection.
                if (event, conn) != (7, 11) {
                    let got = Step::Got {
                        channel: channel.clone(),
                        event,
                        serial: Some(u64::from(event)),
                    };
                    history.push(connection(at + 1, conn, got));
                }
            }
            let status = 200;
            history.push(Entry {
                at: at + 2,
                what: What::Answered {
                    call: event,
                    status,
                },
            });
        }
        let found = check(&history);
        assert_eq!(found.len(), 1, "{found:?}");
        let short = shortest(&history, &found[0]);
        let kept: Vec<&What> = short.iter().map(|entry| &entry.what).collect();
        assert!(
            matches!(
                kept[..],
                [
                    What::Connection {
                        conn: 11,
                        step: Step::Opens { .. }
                    },
                    What::Connection {
                        conn: 11,
                        step: Step::Subscribes { .. }
                    },
                    What::Connection {
                        conn: 11,
                        step: Step::Acknowledged { .. }
                    },
                    What::Publishes(Publish { event: 7, .. }),
                    What::Answered { call: 7, .. },
                ]
            ),
            "{kept:?}"
        );
    }
}
