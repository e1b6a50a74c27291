//! The checker, checked: a good history is good, and whatever is broken in one, at any place, is found by the rule
//! that is about it.

use super::check;
use super::model::{self, CHANNELS};
use crate::storm::history::{Entry, Micros, Reading, Row, SECOND, Shown, Step, What, is_presence};

/// Histories that are tried for each way to break one.
const SEEDS: u64 = 25;

/// Breaks a history somewhere, if there is something to be broken.
type Break = fn(&mut Vec<Entry>, &mut fastrand::Rng) -> bool;

fn steps<'h>(history: &'h [Entry]) -> impl Iterator<Item = (usize, u32, &'h Step)> + 'h {
    history.iter().enumerate().filter_map(|(n, entry)| match &entry.what {
        What::Connection { conn, step } => Some((n, *conn, step)),
        _ => None,
    })
}

/// Any place where a step is as it should be.
fn any(history: &[Entry], random: &mut fastrand::Rng, is: impl Fn(usize, u32, &Step) -> bool) -> Option<usize> {
    let places: Vec<usize> =
        steps(history).filter(|(n, conn, step)| is(*n, *conn, step)).map(|(n, _, _)| n).collect();
    random.choice(places)
}

/// When a connection ends, or leaves a channel after a place in the history.
fn end_of(history: &[Entry], from: usize, conn: u32, channel: &str) -> Micros {
    let mut ends = steps(history).filter(|(n, of, step)| {
        *of == conn
            && *n >= from
            && match step {
                Step::Leaves | Step::Closed { .. } => true,
                Step::Unsubscribes { channel: of } => of == channel,
                _ => false,
            }
    });
    ends.next().map_or(Micros::MAX, |(n, _, _)| history[n].at)
}

/// An event that somebody got who stayed for long after it.
fn got_and_stayed(history: &[Entry], random: &mut fastrand::Rng) -> Option<usize> {
    any(history, random, |n, conn, step| {
        matches!(step, Step::Got { serial: Some(_), channel, .. }
            if !channel.contains("cache") && end_of(history, n, conn, channel) > history[n].at + 20 * SECOND)
    })
}

fn insert_at(history: &mut Vec<Entry>, n: usize, what: What) {
    let at = history[n].at;
    history.insert(n, Entry { at, what });
}

/// Where the parts begin that are compared with the truth.
fn shown_at(history: &[Entry], is: impl Fn(&Shown) -> bool) -> Option<usize> {
    history.iter().position(|entry| matches!(&entry.what, What::Shown { shown, .. } if is(shown)))
}

fn a_lost_post(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    let Some(n) = got_and_stayed(history, random) else { return false };
    history.remove(n);
    true
}

fn a_duplicate(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    let resumes = |history: &[Entry], conn| {
        steps(history).any(|(_, of, step)| of == conn && matches!(step, Step::Subscribes { after: Some(_), .. }))
    };
    let Some(n) = any(history, random, |_, conn, step| {
        matches!(step, Step::Got { channel, .. } if !channel.contains("cache")) && !resumes(history, conn)
    }) else {
        return false;
    };
    let again = history[n].what.clone();
    insert_at(history, n + 1, again);
    true
}

fn a_swapped_order(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    let gots: Vec<(usize, u32, String)> = steps(history)
        .filter_map(|(n, conn, step)| match step {
            Step::Got { channel, serial: Some(_), .. } if !channel.contains("cache") => {
                Some((n, conn, channel.clone()))
            }
            _ => None,
        })
        .collect();
    let pairs: Vec<(usize, usize)> = gots
        .iter()
        .enumerate()
        .filter_map(|(place, (n, conn, channel))| {
            let mut later = gots[place + 1..].iter();
            let (next, _, _) = later.find(|(_, of, other)| of == conn && other == channel)?;
            Some((*n, *next))
        })
        .collect();
    let Some((one, other)) = random.choice(pairs) else { return false };
    let kept = history[one].what.clone();
    history[one].what = history[other].what.clone();
    history[other].what = kept;
    true
}

fn a_ghost_in_the_list(history: &mut Vec<Entry>, _: &mut fastrand::Rng) -> bool {
    for entry in history {
        if let What::Shown { shown: Shown::Users { users, .. }, .. } = &mut entry.what {
            users.push("1/nobody".to_owned());
            return true;
        }
    }
    false
}

fn a_ghost_on_a_roster(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    // What tells of the last going of somebody who does not come back.
    let Some(n) = any(history, random, |n, conn, step| {
        let Step::Removed { channel, user } = step else { return false };
        let again = steps(&history[n + 1..]).any(|(_, of, step)| match step {
            Step::Added { user: other, .. } => of == conn && other == user,
            Step::Acknowledged { channel: other, .. } => of == conn && other == channel,
            _ => false,
        });
        !again && end_of(history, n, conn, channel) > calm(history)
    }) else {
        return false;
    };
    history.remove(n);
    true
}

fn calm(history: &[Entry]) -> Micros {
    let settled = history.iter().position(|entry| matches!(&entry.what, What::Begins(_)));
    settled.map_or(0, |n| history[n].at)
}

fn somebody_missing(history: &mut Vec<Entry>, _: &mut fastrand::Rng) -> bool {
    for entry in history {
        if let What::Shown { shown: Shown::Users { users, .. }, .. } = &mut entry.what {
            return users.pop().is_some();
        }
    }
    false
}

fn a_leaked_row(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    let Some(n) = shown_at(history, |_| true) else { return false };
    let Some(gone) = any(history, random, |_, _, step| matches!(step, Step::Leaves)) else { return false };
    let What::Connection { conn, .. } = history[gone].what else { return false };
    if history[gone].at > history[n].at {
        return false;
    }
    let row = Row { name: "subs/1/a/0".to_owned(), socket_id: format!("{conn}.{conn}"), mark: false };
    insert_at(history, n, What::Row(row));
    true
}

fn seen_without_rights(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    let Some(n) = any(history, random, |_, _, step| matches!(step, Step::Got { channel, .. } if channel == "1/private-b"))
    else {
        return false;
    };
    let What::Connection { step, conn } = history[n].what.clone() else { return false };
    let stranger = steps(&history[..n]).find(|(_, of, step)| {
        *of != conn && matches!(step, Step::Greeted { .. }) && end_of(history, 0, *of, "") > history[n].at
    });
    let Some((_, conn, _)) = stranger else { return false };
    let asked = steps(&history[..n]).any(|(_, of, step)| {
        of == conn && matches!(step, Step::Subscribes { channel, .. } if channel == "1/private-b")
    });
    insert_at(history, n + 1, What::Connection { conn, step });
    !asked
}

fn an_event_of_the_other_app(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    let Some(n) = any(history, random, |_, _, step| matches!(step, Step::Got { channel, .. } if channel == "2/a")) else {
        return false;
    };
    let Some(other) = any(&history[n..], random, |_, _, step| {
        matches!(step, Step::Got { channel, .. } if channel == "1/a")
    }) else {
        return false;
    };
    let What::Connection { step: Step::Got { event, serial, .. }, .. } = history[n].what.clone() else { return false };
    let What::Connection { conn, .. } = history[n + other].what else { return false };
    let step = Step::Got { channel: "1/a".to_owned(), event, serial };
    insert_at(history, n + other + 1, What::Connection { conn, step });
    true
}

fn a_reader_that_skips(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    let places: Vec<usize> = history
        .iter()
        .enumerate()
        .filter_map(|(n, entry)| match &entry.what {
            What::Reader { step: Reading::Read { .. }, .. } => Some(n),
            _ => None,
        })
        .collect();
    let Some(n) = random.choice(places) else { return false };
    history.remove(n);
    true
}

fn an_event_that_is_not_in_the_log(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    for entry in history {
        if let What::Shown { shown: Shown::Log { events, .. }, .. } = &mut entry.what
            && !events.is_empty()
        {
            events.remove(random.usize(..events.len()));
            return true;
        }
    }
    false
}

fn a_count_that_drifts(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    let up = random.bool();
    for entry in history {
        if let What::Shown { shown: Shown::Count { count, .. }, .. } = &mut entry.what {
            if !up && *count == 0 {
                continue;
            }
            *count = if up { *count + 1 } else { *count - 1 };
            return true;
        }
    }
    false
}

fn a_channel_that_is_never_vacated(history: &mut Vec<Entry>, _: &mut fastrand::Rng) -> bool {
    for entry in history {
        if let What::Hook(hook) = &mut entry.what
            && hook.name == "channel_vacated"
        {
            hook.name = "channel_occupied".to_owned();
            return true;
        }
    }
    false
}

fn an_answer_that_never_comes(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    let Some(n) = any(history, random, |n, conn, step| {
        let Step::Acknowledged { channel, .. } = step else { return false };
        let once = steps(history).filter(|(_, of, step)| {
            *of == conn && matches!(step, Step::Acknowledged { channel: of, .. } | Step::Unsubscribes { channel: of } if of == channel)
        });
        once.count() == 1 && end_of(history, n, conn, channel) > history[n].at + 60 * SECOND
    }) else {
        return false;
    };
    history.remove(n);
    true
}

fn a_refusal_that_does_not_stand(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    let Some(n) = any(history, random, |_, _, step| matches!(step, Step::Acknowledged { .. })) else { return false };
    let What::Connection { conn, step: Step::Acknowledged { channel, .. } } = history[n].what.clone() else {
        return false;
    };
    insert_at(history, n, What::Connection { conn, step: Step::Refused { channel, status: 403 } });
    true
}

fn missed_while_away(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    let Some(n) = any(history, random, |n, conn, step| {
        let Step::Got { channel, serial: Some(serial), .. } = step else { return false };
        // It is shown what was published while it was not there.
        let behind = steps(&history[..n]).any(|(_, of, step)| {
            of == conn && matches!(step, Step::Subscribes { channel: of, after: Some(after), .. } if of == channel && after < serial)
        });
        // A channel that keeps its last event may show it later all the same.
        let kept = channel.contains("cache");
        behind && !kept && end_of(history, n, conn, channel) > history[n].at + 30 * SECOND
    }) else {
        return false;
    };
    history.remove(n);
    true
}

#[test]
fn a_good_history_is_good() {
    for seed in 0..SEEDS {
        let history = model::good(seed);
        assert_eq!(check(&history), [], "seed {seed}");
    }
}

#[test]
fn whatever_is_broken_is_found() {
    let breaks: [(&str, Break, &[&str]); 17] = [
        ("a lost post", a_lost_post, &["lost", "not-resumed"]),
        ("a duplicate", a_duplicate, &["twice"]),
        ("a swapped order", a_swapped_order, &["order", "order-in-the-log"]),
        ("a ghost in the list", a_ghost_in_the_list, &["ghost"]),
        ("a ghost on a roster", a_ghost_on_a_roster, &["ghost"]),
        ("somebody missing", somebody_missing, &["not-on-the-roster"]),
        ("a leaked row", a_leaked_row, &["row-of-nobody"]),
        ("seen without rights", seen_without_rights, &["without-rights"]),
        ("another app's event", an_event_of_the_other_app, &["without-rights"]),
        ("a reader that skips", a_reader_that_skips, &["skipped", "unread"]),
        ("not in the log", an_event_that_is_not_in_the_log, &["not-logged"]),
        ("a count that drifts", a_count_that_drifts, &["count-too-high", "count-too-low"]),
        ("never vacated", a_channel_that_is_never_vacated, &["hook"]),
        ("no answer", an_answer_that_never_comes, &["unanswered"]),
        ("a refusal that does not stand", a_refusal_that_does_not_stand, &["refused-then-acknowledged"]),
        ("missed while away", missed_while_away, &["not-resumed", "lost-while-away", "lost"]),
        ("an event of nobody's", an_event_of_nobodys, &["without-rights"]),
    ];
    for (name, breaks, rules) in breaks {
        let mut broken = 0;
        for seed in 0..SEEDS {
            let mut history = model::good(seed);
            let mut random = fastrand::Rng::with_seed(seed);
            if !breaks(&mut history, &mut random) {
                continue;
            }
            broken += 1;
            let found = check(&history);
            let is_found = found.iter().any(|violation| rules.contains(&violation.rule));
            assert!(is_found, "{name}, seed {seed}: {found:#?}");
        }
        assert!(broken > SEEDS / 3, "{name}: only {broken} could be broken");
    }
    assert!(CHANNELS.iter().any(|channel| is_presence(channel)));
}

fn an_event_of_nobodys(history: &mut Vec<Entry>, random: &mut fastrand::Rng) -> bool {
    let Some(n) = any(history, random, |_, _, step| matches!(step, Step::Got { serial: Some(_), .. })) else {
        return false;
    };
    if let What::Connection { step: Step::Got { event, .. }, .. } = &mut history[n].what {
        *event += 1_000_000;
    }
    true
}
