//! Where a poll stands: the channels it asks for and the serial of each after which it reads.

use crate::channel::Channel;
use crate::error::Rejection;
use crate::event::parse_named;
use crate::limits::{POLL_CHANNELS_MAX, QUERY_MAX_BYTES};

const CHANNELS: &str = "channels";
const AFTER: &str = "after";
const SEPARATOR: char = ',';

/// One channel and the serial after which it is read; 0 reads all that is retained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The channel, a public one.
    pub channel: Channel,
    /// The last serial that the reader has.
    pub after: u64,
}

/// Reads `channels=a,b&after=7,0` of a poll.
///
/// # Errors
/// [`Rejection::QueryTooLong`], [`Rejection::QueryDuplicate`], [`Rejection::PollChannels`],
/// [`Rejection::PollAfter`], [`Rejection::ChannelNamed`], [`Rejection::PollPrivate`].
pub fn parse(query: &str) -> Result<Vec<Position>, Rejection> {
    if query.len() > QUERY_MAX_BYTES {
        return Err(Rejection::QueryTooLong);
    }
    let (mut channels, mut after) = (None, None);
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let slot = match &*key {
            CHANNELS => &mut channels,
            AFTER => &mut after,
            // Clients add what defeats caches.
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return Err(Rejection::QueryDuplicate(key.into_owned()));
        }
    }
    let channels = channels
        .filter(|names| !names.is_empty())
        .ok_or(Rejection::PollChannels)?;
    // The alphabet of names has the comma in it, but a name with one cannot be told from two.
    let names: Vec<&str> = channels.split(SEPARATOR).collect();
    if names.len() > POLL_CHANNELS_MAX || (1..names.len()).any(|n| names[..n].contains(&names[n])) {
        return Err(Rejection::PollChannels);
    }
    let serials: Vec<u64> = match after.as_deref() {
        None | Some("") => vec![0; names.len()],
        Some(serials) => serials
            .split(SEPARATOR)
            .map(parse_serial)
            .collect::<Result<_, _>>()?,
    };
    if serials.len() != names.len() {
        return Err(Rejection::PollAfter);
    }
    let mut positions = Vec::with_capacity(names.len());
    for (name, after) in names.into_iter().zip(serials) {
        let channel = parse_named(name)?;
        if channel.needs_auth() {
            return Err(Rejection::PollPrivate(channel.to_string()));
        }
        positions.push(Position { channel, after });
    }
    Ok(positions)
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

fn parse_serial(text: &str) -> Result<u64, Rejection> {
    // 15 digits stay whole in JavaScript.
    if (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_err(|_| Rejection::PollAfter)
    } else {
        Err(Rejection::PollAfter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_and_serials_go_together() {
        let positions = parse("channels=a,b&after=7,0&_=123").expect("two channels");
        assert_eq!(
            positions
                .iter()
                .map(|p| (p.channel.as_str(), p.after))
                .collect::<Vec<_>>(),
            [("a", 7), ("b", 0)]
        );
        assert_eq!(print_after(&positions), "7,0");
        assert_eq!(parse("channels=a%2Cb").expect("two channels").len(), 2);
        assert_eq!(parse("channels=a&after=").expect("one channel")[0].after, 0);
    }

    #[test]
    fn a_bad_poll_names_the_rule() {
        let many = format!(
            "channels={}",
            (0..21).map(|n| n.to_string()).collect::<Vec<_>>().join(",")
        );
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
            ("channels=a&after=9999999999999999", Rejection::PollAfter),
            (
                "channels=private-a",
                Rejection::PollPrivate("private-a".to_owned()),
            ),
        ] {
            assert_eq!(parse(query), Err(rejection), "{query}");
        }
        assert!(matches!(
            parse("channels=a,"),
            Err(Rejection::ChannelNamed { .. })
        ));
        assert!(parse(&format!("channels={}", "a".repeat(QUERY_MAX_BYTES))).is_err());
    }
}
