//! Channel names, patterns and socket ids.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use shared::model::channel::{Channel, ChannelPattern, Kind};
use shared::model::limits::CHANNEL_NAME_MAX_CHARS;
use shared::model::socket_id::{ConnectionId, SocketId};

use crate::inputs::{PREFIXES, any_channel_name, channel_name, socket_id, step, text};
use crate::{config, is_told, must};

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-=@,.;";
const OF_A_USER: &str = "#server-to-user-";

/// The rule, said another way.
fn is_a_name(name: &str) -> bool {
    let chosen = name.strip_prefix(OF_A_USER).unwrap_or(name);
    (1..=CHANNEL_NAME_MAX_CHARS).contains(&name.chars().count())
        && !chosen.is_empty()
        && chosen.chars().all(|character| ALPHABET.contains(character))
}

/// What a prefix means, read off its words.
fn kind_of(prefix: &str) -> Kind {
    match prefix.split('-').collect::<Vec<_>>()[..] {
        ["private", "encrypted", ..] => Kind::Encrypted,
        ["private", ..] => Kind::Private,
        ["presence", ..] => Kind::Presence,
        _ => Kind::Public,
    }
}

/// A name, nearly one, or no name at all.
fn perhaps_a_name() -> impl Strategy<Value = String> {
    prop_oneof![
        any_channel_name(),
        (any_channel_name(), step()).prop_map(|(name, step)| step.from(&name)),
        "[-A-Za-z0-9_=@,.;]{195,205}",
        "#server-to-user-[-A-Za-z0-9_=@,.;]{180,190}",
        text(),
    ]
}

/// As a name, with a star at the end or anywhere.
fn perhaps_a_pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        perhaps_a_name(),
        perhaps_a_name().prop_map(|name| format!("{name}*")),
        (perhaps_a_name(), step()).prop_map(|(name, step)| step.from(&format!("{name}*"))),
        Just("*".to_owned()),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_name_is_what_is_within_alphabet_and_length(name in perhaps_a_name()) {
        match Channel::parse(&name) {
            Ok(channel) => {
                prop_assert!(is_a_name(&name));
                prop_assert_eq!(channel.as_str(), &name);
                prop_assert_eq!(channel.to_string(), name);
            }
            Err(rejection) => {
                prop_assert!(!is_a_name(&name));
                is_told(&rejection)?;
            }
        }
    }

    #[test]
    fn a_channel_is_read_from_json_as_it_was_written(name in perhaps_a_name()) {
        let json = serde_json::to_string(&name).expect("text");
        let read: Option<Channel> = serde_json::from_str(&json).ok();
        prop_assert_eq!(&read, &Channel::parse(&name).ok());
        if let Some(channel) = read {
            prop_assert_eq!(serde_json::to_string(&channel).expect("text"), json);
        }
    }

    #[test]
    fn what_a_name_begins_with_decides_its_kind(
        prefix in select(&PREFIXES[..]),
        // Without a dash, which is what ends every prefix.
        (one, other) in ("[A-Za-z0-9_=@,.;]{1,9}", "[A-Za-z0-9_=@,.;]{1,9}"),
    ) {
        let channel = |name: String| Channel::parse(&name).expect("a name");
        let named = channel(format!("{prefix}{one}"));
        let kind = kind_of(prefix);
        prop_assert_eq!((named.kind(), named.keeps_last()), (kind, prefix.ends_with("cache-")));
        prop_assert_eq!(named.needs_auth(), kind != Kind::Public);
        prop_assert_eq!(named.user_id(), None);
        // Anywhere else it means nothing.
        let elsewhere = channel(format!("{other}{prefix}{one}"));
        prop_assert_eq!((elsewhere.kind(), elsewhere.keeps_last()), (Kind::Public, false));
        // And a user may be called anything.
        let of_user = Channel::of_user(named.as_str()).expect("within the alphabet");
        prop_assert_eq!((of_user.kind(), of_user.keeps_last()), (Kind::User, false));
        prop_assert_eq!(of_user.user_id(), Some(named.as_str()));
    }

    #[test]
    fn a_pattern_is_a_name_or_the_beginning_of_one_and_a_star(text in perhaps_a_pattern()) {
        let stem = text.strip_suffix('*').unwrap_or(&text);
        let expected = text == "*" || (is_a_name(stem) && !stem.starts_with('#'));
        match ChannelPattern::parse(&text) {
            Ok(pattern) => {
                prop_assert!(expected);
                prop_assert_eq!(String::from(pattern.clone()), &text[..]);
                let json = serde_json::to_string(&pattern).expect("text");
                prop_assert_eq!(must(serde_json::from_str::<ChannelPattern>(&json))?, pattern);
            }
            Err(rejection) => {
                prop_assert!(!expected);
                is_told(&rejection)?;
            }
        }
    }

    #[test]
    fn a_pattern_matches_what_begins_with_its_stem(
        name in any_channel_name(),
        other in channel_name(),
        cut in any::<Index>(),
        step in step(),
        star in any::<bool>(),
        related in 0..3,
    ) {
        // Mostly one that has something to do with the name.
        let stem = match related {
            0 => name[..cut.index(name.len() + 1)].to_owned(),
            1 => step.from(&name),
            _ => other,
        };
        let channel = Channel::parse(&name).expect("a name");
        let text = if star { format!("{stem}*") } else { stem };
        if let Ok(pattern) = ChannelPattern::parse(&text) {
            let begins = text.strip_suffix('*').map_or(name == text, |stem| name.starts_with(stem));
            prop_assert_eq!(pattern.matches(&channel), begins && !name.starts_with('#'));
        }
    }

    #[test]
    fn a_socket_id_is_two_numbers(
        text in prop_oneof![
            socket_id(),
            (socket_id(), step()).prop_map(|(id, step)| step.from(&id)),
            text(),
            "[0-9]{19,22}\\.[0-9]{19,22}",
        ],
    ) {
        let is_number = |text: &str| {
            (1..=20).contains(&text.chars().count())
                && text.chars().all(|character| character.is_ascii_digit())
        };
        let halves: Vec<&str> = text.split('.').collect();
        let expected = halves.len() == 2 && halves.iter().all(|half| is_number(half));
        match SocketId::parse(&text) {
            Ok(id) => {
                prop_assert!(expected);
                prop_assert_eq!(id.as_str(), &text);
                prop_assert_eq!(id.to_string(), text);
            }
            Err(rejection) => {
                prop_assert!(!expected);
                is_told(&rejection)?;
            }
        }
    }

    #[test]
    fn every_connection_has_a_socket_id_of_its_own(one in text(), other in text()) {
        let of = |id: &str| SocketId::of(&ConnectionId::new(id.to_owned()));
        prop_assert_eq!(SocketId::parse(of(&one).as_str()), Ok(of(&one)));
        prop_assert_eq!(of(&one) == of(&other), one == other);
    }
}
