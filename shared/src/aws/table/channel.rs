//! A channel's item: how many subscribe, and the serial of its last publication. It stays under
//! 1 KB: DynamoDB bills and locks the whole item.

use aws_sdk_dynamodb::config::Config as SdkConfig;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::ReturnValue;
use serde::Deserialize;

use super::{ChannelKey, Table, conditional, fault, number, partition, read, string};
use crate::error::Fault;
use crate::limits::{CHANNEL_IDLE_SECS, JOIN_GRACE_SECS};
use crate::schema::{PARTITION_KEY, SORT_KEY, TTL};
use crate::time::UnixMillis;

/// What a publication learns from its channel's item.
#[derive(Clone, Copy, Debug)]
pub struct NextSerial {
    /// The serial that is now this publication's.
    pub serial: u64,
    /// When the publication before it was made; 0 for the first.
    pub previous_at: UnixMillis,
    /// How many subscribe: perhaps too many, never too few.
    pub subscribers: u64,
    /// How many shards they are in, at least 1.
    pub shards: u32,
}

/// What a fan-out saw that found nobody.
#[derive(Clone, Copy, Debug)]
pub struct Correction {
    /// The count that turned out to be wrong.
    pub seen: u64,
    /// When it was seen.
    pub at: UnixMillis,
}

#[derive(Deserialize)]
struct ChannelRow {
    #[serde(default)]
    serial: u64,
    #[serde(default)]
    previous_at: UnixMillis,
    #[serde(default)]
    subscribers: i64,
    #[serde(default)]
    shards: Option<u32>,
}

impl ChannelRow {
    fn shards(&self) -> u32 {
        self.shards.unwrap_or(1)
    }
}

impl Table {
    /// Takes a channel's next serial. The first one is the time, so that a channel forgotten and
    /// born again does not go back. One write; a repeated attempt may skip a serial, which a
    /// reader closes.
    ///
    /// # Errors
    /// [`Fault::Table`]: a serial may have been skipped. [`Fault::Row`].
    pub async fn next_serial(&self, of: &ChannelKey, now: UnixMillis) -> Result<NextSerial, Fault> {
        const OPERATION: &str = "take next serial";
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::channel(of)))
            .key(SORT_KEY, string(partition::CHANNEL))
            .update_expression(
                "SET serial = if_not_exists(serial, :before) + :one, previous_at = if_not_exists(published_at, :never), published_at = :now, #ttl = :ttl",
            )
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_values(":before", number(now.0.saturating_sub(1)))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":never", number(0))
            .expression_attribute_values(":now", number(now.0))
            .expression_attribute_values(":ttl", number(now.plus_secs(CHANNEL_IDLE_SECS).secs()))
            .return_values(ReturnValue::AllNew);
        let updated = update
            .send()
            .await
            .map_err(|error| fault(OPERATION, error))?;
        let row: ChannelRow = read(OPERATION, updated.attributes.unwrap_or_default())?;
        Ok(NextSerial {
            serial: row.serial,
            previous_at: row.previous_at,
            subscribers: u64::try_from(row.subscribers).unwrap_or(0),
            shards: row.shards(),
        })
    }

    /// Counts one subscriber more, before its row is there, and answers how many shards its channel's
    /// subscribers are in. One write; a repeated attempt may count twice: too high is allowed, too low is not.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be counted. [`Fault::Row`].
    pub async fn count_up(&self, of: &ChannelKey, now: UnixMillis) -> Result<u32, Fault> {
        const OPERATION: &str = "count subscriber";
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::channel(of)))
            .key(SORT_KEY, string(partition::CHANNEL))
            .update_expression("SET joined_at = :now, #ttl = :ttl ADD subscribers :one")
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_values(":now", number(now.0))
            .expression_attribute_values(":ttl", number(now.plus_secs(CHANNEL_IDLE_SECS).secs()))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew);
        let updated = update
            .send()
            .await
            .map_err(|error| fault(OPERATION, error))?;
        read::<ChannelRow>(OPERATION, updated.attributes.unwrap_or_default())
            .map(|row| row.shards())
    }

    /// Counts one subscriber less, after a delete that returned its row. One write, one attempt:
    /// counted twice, it would silence the channel under somebody.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be counted, so the count may stay too high.
    pub async fn count_down(&self, of: &ChannelKey) -> Result<(), Fault> {
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::channel(of)))
            .key(SORT_KEY, string(partition::CHANNEL))
            .update_expression("ADD subscribers :less")
            .condition_expression("subscribers > :none")
            .expression_attribute_values(":less", number(-1))
            .expression_attribute_values(":none", number(0))
            .customize()
            .config_override(SdkConfig::builder().retry_config(RetryConfig::disabled()));
        // Or it was already corrected to none.
        conditional("count subscriber out", update.send().await).map(drop)
    }

    /// Sets the count to none after a consistent query found nobody, unless somebody was counted
    /// since, or so lately that the row may still be on its way. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: the count may stay too high.
    pub async fn correct_count(
        &self,
        of: &ChannelKey,
        Correction { seen, at }: Correction,
    ) -> Result<(), Fault> {
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::channel(of)))
            .key(SORT_KEY, string(partition::CHANNEL))
            .update_expression("SET subscribers = :none")
            .condition_expression("subscribers = :seen AND joined_at < :settled")
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":seen", number(seen))
            .expression_attribute_values(":settled", number(at.minus_secs(JOIN_GRACE_SECS).0));
        conditional("correct count", update.send().await).map(drop)
    }
}
