//! The checker, checked: a good history is good, and whatever is broken in one, at any place, is found by the rule
//! that is about it.

mod breaks;

use super::checker::check;
use super::model;
use crate::storm::history::{Entry, Micros, SECOND, Shown, Step, What};

/// Histories that are tried for each way to break one.
const SEEDS: u64 = 25;

/// Breaks a history somewhere, if there is something to be broken.
type Break = fn(&mut Vec<Entry>, &mut fastrand::Rng) -> bool;

fn steps<'h>(history: &'h [Entry]) -> impl Iterator<Item = (usize, u32, &'h Step)> + 'h {
    history
        .iter()
        .enumerate()
        .filter_map(|(n, entry)| match &entry.what {
            What::Connection { conn, step } => Some((n, *conn, step)),
            _ => None,
        })
}

/// Any place where a step is as it should be.
fn any(
    history: &[Entry],
    random: &mut fastrand::Rng,
    is: impl Fn(usize, u32, &Step) -> bool,
) -> Option<usize> {
    let places: Vec<usize> = steps(history)
        .filter(|(n, conn, step)| is(*n, *conn, step))
        .map(|(n, _, _)| n)
        .collect();
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
    history
        .iter()
        .position(|entry| matches!(&entry.what, What::Shown { shown, .. } if is(shown)))
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
        ("a lost post", breaks::a_lost_post, &["lost", "not-resumed"]),
        ("a duplicate", breaks::a_duplicate, &["twice"]),
        (
            "a swapped order",
            breaks::a_swapped_order,
            &["order", "order-in-the-log"],
        ),
        (
            "a ghost in the list",
            breaks::a_ghost_in_the_list,
            &["ghost"],
        ),
        (
            "a ghost on a roster",
            breaks::a_ghost_on_a_roster,
            &["ghost"],
        ),
        (
            "somebody missing",
            breaks::somebody_missing,
            &["not-on-the-roster"],
        ),
        ("a leaked row", breaks::a_leaked_row, &["row-of-nobody"]),
        (
            "seen without rights",
            breaks::seen_without_rights,
            &["without-rights"],
        ),
        (
            "another app's event",
            breaks::an_event_of_the_other_app,
            &["without-rights"],
        ),
        (
            "a reader that skips",
            breaks::a_reader_that_skips,
            &["skipped", "unread"],
        ),
        (
            "not in the log",
            breaks::an_event_that_is_not_in_the_log,
            &["not-logged"],
        ),
        (
            "a count that drifts",
            breaks::a_count_that_drifts,
            &["count-too-high", "count-too-low"],
        ),
        (
            "never vacated",
            breaks::a_channel_that_is_never_vacated,
            &["hook"],
        ),
        (
            "no answer",
            breaks::an_answer_that_never_comes,
            &["unanswered"],
        ),
        (
            "a refusal that does not stand",
            breaks::a_refusal_that_does_not_stand,
            &["refused-then-acknowledged"],
        ),
        (
            "missed while away",
            breaks::missed_while_away,
            &["not-resumed", "lost-while-away", "lost"],
        ),
        (
            "an event of nobody's",
            breaks::an_event_of_nobodys,
            &["without-rights"],
        ),
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
            let is_found = found
                .iter()
                .any(|violation| rules.contains(&violation.rule));
            assert!(is_found, "{name}, seed {seed}: {found:#?}");
        }
        assert!(broken > SEEDS / 3, "{name}: only {broken} could be broken");
    }
}
