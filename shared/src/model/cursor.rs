//! Cursors: where a reader stands, signed, so that it may be kept by the reader itself.
//!
//! A cursor is good for one app and one list of channels: both are under its signature, and neither is
//! in it. What it opens is not in it either: a private channel's reader has a row, and each read looks
//! whether it is still there.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use crate::model::channel::Channel;
use crate::model::error::Rejection;
use crate::model::reading::ReaderId;
use crate::model::secret::{OwnKey, Secret};
use crate::model::time::UnixMillis;

/// The first byte of each: that of another form is refused.
const VERSION: u8 = 1;
/// Half of a SHA-256: 128 bits are beyond any guessing.
const MAC_BYTES: usize = 16;
/// What the signature begins with, so that nothing else that is signed with the key is a cursor.
const CONTEXT: &[u8] = b"cursor\0";

/// Where a reader stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The row of what was granted, if anything was.
    pub reader: Option<ReaderId>,
    /// Until when it is good.
    pub expires_at: UnixMillis,
    /// Whoever polls comes back no sooner.
    pub not_before: UnixMillis,
    /// The last serial that the reader has of each channel, in their order.
    pub after: Vec<u64>,
}

impl OwnKey {
    /// Prints a cursor: at most 330 characters that a URL and a header take as they are.
    #[must_use]
    pub fn seal(&self, app_id: &str, channels: &[Channel], cursor: &Cursor) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&cursor.expires_at.0.to_be_bytes());
        bytes.extend_from_slice(&cursor.not_before.0.to_be_bytes());
        for after in &cursor.after {
            bytes.extend_from_slice(&after.to_be_bytes());
        }
        if let Some(reader) = &cursor.reader {
            bytes.extend_from_slice(&reader.owner);
            bytes.extend_from_slice(reader.id.as_bytes());
        }
        let key = self.secrets().current();
        bytes.extend_from_slice(&mac(key, app_id, channels, &bytes));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor of this app and these channels, expired or not.
    ///
    /// # Errors
    /// [`Rejection::CursorRefused`], whatever is wrong with it.
    pub fn open(
        &self,
        app_id: &str,
        channels: &[Channel],
        text: &str,
    ) -> Result<Cursor, Rejection> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let parts = bytes
            .as_deref()
            .and_then(|bytes| bytes.split_last_chunk::<MAC_BYTES>());
        let (bytes, given) = parts.ok_or(Rejection::CursorRefused)?;
        let keys = self.secrets();
        if !keys.any(|key| mac(key, app_id, channels, bytes).ct_eq(given)) {
            return Err(Rejection::CursorRefused);
        }
        parse(bytes, channels.len()).ok_or(Rejection::CursorRefused)
    }
}

fn mac(key: &Secret, app_id: &str, channels: &[Channel], bytes: &[u8]) -> [u8; MAC_BYTES] {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(CONTEXT);
    // Neither has a zero in it.
    mac.update(app_id.as_bytes());
    for channel in channels {
        mac.update(&[0]);
        mac.update(channel.as_str().as_bytes());
    }
    mac.update(&[0, 0]);
    mac.update(bytes);
    let whole = mac.finalize().into_bytes();
    std::array::from_fn(|n| whole[n])
}

fn parse(bytes: &[u8], channels: usize) -> Option<Cursor> {
    let (version, bytes) = bytes.split_first()?;
    let (expires_at, bytes) = number(bytes)?;
    let (not_before, mut bytes) = number(bytes)?;
    let mut after = Vec::with_capacity(channels);
    for _ in 0..channels {
        let (serial, rest) = number(bytes)?;
        after.push(serial);
        bytes = rest;
    }
    let reader = match bytes.split_first_chunk::<16>() {
        None if bytes.is_empty() => None,
        Some((owner, id)) => Some(ReaderId {
            owner: *owner,
            id: Uuid::from_slice(id).ok()?,
        }),
        None => return None,
    };
    (*version == VERSION).then_some(Cursor {
        reader,
        expires_at: UnixMillis(expires_at),
        not_before: UnixMillis(not_before),
        after,
    })
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::limits::{CURSOR_MAX_CHARS, POLL_CHANNELS_MAX};

    fn key(text: &str) -> OwnKey {
        OwnKey::parse(&text.repeat(32)).expect("long enough")
    }

    fn channels(names: &[&str]) -> Vec<Channel> {
        let parse = |name: &&str| Channel::parse(name).expect("a name");
        names.iter().map(parse).collect()
    }

    fn cursor(reader: Option<ReaderId>, channels: usize) -> Cursor {
        Cursor {
            reader,
            expires_at: UnixMillis(1_790_000_000_000),
            not_before: UnixMillis(1),
            after: (0..channels as u64).collect(),
        }
    }

    #[test]
    fn a_cursor_is_read_back_by_whoever_has_the_key() {
        let names = channels(&["a", "private-b"]);
        for reader in [
            None,
            Some(ReaderId::new(Uuid::now_v7(), None)),
            Some(ReaderId::new(Uuid::now_v7(), Some("7"))),
        ] {
            let cursor = cursor(reader, 2);
            let text = key("k").seal("1001", &names, &cursor);
            assert_eq!(key("k").open("1001", &names, &text), Ok(cursor));
        }
        let long: Vec<Channel> = (0..POLL_CHANNELS_MAX)
            .map(|n| Channel::parse(&format!("{n}{}", "c".repeat(190))).expect("a name"))
            .collect();
        let largest = cursor(Some(ReaderId::new(Uuid::now_v7(), None)), POLL_CHANNELS_MAX);
        assert!(key("k").seal("1001", &long, &largest).len() <= CURSOR_MAX_CHARS);
    }

    #[test]
    fn a_cursor_outlives_the_key_that_signed_it_while_that_is_still_good() {
        let names = channels(&["a"]);
        let cursor = cursor(None, 1);
        let text = key("k").seal("1001", &names, &cursor);
        let both = format!("{} {}", "l".repeat(32), "k".repeat(32));
        let both = OwnKey::parse(&both).expect("two keys");
        assert_eq!(both.open("1001", &names, &text).as_ref(), Ok(&cursor));
        let new = both.seal("1001", &names, &cursor);
        assert_eq!(key("l").open("1001", &names, &new), Ok(cursor));
    }

    #[test]
    fn a_cursor_of_another_is_none() {
        let names = channels(&["a", "b"]);
        let text = key("k").seal("1001", &names, &cursor(None, 2));
        let refused = Err(Rejection::CursorRefused);
        assert_eq!(key("l").open("1001", &names, &text), refused);
        assert_eq!(key("k").open("1002", &names, &text), refused);
        for others in [["a", "c"].as_slice(), &["b", "a"], &["a"], &["a", "b", "c"]] {
            assert_eq!(key("k").open("1001", &channels(others), &text), refused);
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(&text).expect("its own text");
        for place in 0..bytes.len() {
            bytes[place] ^= 1;
            let changed = URL_SAFE_NO_PAD.encode(&bytes);
            assert_eq!(key("k").open("1001", &names, &changed), refused, "{place}");
            bytes[place] ^= 1;
        }
        for text in ["", "a", "!", &text[1..], &format!("{text}A")] {
            assert_eq!(key("k").open("1001", &names, text), refused, "{text}");
        }
    }
}
