//! What a poll or a stream asks for: channels, and from where on.

use std::fmt;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::model::channel::Channel;
use crate::model::error::Rejection;
use crate::model::event::parse_named;
use crate::model::limits::{
    CURSOR_MAX_CHARS, POLL_CHANNELS_MAX, POLL_WAIT_MAX_SECS, QUERY_MAX_BYTES,
};
use crate::model::socket_id::ConnectionId;
use crate::model::token::Token;

const CHANNELS: &str = "channels";
const AFTER: &str = "after";
const TOKEN: &str = "token";
const CURSOR: &str = "cursor";
const WAIT: &str = "wait";
const SEPARATOR: char = ',';
/// In the place of a serial: after the last one there is.
const NOW: &str = "now";
/// What the id of a reader begins with where a connection's may stand, too. API Gateway's ids have no
/// slash.
const READER: &str = "reader/";

/// One channel and the serial after which it is read; 0 reads all that is retained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The channel.
    pub channel: Channel,
    /// The last serial that the reader has.
    pub after: u64,
}

/// Where reading begins.
pub enum From {
    /// Where a reader with nothing begins: with the token it has brought, if any.
    Start(Option<Token>),
    /// After these serials, one for each channel; `None`: with what is published from now on.
    After(Vec<Option<u64>>, Option<Token>),
    /// Where a cursor says. What is not one is refused later, like one that was not signed here. The
    /// token is for a cursor that was good once.
    Cursor(String, Option<Token>),
}

/// What a poll or a stream asks for. No `Debug`: it holds secrets.
pub struct Asked {
    /// The channels: each once, at least one.
    pub channels: Vec<Channel>,
    /// From where on.
    pub from: From,
    /// How long an answer may wait for something to be in it, in seconds.
    pub wait_secs: u64,
}

impl Asked {
    /// Reads `channels=a,b,c&after=7,0,now`, with `token=`, `cursor=` and `wait=`. A browser that comes back to
    /// a stream sends the last cursor in `Last-Event-ID` instead, and the same query as before.
    ///
    /// # Errors
    /// [`Rejection::QueryTooLong`], [`Rejection::QueryDuplicate`], [`Rejection::PollChannels`],
    /// [`Rejection::PollAfter`], [`Rejection::PollWait`], [`Rejection::ChannelNamed`],
    /// [`Rejection::TokenRefused`], [`Rejection::CursorRefused`].
    pub fn parse(query: &str, last_event_id: Option<&str>) -> Result<Self, Rejection> {
        if query.len() > QUERY_MAX_BYTES {
            return Err(Rejection::QueryTooLong);
        }
        let (mut channels, mut after, mut token) = (None, None, None);
        let (mut cursor, mut wait) = (None, None);
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            let slot = match &*key {
                CHANNELS => &mut channels,
                AFTER => &mut after,
                TOKEN => &mut token,
                CURSOR => &mut cursor,
                WAIT => &mut wait,
                // Clients add what defeats caches.
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(Rejection::QueryDuplicate(key.into_owned()));
            }
        }
        let names = channels
            .filter(|names| !names.is_empty())
            .ok_or(Rejection::PollChannels)?;
        // The alphabet of names has the comma in it, but a name with one cannot be told from two.
        let names: Vec<&str> = names.split(SEPARATOR).collect();
        if names.len() > POLL_CHANNELS_MAX
            || (1..names.len()).any(|n| names[..n].contains(&names[n]))
        {
            return Err(Rejection::PollChannels);
        }
        let channels: Vec<Channel> = names
            .into_iter()
            .map(parse_named)
            .collect::<Result<_, _>>()?;
        let token = token
            .filter(|token| !token.is_empty())
            .map(|token| Token::parse(&token))
            .transpose()?;
        let cursor = last_event_id
            .filter(|id| !id.is_empty())
            .or(cursor.as_deref().filter(|cursor| !cursor.is_empty()));
        let from = match (cursor, after.as_deref()) {
            (Some(cursor), _) if cursor.len() > CURSOR_MAX_CHARS => {
                return Err(Rejection::CursorRefused);
            }
            (Some(cursor), _) => From::Cursor(cursor.to_owned(), token),
            (None, None | Some("")) => From::Start(token),
            (None, Some(serials)) => {
                let serials: Vec<Option<u64>> = serials
                    .split(SEPARATOR)
                    .map(parse_after)
                    .collect::<Result<_, _>>()?;
                if serials.len() != channels.len() {
                    return Err(Rejection::PollAfter);
                }
                From::After(serials, token)
            }
        };
        let wait_secs = match wait.as_deref() {
            None | Some("") => 0,
            Some(secs) => secs
                .parse()
                .ok()
                .filter(|secs| *secs <= POLL_WAIT_MAX_SECS)
                .ok_or(Rejection::PollWait)?,
        };
        Ok(Self {
            channels,
            from,
            wait_secs,
        })
    }
}

/// Prints the serials as `after` takes them back.
#[must_use]
pub fn print_after(positions: &[Position]) -> String {
    positions
        .iter()
        .map(|position| position.after.to_string())
        .collect::<Vec<_>>()
        .join(",")
}

fn parse_after(text: &str) -> Result<Option<u64>, Rejection> {
    match text {
        NOW => Ok(None),
        serial => parse_serial(serial).map(Some),
    }
}

fn parse_serial(text: &str) -> Result<u64, Rejection> {
    // 15 digits stay whole in JavaScript.
    if (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_err(|_| Rejection::PollAfter)
    } else {
        Err(Rejection::PollAfter)
    }
}

/// Who reads what a token has opened: where the row of its grant is. Those of a user lie together, so
/// that they can be ended together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderId {
    /// Whose it is: of a user, or its own.
    pub owner: Owner,
    /// Which.
    pub id: Uuid,
}

/// Half of a SHA-256: what readers lie under.
pub type Owner = [u8; 16];

impl ReaderId {
    /// One of a user, if there is one.
    #[must_use]
    pub fn new(id: Uuid, user_id: Option<&str>) -> Self {
        let owner = user_id.map_or_else(|| id.into_bytes(), owner);
        Self { owner, id }
    }

    /// The id that a token knows it by: no connection has one like it.
    #[must_use]
    pub fn connection_id(&self) -> ConnectionId {
        ConnectionId::new(format!("{READER}{}/{}", hex::encode(self.owner), self.id))
    }

    /// The reader whose id this is; `None`: it is a connection's.
    #[must_use]
    pub fn of(id: &ConnectionId) -> Option<Self> {
        let (owner, id) = id.as_str().strip_prefix(READER)?.split_once('/')?;
        let owner = hex::decode(owner).ok()?.try_into().ok()?;
        let id = Uuid::parse_str(id).ok()?;
        Some(Self { owner, id })
    }
}

impl fmt::Display for ReaderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

/// What the readers of a user lie under.
#[must_use]
pub fn owner(user_id: &str) -> Owner {
    let digest = Sha256::digest(user_id.as_bytes());
    std::array::from_fn(|n| digest[n])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(query: &str) -> Result<Asked, Rejection> {
        Asked::parse(query, None)
    }

    fn after(query: &str) -> Vec<Option<u64>> {
        match parse(query).expect("it is asked rightly").from {
            From::After(after, None) => after,
            From::After(..) | From::Start(_) | From::Cursor(..) => panic!("{query}"),
        }
    }

    #[test]
    fn channels_and_serials_go_together() {
        let asked = parse("channels=a,b&after=7,0&_=123").expect("two channels");
        let names: Vec<_> = asked.channels.iter().map(Channel::as_str).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(after("channels=a,b&after=7,0"), [Some(7), Some(0)]);
        assert_eq!(after("channels=a,b&after=now,7"), [None, Some(7)]);
        assert_eq!(
            parse("channels=a%2Cb")
                .expect("two channels")
                .channels
                .len(),
            2
        );
        for query in ["channels=a&after=", "channels=a&token=&cursor=&wait="] {
            let from = parse(query).expect("one channel").from;
            assert!(matches!(from, From::Start(None)), "{query}");
        }
        let positions = ["a", "b"].map(|name| Position {
            channel: Channel::parse(name).expect("a name"),
            after: 7,
        });
        assert_eq!(print_after(&positions), "7,7");
    }

    #[test]
    fn a_browser_that_comes_back_says_where_it_was() {
        let asked = Asked::parse("channels=a&cursor=old", Some("new")).expect("a cursor");
        assert!(matches!(asked.from, From::Cursor(cursor, None) if cursor == "new"));
        let asked = Asked::parse("channels=a&cursor=old&after=1", Some("")).expect("a cursor");
        assert!(matches!(asked.from, From::Cursor(cursor, None) if cursor == "old"));
        assert_eq!(parse("channels=a&wait=20").expect("it waits").wait_secs, 20);
    }

    #[test]
    fn a_bad_poll_names_the_rule() {
        let many: Vec<String> = (0..21).map(|n| n.to_string()).collect();
        let many = format!("channels={}", many.join(","));
        let long = format!("channels=a&cursor={}", "c".repeat(CURSOR_MAX_CHARS + 1));
        for (query, rejection) in [
            ("", Rejection::PollChannels),
            ("channels=", Rejection::PollChannels),
            ("channels=a,a", Rejection::PollChannels),
            (many.as_str(), Rejection::PollChannels),
            (
                "channels=a&channels=b",
                Rejection::QueryDuplicate("channels".to_owned()),
            ),
            ("channels=a,b&after=1", Rejection::PollAfter),
            ("channels=a&after=x", Rejection::PollAfter),
            ("channels=a&after=-1", Rejection::PollAfter),
            ("channels=a&after=NOW", Rejection::PollAfter),
            ("channels=a&after=9999999999999999", Rejection::PollAfter),
            ("channels=a&wait=21", Rejection::PollWait),
            ("channels=a&wait=-1", Rejection::PollWait),
            ("channels=a&token=short", Rejection::TokenRefused),
            (long.as_str(), Rejection::CursorRefused),
        ] {
            assert_eq!(parse(query).err(), Some(rejection), "{query}");
        }
        assert!(matches!(
            parse("channels=a,").err(),
            Some(Rejection::ChannelNamed { .. })
        ));
        assert!(parse(&format!("channels={}", "a".repeat(QUERY_MAX_BYTES))).is_err());
    }

    #[test]
    fn a_reader_has_an_id_that_no_connection_has() {
        let reader = ReaderId::new(Uuid::now_v7(), Some("7"));
        assert_eq!(ReaderId::of(&reader.connection_id()), Some(reader.clone()));
        assert_eq!(reader.owner, ReaderId::new(Uuid::now_v7(), Some("7")).owner);
        assert_ne!(reader.owner, ReaderId::new(Uuid::now_v7(), None).owner);
        for id in ["L0SM9cOFvHcCIhw=", "reader/", "reader/00/x"] {
            assert_eq!(ReaderId::of(&ConnectionId::new(id.to_owned())), None);
        }
    }
}
