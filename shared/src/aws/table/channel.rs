//! A channel's item: how many subscribe, the serial of its last publication, and who may announce on
//! it. It stays under 1 KB: DynamoDB bills and locks the whole item.

use aws_sdk_dynamodb::config::Config as SdkConfig;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::types::ReturnValue;
use serde::Deserialize;

use super::lease::{self, LeaseRow};
use super::{ChannelKey, Item, Lease, Table, conditional, fault, number, partition, read, string};
use crate::error::Fault;
use crate::limits::{CACHE_MISS_SECS, CHANNEL_IDLE_SECS, JOIN_GRACE_SECS};
use crate::schema::{PARTITION_KEY, SORT_KEY, TTL};
use crate::time::UnixMillis;
use crate::webhook::is_back;

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

/// What a subscriber learns from its channel's item.
#[derive(Debug)]
pub struct Counted {
    /// How many shards the channel's subscribers are in, at least 1.
    pub shards: u32,
    /// How many users were on it when they were last announced.
    pub members: u64,
    /// When it has become occupied by this one subscriber, if it has, and nobody has just left it.
    pub occupied_at: Option<UnixMillis>,
    /// The lease on the channel's announcements, if it was asked for and free.
    pub lease: Option<Lease>,
}

impl Counted {
    /// Reads what the item said before it was counted, at a time by this machine's clock.
    fn read(
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
            shards: row.shards(),
            members: row.members,
            occupied_at: (row.subscribers <= 0 && !is_back(row.vacated_at, clock)).then_some(clock),
            lease,
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

/// Whether anybody is on a channel, as its item says.
#[derive(Clone, Copy, Debug)]
pub struct Vacancy {
    /// How many are counted.
    pub subscribers: u64,
    /// How many shards they would be in.
    pub shards: u32,
    /// When one was last counted out.
    pub vacated_at: Option<UnixMillis>,
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
    #[serde(default)]
    members: u64,
    #[serde(default)]
    vacated_at: Option<UnixMillis>,
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
            .update_channel(of)
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

    /// Counts one subscriber more, before its row is there. With an `owner` it also takes the
    /// lease on the channel's announcements, unless another holder has it. One write (two when the
    /// lease is taken already); a repeated attempt may count twice: too high is allowed, too low
    /// is not.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be counted. [`Fault::Row`].
    pub async fn count_up(
        &self,
        of: &ChannelKey,
        now: UnixMillis,
        owner: Option<&str>,
    ) -> Result<Counted, Fault> {
        const OPERATION: &str = "count subscriber";
        let clock = crate::aws::now();
        let counting = |set: &str, add: &str| {
            self.update_channel(of)
                .update_expression(format!(
                    "SET joined_at = :now, #ttl = :ttl{set} ADD subscribers :one{add}"
                ))
                .expression_attribute_names("#ttl", TTL)
                .expression_attribute_values(":now", number(now.0))
                .expression_attribute_values(
                    ":ttl",
                    number(now.plus_secs(CHANNEL_IDLE_SECS).secs()),
                )
                .expression_attribute_values(":one", number(1))
                // What was there before says how the lease was left.
                .return_values(ReturnValue::AllOld)
        };
        if let Some(owner) = owner {
            let update = counting(&format!(", {}", lease::TAKE), ", changes :one");
            let update = lease::taking(update, &partition::channel(of), owner, clock);
            let update = update.condition_expression(lease::FREE);
            if let Some(counted) = conditional(OPERATION, update.send().await)? {
                return Counted::read(OPERATION, counted.attributes, Some(owner), clock);
            }
        }
        let counted = counting("", "").send().await;
        let counted = counted.map_err(|error| fault(OPERATION, error))?;
        Counted::read(OPERATION, counted.attributes, None, clock)
    }

    /// Counts one subscriber less, after a delete that returned its row. With an `owner` it also
    /// takes the lease on the channel's announcements, if it is free. One write, one attempt:
    /// counted twice, it would silence the channel under somebody.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be counted, so the count may stay too high.
    pub async fn count_down(
        &self,
        of: &ChannelKey,
        owner: Option<&str>,
    ) -> Result<CountedOut, Fault> {
        const OPERATION: &str = "count subscriber out";
        let clock = crate::aws::now();
        let counting = |set: &str, add: &str, condition: &str| {
            self.update_channel(of)
                .update_expression(format!(
                    "SET vacated_at = :clock{set} ADD subscribers :less{add}"
                ))
                .expression_attribute_values(":clock", number(clock.0))
                .condition_expression(format!("subscribers > :none{condition}"))
                .expression_attribute_values(":less", number(-1))
                .expression_attribute_values(":none", number(0))
                .return_values(ReturnValue::AllOld)
        };
        let once = || SdkConfig::builder().retry_config(RetryConfig::disabled());
        if let Some(owner) = owner {
            let set = format!(", {}", lease::TAKE);
            let free = format!(" AND ({})", lease::FREE);
            let update = counting(&set, ", changes :one", &free)
                .expression_attribute_values(":one", number(1));
            let update = lease::taking(update, &partition::channel(of), owner, clock);
            let counted = update.customize().config_override(once()).send().await;
            if let Some(counted) = conditional(OPERATION, counted)? {
                let before = counted.attributes.unwrap_or_default();
                let lease: LeaseRow = read(OPERATION, before.clone())?;
                return Ok(CountedOut {
                    vacated_at: was_last(OPERATION, before)?.then_some(clock),
                    lease: Some(lease.taken_by(owner)),
                });
            }
        }
        let update = counting("", "", "").customize().config_override(once());
        let Some(counted) = conditional(OPERATION, update.send().await)? else {
            // It was already corrected to none.
            return Ok(CountedOut::default());
        };
        let before = counted.attributes.unwrap_or_default();
        Ok(CountedOut {
            vacated_at: was_last(OPERATION, before)?.then_some(clock),
            lease: None,
        })
    }

    /// Sets the count to none after a consistent query found nobody, unless somebody was counted
    /// since, or so lately that the row may still be on its way. Answers when, if it has. One write;
    /// may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: the count may stay too high.
    pub async fn correct_count(
        &self,
        of: &ChannelKey,
        Correction { seen, at }: Correction,
    ) -> Result<Option<UnixMillis>, Fault> {
        let clock = crate::aws::now();
        let update = self
            .update_channel(of)
            .update_expression("SET subscribers = :none, vacated_at = :clock")
            .condition_expression("subscribers = :seen AND joined_at < :settled")
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":clock", number(clock.0))
            .expression_attribute_values(":seen", number(seen))
            .expression_attribute_values(":settled", number(at.minus_secs(JOIN_GRACE_SECS).0));
        let corrected = conditional("correct count", update.send().await)?;
        Ok(corrected.map(|_| clock))
    }

    /// Reads whether anybody is on a channel: one consistent read.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn vacancy(&self, of: &ChannelKey) -> Result<Vacancy, Fault> {
        const OPERATION: &str = "read vacancy";
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::channel(of)))
            .key(SORT_KEY, string(partition::CHANNEL))
            .consistent_read(true);
        let found = get.send().await.map_err(|error| fault(OPERATION, error))?;
        let row: ChannelRow = read(OPERATION, found.item.unwrap_or_default())?;
        Ok(Vacancy {
            subscribers: u64::try_from(row.subscribers).unwrap_or(0),
            shards: row.shards(),
            vacated_at: row.vacated_at,
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

/// Whether one was counted that was the last.
fn was_last(operation: &'static str, before: Item) -> Result<bool, Fault> {
    read::<ChannelRow>(operation, before).map(|row| row.subscribers == 1)
}
