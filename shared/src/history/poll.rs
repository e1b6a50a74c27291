//! Polls: what was published after a position, and when to come back.

use std::time::Duration;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::aws::table::ChannelKey;
use crate::aws::{Clock, Services};
use crate::history::follow::{Beginning, admit, last};
use crate::history::log_reader::{Read, ReadEvent};
use crate::model::app::App;
use crate::model::error::{Error, Fault, Rejection};
use crate::model::limits::{FOLLOW_PAUSE, RETRY_AFTER_SECS};
use crate::model::reading::{Asked, print_after};
use crate::model::secret::OwnKey;
use crate::model::time::UnixMillis;

/// The answer to a poll.
#[derive(Debug, Serialize)]
pub struct Poll {
    /// What was published, by channel in the order asked, by serial within each.
    pub events: Vec<ReadEvent>,
    /// What to send as `after` next time, if the channels are public.
    pub after: String,
    /// The channels on which something was published that is not kept any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub truncated: Vec<String>,
    /// What to send as `cursor` next time, for whoever has brought a token or a cursor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// When to come back, in seconds.
    #[serde(skip)]
    pub retry_after_secs: u64,
}

impl Poll {
    /// Tells this answer from every other to the same question.
    #[must_use]
    pub fn tag(&self) -> String {
        let mut hasher = Sha256::new();
        let of_events = self
            .events
            .iter()
            .map(|event| (&event.channel, event.serial));
        for (channel, serial) in of_events {
            hasher.update(channel.as_bytes());
            hasher.update(serial.to_be_bytes());
        }
        hasher.update(self.after.as_bytes());
        for channel in &self.truncated {
            hasher.update([0]);
            hasher.update(channel.as_bytes());
        }
        format!("\"{}\"", &hex::encode(hasher.finalize())[..32])
    }
}

/// Answers a poll: what [`admit`] and `Follower::read` cost, the latter twice a second for one that
/// waits.
///
/// # Errors
/// A rejection, or a [`Fault`].
pub async fn poll(
    services: &Services,
    app: &App,
    key: &OwnKey,
    asked: Asked,
    now: UnixMillis,
) -> Result<Poll, Error> {
    let clock = Clock::start(now, Duration::from_secs(asked.wait_secs));
    let mut follower = admit(services, app, key, asked, Beginning::Oldest, now).await?;
    let mut events = follower.take_first();
    for event in &events {
        follower.shown(event);
    }
    let positions = follower.positions.iter();
    let begins: Vec<ChannelKey> = positions
        .filter(|at| at.after == 0 && at.channel.keeps_last())
        .map(|at| ChannelKey::new(app.id(), &at.channel))
        .collect();
    let mut now = now;
    let (mut read, kept) = loop {
        let read = follower.read(services, now).await?;
        let read = read.ok_or(Rejection::CursorRefused)?;
        let kept = kept(services, &begins, &read, now).await?;
        let found = [&events, &kept, &read.events].map(Vec::len) != [0; 3];
        if found || !read.truncated.is_empty() || clock.is_over() {
            break (read, kept);
        }
        follower.advance(read);
        tokio::time::sleep(FOLLOW_PAUSE).await;
        now = clock.now();
    };
    let retry_after_secs = retry_after_secs(read.last_at, read.unfinished, now);
    events.extend(kept.iter().cloned());
    events.append(&mut read.events);
    let truncated = std::mem::take(&mut read.truncated);
    follower.advance(read);
    for event in &kept {
        follower.shown(event);
    }
    let not_before = now.plus_secs(retry_after_secs);
    Ok(Poll {
        events,
        after: print_after(&follower.positions),
        truncated,
        cursor: follower.is_own.then(|| follower.cursor(not_before)),
        retry_after_secs,
    })
}

/// The last publications of channels that keep theirs and that a reader has nothing of, where the log
/// does not hold them any more.
async fn kept(
    services: &Services,
    begins: &[ChannelKey],
    read: &Read,
    now: UnixMillis,
) -> Result<Vec<ReadEvent>, Fault> {
    let mut kept = Vec::new();
    for of in begins {
        let channel = of.channel.as_str();
        let mut events = read.events.iter().filter(|event| event.channel == channel);
        let first = events.next().map(|event| event.serial);
        let last = last(services, of, now).await?;
        kept.extend(last.filter(|last| first.is_none_or(|first| last.serial < first)));
    }
    Ok(kept)
}

/// The time since the last publication, within bounds; at once when there is more to be had.
fn retry_after_secs(last_at: Option<UnixMillis>, unfinished: bool, now: UnixMillis) -> u64 {
    let (shortest, longest) = RETRY_AFTER_SECS.into_inner();
    match last_at {
        _ if unfinished => shortest,
        Some(at) => (now.millis_since(at) / 1_000).clamp(shortest, longest),
        None => longest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(10_000_000);

    #[test]
    fn coming_back_is_as_urgent_as_the_channel_is_lively() {
        assert_eq!(retry_after_secs(Some(NOW), false, NOW), 1);
        assert_eq!(retry_after_secs(Some(NOW.minus_secs(12)), false, NOW), 12);
        assert_eq!(retry_after_secs(Some(NOW.minus_secs(300)), false, NOW), 30);
        assert_eq!(retry_after_secs(None, false, NOW), 30);
        assert_eq!(retry_after_secs(Some(NOW.minus_secs(12)), true, NOW), 1);
    }
}
