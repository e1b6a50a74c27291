//! Channels: a name is parsed once, and its kind is decided here and nowhere else.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::error::Rejection;
use crate::model::limits::CHANNEL_NAME_MAX_CHARS;

/// The prefixes that decide a kind, longest first, since one begins with another.
const KINDS: [(&str, Kind); 3] = [
    ("private-encrypted-", Kind::Encrypted),
    ("private-", Kind::Private),
    ("presence-", Kind::Presence),
];

/// What follows a kind's prefix in the name of a channel that keeps its last event.
const CACHE: &str = "cache-";
/// The first character of the names that clients cannot choose.
const RESERVED: char = '#';
/// Before a user's id, the channel of that user's connections.
const USER: &str = "#server-to-user-";

/// What a channel's name says about who may join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anybody with the app's key.
    Public,
    /// Those whom the app has signed for, or granted the channel with a token.
    Private,
    /// As private; the payload is sealed between the app and its clients, and passes through.
    Encrypted,
    /// As private, and everybody on it sees who else is.
    Presence,
    /// The connections that have signed in as one user.
    User,
}

/// A channel's name that is within the alphabet and the length, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Channel(String);

impl Channel {
    /// Reads a name.
    ///
    /// # Errors
    /// [`Rejection::ChannelName`] for a name that is empty, over 200 characters or outside the
    /// alphabet; [`Rejection::ChannelReserved`] for one that begins with `#` and is no user's.
    pub fn parse(name: &str) -> Result<Self, Rejection> {
        let chosen = match name.strip_prefix(USER) {
            Some(user_id) => user_id,
            None if name.starts_with(RESERVED) => return Err(Rejection::ChannelReserved),
            None => name,
        };
        if chosen.is_empty()
            || name.len() > CHANNEL_NAME_MAX_CHARS
            || !chosen.bytes().all(is_name_byte)
        {
            return Err(Rejection::ChannelName);
        }
        Ok(Self(name.to_owned()))
    }

    /// The channel of a user's connections, if the user's id is within the alphabet of names.
    ///
    /// # Errors
    /// [`Rejection::ChannelName`].
    pub fn of_user(user_id: &str) -> Result<Self, Rejection> {
        Self::parse(&format!("{USER}{user_id}"))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The kind, by the name's prefix.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.parts().0
    }

    /// Whether it keeps its last event for those who join later.
    #[must_use]
    pub fn keeps_last(&self) -> bool {
        self.parts().1.starts_with(CACHE)
    }

    /// Whose connections it is for, if it is a user's.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.0.strip_prefix(USER)
    }

    /// The kind, and the name after its prefix.
    fn parts(&self) -> (Kind, &str) {
        if let Some(user_id) = self.user_id() {
            // Whatever the user is called, it is no cache.
            return (Kind::User, user_id.strip_prefix(CACHE).unwrap_or(user_id));
        }
        kind_of(&self.0).unwrap_or((Kind::Public, &self.0))
    }

    /// Whether joining takes a signature or a grant.
    #[must_use]
    pub fn needs_auth(&self) -> bool {
        self.kind() != Kind::Public
    }
}

/// What the names of some channels begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelPrefix(String);

impl ChannelPrefix {
    /// Reads the beginning of a name; an empty one is that of all.
    ///
    /// # Errors
    /// [`Rejection::ChannelPrefix`] for what no name begins with.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        let chosen = text.strip_prefix(RESERVED).unwrap_or(text);
        if text.len() > CHANNEL_NAME_MAX_CHARS || !chosen.bytes().all(is_name_byte) {
            return Err(Rejection::ChannelPrefix);
        }
        Ok(Self(text.to_owned()))
    }

    /// The beginning.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The kind of all channels that begin so, as far as it says; public where it says nothing.
    #[must_use]
    pub fn kind(&self) -> Kind {
        kind_of(&self.0).map_or(Kind::Public, |(kind, _)| kind)
    }
}

/// The kind that a name's prefix decides, and what follows it.
fn kind_of(name: &str) -> Option<(Kind, &str)> {
    KINDS
        .iter()
        .find_map(|(prefix, kind)| Some((*kind, name.strip_prefix(prefix)?)))
}

/// `[-a-zA-Z0-9_=@,.;]`, as every server SDK checks it.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_=@,.;".contains(&byte)
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Channel {
    type Error = Rejection;

    fn try_from(name: String) -> Result<Self, Rejection> {
        Self::parse(&name)
    }
}

impl From<Channel> for String {
    fn from(channel: Channel) -> Self {
        channel.0
    }
}

/// What a token grants: one channel by its name, or all that begin with what stands before a
/// final `*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChannelPattern(String);

/// The character that ends a pattern.
const WILDCARD: char = '*';

impl ChannelPattern {
    /// Reads a name or a pattern.
    ///
    /// # Errors
    /// As [`Channel::parse`], and [`Rejection::ChannelPattern`] for a pattern that could match
    /// no channel, or for `*` anywhere but at the end.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        if text.starts_with(RESERVED) {
            return Err(Rejection::ChannelReserved);
        }
        match text.strip_suffix(WILDCARD) {
            None if text.contains(WILDCARD) => Err(Rejection::ChannelPattern),
            None => Channel::parse(text).map(|channel| Self(channel.0)),
            // What stands before the star must itself be the beginning of a name; nothing before
            // it means every channel.
            Some("") => Ok(Self(text.to_owned())),
            Some(stem) => match Channel::parse(stem) {
                Ok(_) => Ok(Self(text.to_owned())),
                Err(_) => Err(Rejection::ChannelPattern),
            },
        }
    }

    /// Whether the channel is among those meant. A user's never is.
    #[must_use]
    pub fn matches(&self, channel: &Channel) -> bool {
        channel.kind() != Kind::User
            && match self.0.strip_suffix(WILDCARD) {
                Some(stem) => channel.as_str().starts_with(stem),
                None => channel.as_str() == self.0,
            }
    }
}

impl TryFrom<String> for ChannelPattern {
    type Error = Rejection;

    fn try_from(text: String) -> Result<Self, Rejection> {
        Self::parse(&text)
    }
}

impl From<ChannelPattern> for String {
    fn from(pattern: ChannelPattern) -> Self {
        pattern.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_decides_the_kind() {
        for (name, kind) in [
            ("orders", Kind::Public),
            ("private-orders", Kind::Private),
            ("private-", Kind::Private),
            ("private-encrypted-orders", Kind::Encrypted),
            ("private-encrypted", Kind::Private),
            ("presence-lobby", Kind::Presence),
            ("xprivate-orders", Kind::Public),
            ("Private-orders", Kind::Public),
            ("cache-orders", Kind::Public),
            ("private-cache-orders", Kind::Private),
            ("presence-cache-lobby", Kind::Presence),
            ("#server-to-user-7", Kind::User),
            ("#server-to-user-private-7", Kind::User),
        ] {
            let channel = Channel::parse(name).expect(name);
            assert_eq!(channel.kind(), kind, "{name}");
            assert_eq!(channel.needs_auth(), kind != Kind::Public, "{name}");
        }
    }

    #[test]
    fn only_a_cache_right_after_the_kind_keeps_the_last_event() {
        let keeps_last = |name: &str| Channel::parse(name).expect(name).keeps_last();
        for name in [
            "cache-orders",
            "cache-",
            "private-cache-orders",
            "private-encrypted-cache-orders",
            "presence-cache-lobby",
        ] {
            assert!(keeps_last(name), "{name}");
        }
        for name in [
            "orders-cache-1",
            "cache",
            "private-orders-cache-1",
            "private-encryptedcache-1",
            "cacheprivate-",
            "presence-xcache-1",
            "#server-to-user-cache-1",
        ] {
            assert!(!keeps_last(name), "{name}");
        }
    }

    #[test]
    fn a_users_channel_is_named_after_the_user() {
        let channel = Channel::of_user("a@b.c").expect("a name");
        assert_eq!(channel.as_str(), "#server-to-user-a@b.c");
        assert_eq!(channel.user_id(), Some("a@b.c"));
        assert!(Channel::of_user("").is_err() && Channel::of_user("a/b").is_err());
        let granted = ChannelPattern::parse("*").expect("a pattern");
        assert!(!granted.matches(&channel));
    }

    #[test]
    fn a_name_stays_within_alphabet_and_length() {
        assert!(Channel::parse(&"a".repeat(200)).is_ok());
        assert!(Channel::parse("A-z0_9=@,.;").is_ok());
        for name in [
            "",
            &"a".repeat(201),
            "a b",
            "a/b",
            "a:b",
            "é",
            "a\n",
            "a#b",
            "a*",
        ] {
            assert_eq!(
                Channel::parse(name),
                Err(Rejection::ChannelName),
                "{name:?}"
            );
        }
        for name in ["#", "##server-to-user-1", "#server-to-user", "#orders"] {
            assert_eq!(
                Channel::parse(name),
                Err(Rejection::ChannelReserved),
                "{name:?}"
            );
        }
    }

    #[test]
    fn a_prefix_is_what_a_name_may_begin_with() {
        let prefix = |text: &str| ChannelPrefix::parse(text);
        for text in [
            "",
            "a",
            "presence-",
            "=@,.;",
            "#",
            "#server-to-user-7",
            "__fish",
        ] {
            assert!(prefix(text).is_ok(), "{text:?}");
        }
        for text in ["/", "a b", "a*", "##", "a#", "\u{e9}", &"a".repeat(201)] {
            assert_eq!(prefix(text), Err(Rejection::ChannelPrefix), "{text:?}");
        }
        let kind = |text: &str| prefix(text).expect(text).kind();
        assert_eq!(kind("presence-"), Kind::Presence);
        assert_eq!(kind("presence-cache-a"), Kind::Presence);
        assert_eq!((kind("presence"), kind("")), (Kind::Public, Kind::Public));
    }

    #[test]
    fn a_pattern_is_a_name_or_ends_in_a_star() {
        let granted = |pattern: &str, name: &str| {
            ChannelPattern::parse(pattern)
                .expect(pattern)
                .matches(&Channel::parse(name).expect(name))
        };
        assert!(granted("private-orders", "private-orders"));
        assert!(!granted("private-orders", "private-orders-7"));
        assert!(granted("private-user-7-*", "private-user-7-mail"));
        assert!(granted("private-user-7-*", "private-user-7-"));
        assert!(!granted("private-user-7-*", "private-user-71"));
        assert!(granted("*", "private-anything"));
        for pattern in [
            "",
            "a*b",
            "**",
            "a b*",
            "#*",
            "#server-to-user-1",
            "#server-to-user-1*",
            &format!("{}*", "a".repeat(201)),
        ] {
            assert!(ChannelPattern::parse(pattern).is_err(), "{pattern:?}");
        }
    }
}
