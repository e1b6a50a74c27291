//! Channels: a name is parsed once, and its kind is decided here and nowhere else.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Rejection;
use crate::limits::CHANNEL_NAME_MAX_CHARS;

/// The prefixes that decide a kind, longest first, since one begins with another.
const KINDS: [(&str, Kind); 3] = [
    ("private-encrypted-", Kind::Encrypted),
    ("private-", Kind::Private),
    ("presence-", Kind::Presence),
];

/// The first character of the channels that a server makes for a signed-in user.
const RESERVED: char = '#';

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
    /// alphabet; [`Rejection::ChannelReserved`] for one that begins with `#`.
    pub fn parse(name: &str) -> Result<Self, Rejection> {
        if name.starts_with(RESERVED) {
            return Err(Rejection::ChannelReserved);
        }
        if name.is_empty() || name.len() > CHANNEL_NAME_MAX_CHARS || !name.bytes().all(is_name_byte)
        {
            return Err(Rejection::ChannelName);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The kind, by the name's prefix.
    #[must_use]
    pub fn kind(&self) -> Kind {
        KINDS
            .iter()
            .find(|(prefix, _)| self.0.starts_with(prefix))
            .map_or(Kind::Public, |(_, kind)| *kind)
    }

    /// Whether joining takes a signature or a grant.
    #[must_use]
    pub fn needs_auth(&self) -> bool {
        self.kind() != Kind::Public
    }
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

    /// Whether the channel is among those meant.
    #[must_use]
    pub fn matches(&self, channel: &Channel) -> bool {
        match self.0.strip_suffix(WILDCARD) {
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
        ] {
            let channel = Channel::parse(name).expect(name);
            assert_eq!(channel.kind(), kind, "{name}");
            assert_eq!(channel.needs_auth(), kind != Kind::Public, "{name}");
        }
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
        for name in ["#", "#server-to-user-1"] {
            assert_eq!(
                Channel::parse(name),
                Err(Rejection::ChannelReserved),
                "{name:?}"
            );
        }
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
            &format!("{}*", "a".repeat(201)),
        ] {
            assert!(ChannelPattern::parse(pattern).is_err(), "{pattern:?}");
        }
    }
}
