//! A channel's item: how many subscribe, the serial of its last publication, and who may announce on
//! it. It stays under 1 KB: DynamoDB bills and locks the whole item.

use aws_sdk_dynamodb::types::ReturnValue;
use serde::Deserialize;

use super::audience::Audience;
use super::client::Table;
use super::item::{Item, conditional, fault, number, read};
use super::keys::ChannelKey;
use super::lease::Lease;
use super::lease::LeaseRow;
use super::once::TakenSerial;
use super::{audience, conflict};
use crate::aws::schema::TTL;
use crate::model::error::Fault;
use crate::model::limits::{CACHE_MISS_SECS, CHANNEL_IDLE_SECS};
use crate::model::time::UnixMillis;
use crate::model::webhook::is_back;

/// The attribute of a channel's item that says that it goes through the queue.
pub(super) const QUEUED: &str = "queued";
/// What its last subscriber takes along.
pub(super) const NO_LONGER_LARGE: &str = "queued, shards";

/// What a publication learns from its channel's item.
#[derive(Clone, Copy, Debug)]
pub struct NextSerial {
    /// The serial that is now this publication's, the last one of those that were taken.
    pub serial: u64,
    /// When the publication before the first of them was made; 0 when there was none.
    pub previous_at: UnixMillis,
    /// Who is there to get it.
    pub audience: Audience,
}

impl NextSerial {
    /// What an attempt notes of it.
    pub(crate) const fn taken(&self) -> TakenSerial {
        TakenSerial {
            serial: self.serial,
            previous_at: self.previous_at,
        }
    }
}

/// What a fan-out saw that found nobody.
#[derive(Clone, Copy, Debug)]
pub struct Correction {
    /// The count that turned out to be wrong.
    pub seen: u64,
    /// When it was seen.
    pub at: UnixMillis,
}

/// What a subscriber learns from its channel's item.
#[derive(Debug)]
pub struct Counted {
    /// How many they are, this one included: perhaps too many, never too few.
    pub subscribers: u64,
    /// How many shards the channel's subscribers are in, at least 1.
    pub shards: u32,
    /// How many users were on it when they were last announced.
    pub members: u64,
    /// When it has become occupied by this one subscriber, if it has, and nobody has just left it.
    pub occupied_at: Option<UnixMillis>,
    /// The lease on the channel's announcements, if it was asked for and free.
    pub lease: Option<Lease>,
    /// What was last published on it.
    pub tip: Tip,
}

/// The end of a channel's log, as its item has it: what has this serial may still be on its way into
/// the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tip {
    /// The last serial that was taken; 0 when none was.
    pub serial: u64,
    /// When it was.
    pub published_at: UnixMillis,
}

impl Counted {
    /// Reads what the item said before it was counted, at a time by this machine's clock.
    pub(super) fn read(
        operation: &'static str,
        item: Option<Item>,
        owner: Option<&str>,
        clock: UnixMillis,
    ) -> Result<Self, Fault> {
        let item = item.unwrap_or_default();
        let lease = match owner {
            Some(owner) => Some(read::<LeaseRow>(operation, item.clone())?.taken_by(owner)),
            None => None,
        };
        let row: ChannelRow = read(operation, item)?;
        Ok(Self {
            subscribers: u64::try_from(row.subscribers).unwrap_or(0) + 1,
            shards: row.shards(),
            members: row.members,
            occupied_at: (row.subscribers <= 0 && !is_back(row.vacated_at, clock)).then_some(clock),
            lease,
            tip: row.tip(),
        })
    }
}

/// What is known once a subscriber was counted out.
#[derive(Debug, Default)]
pub struct CountedOut {
    /// When it left the channel without any, if it was the last.
    pub vacated_at: Option<UnixMillis>,
    /// The lease on the channel's announcements, if it was asked for and free.
    pub lease: Option<Lease>,
}

#[derive(Default, Deserialize)]
pub(super) struct ChannelRow {
    #[serde(default)]
    serial: u64,
    #[serde(default)]
    previous_at: UnixMillis,
    #[serde(default)]
    published_at: UnixMillis,
    #[serde(default)]
    pub(super) subscribers: i64,
    #[serde(default)]
    shards: Option<u32>,
    #[serde(default)]
    members: u64,
    #[serde(default)]
    vacated_at: Option<UnixMillis>,
}

impl ChannelRow {
    /// At least 1.
    pub(super) fn shards(&self) -> u32 {
        self.shards.unwrap_or(1)
    }

    pub(super) const fn tip(&self) -> Tip {
        Tip {
            serial: self.serial,
            published_at: self.published_at,
        }
    }
}

impl Table {
    /// Takes a channel's next `count` serials, and answers the last. The first one ever is the time, so
    /// that a channel forgotten and born again does not go back. One write, tried again for two seconds
    /// while transactions are under way on the item; a repeated attempt may skip serials, which a reader
    /// closes.
    ///
    /// # Errors
    /// [`Fault::Table`]: serials may have been skipped. [`Fault::Row`].
    pub async fn next_serials(
        &self,
        of: &ChannelKey,
        count: u64,
        now: UnixMillis,
    ) -> Result<NextSerial, Fault> {
        const OPERATION: &str = "take next serial";
        let update = self
            .update_channel(of)
            .update_expression(
                "SET serial = if_not_exists(serial, :before) + :count, previous_at = if_not_exists(published_at, :never), published_at = :now, #ttl = :ttl",
            )
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_values(":before", number(now.0.saturating_sub(1)))
            .expression_attribute_values(":count", number(count))
            .expression_attribute_values(":never", number(0))
            .expression_attribute_values(":now", number(now.0))
            .expression_attribute_values(":ttl", number(now.plus_secs(CHANNEL_IDLE_SECS).secs()))
            .return_values(ReturnValue::AllNew);
        let mut pauses = conflict::PAUSES.into_iter();
        let updated = loop {
            match (update.clone().send().await, pauses.next()) {
                (Ok(updated), _) => break updated,
                (Err(error), Some(pause)) if conflict::is_conflict(&error) => {
                    tokio::time::sleep(pause).await;
                }
                (Err(error), _) => return Err(fault(OPERATION, error)),
            }
        };
        let item = updated.attributes.unwrap_or_default();
        let audience = audience::read_from(OPERATION, item.clone())?;
        let row: ChannelRow = read(OPERATION, item)?;
        Ok(NextSerial {
            serial: row.serial,
            previous_at: row.previous_at,
            audience,
        })
    }

    /// Notes that somebody was told that a cache channel has nothing to show, unless that was noted a
    /// short while ago and nothing was published since. One write; a repeated attempt may find its own
    /// note.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be noted.
    pub async fn note_miss(&self, of: &ChannelKey, now: UnixMillis) -> Result<bool, Fault> {
        let update = self
            .update_channel(of)
            .update_expression("SET missed_at = :now")
            .condition_expression(
                "attribute_exists(pk) AND (attribute_not_exists(missed_at) \
                 OR missed_at < :before OR missed_at <= published_at)",
            )
            .expression_attribute_values(":now", number(now.0))
            .expression_attribute_values(":before", number(now.minus_secs(CACHE_MISS_SECS).0));
        let noted = conditional("note cache miss", update.send().await)?;
        Ok(noted.is_some())
    }
}
