//! What is left: no row that belongs to nobody, no action that costs more than it may, no secret in a log.

use std::collections::BTreeMap;

use super::books::Books;
use super::violation::{About, Violation};
use crate::storm::history::Cost;
use crate::storm::history::NEVER;

/// What an action may cost: README's table. Writes, reads, units read, posts.
const BUDGETS: [(&str, u64, u64, f64, u64); 8] = [
    ("connect", 1, 0, 0.0, 1),
    ("subscribe", 3, 1, 1.0, 1),
    (
        "subscribe on a connection that was there all the time",
        3,
        1,
        2.0,
        1,
    ),
    ("subscribe to a presence channel", 6, 3, 3.0, 1),
    ("publish to nobody", 2, 0, 0.0, 0),
    ("publish to one", 2, 1, 1.0, 1),
    ("disconnect from one channel", 6, 1, 1.0, 0),
    ("ping", 0, 0, 0.0, 1),
];

/// Subscribers of a shard from which on no action is measured that makes one.
const SHARD: usize = 1_000;

pub(super) fn check(books: &Books<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for &(at, row) in &books.rows {
        let owner = books
            .connections
            .values()
            .find(|connection| connection.socket_id == Some(row.socket_id.as_str()));
        // One that has just ended has its time to go until everybody has left.
        let is_there = owner.is_some_and(|connection| {
            let ended_at = connection.ended_at();
            at < ended_at || (ended_at >= books.settled_at && at < books.leaving_at)
        });
        let is_judged = books.settled_at != NEVER && at >= books.settled_at;
        if is_judged && !row.mark && !is_there {
            let owners = books.connections.iter();
            let owners = owners.filter(|(_, of)| of.socket_id == Some(row.socket_id.as_str()));
            let about = owners.fold(About::thing(&row.name), |about, (&conn, _)| {
                about.and_connection(conn)
            });
            found.push(Violation {
                rule: "row-of-nobody",
                about,
                expected: format!(
                    "no row is left of connection {}, which is over",
                    row.socket_id
                ),
                saw: row.name.clone(),
                at,
            });
        }
    }
    let splits = books.facts.per_shard < SHARD;
    found.extend(books.costs.iter().filter_map(|cost| too_dear(cost, splits)));
    let mut leaks: BTreeMap<&str, (&str, u64)> = BTreeMap::new();
    for &(line, secret) in &books.leaks {
        leaks.entry(secret).or_insert((line, 0)).1 += 1;
    }
    for (secret, (line, times)) in leaks {
        found.push(Violation {
            rule: "secret-in-a-log",
            about: About::thing(secret),
            expected: format!("no log holds {secret}"),
            saw: format!("{times} times, first in {line}"),
            at: 0,
        });
    }
    found
}

/// Whether an action costs too much. Where channels split early, a subscribe may make a shard.
fn too_dear(cost: &Cost, splits: bool) -> Option<Violation> {
    let (_, writes, reads, read_units, posts) =
        BUDGETS.iter().find(|(action, ..)| *action == cost.action)?;
    let writes = writes + u64::from(splits && cost.action.starts_with("subscribe"));
    let within = cost.writes <= writes
        && cost.reads <= *reads
        && cost.read_units <= *read_units
        && cost.posts <= *posts;
    (!within).then(|| Violation {
        rule: "too-dear",
        about: About::thing(&cost.action),
        expected: format!(
            "{}: at most {writes} writes, {reads} reads of {read_units} units, {posts} posts",
            cost.action
        ),
        saw: format!(
            "{} writes, {} reads of {} units, {} posts",
            cost.writes, cost.reads, cost.read_units, cost.posts
        ),
        at: 0,
    })
}
