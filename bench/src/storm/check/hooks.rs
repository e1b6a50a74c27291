//! Webhooks are signed, and the last that was said of a channel, or of a user on one, is so once everything had its
//! time. A function that dies may lose one before it is queued, and so may a queue that takes none: where that
//! happened, only what is wrong by itself counts.

use std::collections::BTreeMap;

use super::books::Books;
use super::violation::{About, Violation, seconds};
use crate::storm::history::NEVER;
use crate::storm::history::{Micros, SECOND, app_of, is_presence};

/// Kinds of faults that may lose a webhook.
const LOSING: [&str; 2] = ["kills", "hooks"];
/// How long before something has to be so to be counted on: who goes is told of after three seconds.
const STEADY: Micros = 3 * SECOND;

/// What was said last, and when; `None` where two things were said at once.
type Word = (u64, Option<bool>);

pub(super) fn check(books: &Books<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    for &(_, hook) in &books.hooks {
        if !hook.signed || app_of(&hook.channel) != books.facts.featured {
            found.push(Violation {
                rule: "hook",
                about: About::channel(&hook.channel),
                expected: "a webhook is signed, and of an app that has some".to_owned(),
                saw: format!("{hook:?}"),
                at: 0,
            });
        }
    }
    let at = books.settled_at;
    if at == NEVER || books.met(0, at, |kind| LOSING.contains(&kind)) {
        return found;
    }
    let mut last: BTreeMap<(&str, Option<&str>), Word> = BTreeMap::new();
    for &(_, hook) in books.hooks.iter().filter(|(came_at, _)| *came_at <= at) {
        let is_there = match hook.name.as_str() {
            "channel_occupied" | "member_added" => true,
            "channel_vacated" | "member_removed" => false,
            _ => continue,
        };
        let word = last
            .entry((hook.channel.as_str(), hook.user.as_deref()))
            .or_insert((0, None));
        if hook.time_ms > word.0 {
            *word = (hook.time_ms, Some(is_there));
        } else if hook.time_ms == word.0 && word.1 != Some(is_there) {
            word.1 = None;
        }
    }
    for (&(channel, user), &(_, word)) in &last {
        let (Some(said), Some(is_so)) = (word, is_there(books, channel, user, at)) else {
            continue;
        };
        if said != is_so {
            found.push(wrong(channel, user, is_so, Some(said), at));
        }
    }
    // What nothing was said of at all.
    for channel in channels(books) {
        let is_said = last.contains_key(&(channel, None));
        if !is_said && is_there(books, channel, None, at) == Some(true) {
            found.push(wrong(channel, None, true, None, at));
        }
    }
    found
}

fn wrong(
    channel: &str,
    user: Option<&str>,
    is_so: bool,
    said: Option<bool>,
    at: Micros,
) -> Violation {
    let about = About::channel(channel);
    Violation {
        rule: "hook",
        about: user.into_iter().fold(about, About::and_user),
        expected: format!(
            "the last webhook about {} says whether somebody is there: {is_so}, at {}",
            user.map_or_else(|| channel.to_owned(), |user| format!("{user} on {channel}")),
            seconds(at)
        ),
        saw: format!("{said:?}"),
        at,
    }
}

/// The channels of the app that has webhooks.
fn channels<'a>(books: &Books<'a>) -> impl Iterator<Item = &'a str> {
    let stays = books
        .connections
        .values()
        .flat_map(|connection| &connection.stays);
    let of_app = stays.filter(|stay| app_of(stay.channel) == books.facts.featured);
    let channels: std::collections::BTreeSet<&str> = of_app.map(|stay| stay.channel).collect();
    channels.into_iter()
}

/// Whether somebody, or a user, is on a channel; `None` where that has just changed, or is not known.
fn is_there(books: &Books<'_>, channel: &str, user: Option<&str>, at: Micros) -> Option<bool> {
    let mut is_there = false;
    for connection in books.connections.values() {
        for stay in connection
            .stays
            .iter()
            .filter(|stay| stay.channel == channel)
        {
            if user.is_some() && (stay.user != user || !is_presence(channel)) {
                continue;
            }
            if stay.until.saturating_add(STEADY) < at {
                continue;
            }
            if stay.acknowledged_at + STEADY > at || stay.until <= at.saturating_add(STEADY) {
                return None;
            }
            is_there = true;
        }
    }
    Some(is_there)
}
