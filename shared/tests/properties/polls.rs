//! The query of a poll.

use std::collections::BTreeSet;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use shared::model::limits::{POLL_CHANNELS_MAX, QUERY_MAX_BYTES};
use shared::model::reading::{Asked, From, Position, print_after};

use crate::inputs::{channel_name, escaped, public_name, step, style, text};
use crate::{config, is_told, must};

/// The largest serial of 15 digits, which JavaScript still holds whole.
const SERIAL_MAX: u64 = 999_999_999_999_999;

/// Channels and where each stands.
fn stands() -> impl Strategy<Value = Vec<(String, u64)>> {
    btree_map(public_name(), 0..=SERIAL_MAX, 1..=POLL_CHANNELS_MAX)
        .prop_map(Vec::from_iter)
        .prop_shuffle()
}

fn comma_separated(items: impl IntoIterator<Item = impl ToString>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(",")
}

/// What nearly is a poll, or not at all.
fn perhaps_a_poll() -> impl Strategy<Value = String> {
    let name = || prop_oneof![8 => public_name(), 1 => channel_name(), 1 => text()];
    let serial = || prop_oneof![8 => "[0-9]{1,15}", 1 => Just("now".to_owned()), 1 => "[0-9]{14,21}", 1 => text()];
    let few = (vec(name(), 0..4), vec(serial(), 0..4));
    // Some of them alike.
    let alike = (vec("[abc]", 3), vec("[0-9]{1,15}", 3));
    let many = (POLL_CHANNELS_MAX - 1..POLL_CHANNELS_MAX + 2).prop_map(|count| {
        let each = |of: &str| (0..count).map(|n| format!("{of}{n}")).collect();
        (each("c"), each("1"))
    });
    let lists = prop_oneof![4 => few, 1 => alike, 1 => many];
    let query = (lists, style()).prop_map(|((names, serials), style)| {
        let (names, serials) = (comma_separated(names), comma_separated(serials));
        format!(
            "channels={}&after={}",
            escaped(&names, &style),
            escaped(&serials, &style)
        )
    });
    let near = (query, prop::option::of(step()))
        .prop_map(|(query, step)| step.map_or_else(|| query.clone(), |step| step.from(&query)));
    let long = (public_name(), 0..QUERY_MAX_BYTES * 2)
        .prop_map(|(name, padding)| format!("channels={name}&_={}", "p".repeat(padding)));
    prop_oneof![6 => near, 1 => text(), 1 => long]
}

/// Where the reader of a query that brings neither a token nor a cursor stands; 0 for now, when nothing
/// was ever published.
fn positions(asked: Asked) -> Vec<Position> {
    let after = match asked.from {
        From::After(after, _) => after.into_iter().map(Option::unwrap_or_default).collect(),
        From::Start(_) | From::Cursor(..) => vec![0; asked.channels.len()],
    };
    let positions = asked.channels.into_iter().zip(after);
    positions
        .map(|(channel, after)| Position { channel, after })
        .collect()
}

fn names_of(positions: &[Position]) -> Vec<&str> {
    positions
        .iter()
        .map(|position| position.channel.as_str())
        .collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_poll_is_read_as_it_was_meant(stands in stands(), style in style(), more in "[a-z]{1,6}") {
        let (names, serials): (Vec<&str>, Vec<u64>) =
            stands.iter().map(|(name, serial)| (&name[..], *serial)).unzip();
        let after = comma_separated(&serials);
        let query = format!(
            "_{more}={more}&channels={}&after={}",
            escaped(&names.join(","), &style),
            escaped(&after, &style),
        );
        let positions = positions(must(Asked::parse(&query, None))?);
        prop_assert_eq!(names_of(&positions), names);
        prop_assert_eq!(print_after(&positions), after);
    }

    #[test]
    fn a_poll_that_is_accepted_is_within_every_limit(query in perhaps_a_poll()) {
        match Asked::parse(&query, None) {
            Ok(asked) => {
                let positions = positions(asked);
                prop_assert!(query.len() <= QUERY_MAX_BYTES);
                prop_assert!((1..=POLL_CHANNELS_MAX).contains(&positions.len()));
                let names = names_of(&positions);
                let once: BTreeSet<&str> = names.iter().copied().collect();
                prop_assert_eq!(once.len(), names.len(), "one is named twice");
                for position in &positions {
                    prop_assert!(position.after <= SERIAL_MAX);
                }
                // And is read again from what it prints.
                let after = print_after(&positions);
                let again = format!("channels={}&after={after}", names.join(","));
                let again = self::positions(must(Asked::parse(&again, None))?);
                prop_assert_eq!(again, positions);
            }
            Err(rejection) => is_told(&rejection)?,
        }
    }
}
