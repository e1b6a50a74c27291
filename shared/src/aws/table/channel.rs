//! A channel's item: how many subscribe, the serial of its last publication, and who may announce on
//! it. It stays under 1 KB: DynamoDB bills and locks the whole item.

use aws_sdk_dynamodb::config::Config as SdkConfig;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use serde::Deserialize;

use super::growth::NO_LONGER_LARGE;
use super::lease::{self, LeaseRow};
use super::{
    Audience, ChannelKey, Item, Lease, Table, TakenSerial, audience, conditional, conflict, fault,
    number, occupied, partition, read, string,
};
use crate::aws::schema::{OCCUPIED_SHARD, TTL};
use crate::model::error::Fault;
use crate::model::limits::{CACHE_MISS_SECS, CHANNEL_IDLE_SECS, JOIN_GRACE_SECS};
use crate::model::time::UnixMillis;
use crate::model::webhook::is_back;

/// Times that a subscriber is counted out of a count that changes meanwhile.
const COUNT_ATTEMPTS: usize = 8;

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
    subscribers: i64,
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

    /// Counts one subscriber more, before its row is there: from the first one on the channel is in
    /// the index of those that somebody is on. With an `owner` it also takes the
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
                    "SET joined_at = :now, #ttl = :ttl, #occupied = :occupied{set} ADD subscribers :one{add}"
                ))
                .expression_attribute_names("#ttl", TTL)
                .expression_attribute_names("#occupied", OCCUPIED_SHARD)
                .expression_attribute_values(":occupied", string(occupied::shard_of(of)))
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

    /// Counts one subscriber less, after a delete that returned its row; after the last one the channel
    /// is in the index of occupied ones no more, and no large one. With an `owner` it also takes the lease on the channel's
    /// announcements, if it is free. One write, two for the last one and one more while others have the
    /// lease; no attempt is repeated: counted twice, it would silence the channel under somebody.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be counted, so the count may stay too high. [`Fault::Row`].
    pub async fn count_down(
        &self,
        of: &ChannelKey,
        owner: Option<&str>,
    ) -> Result<CountedOut, Fault> {
        const OPERATION: &str = "count subscriber out";
        let clock = crate::aws::now();
        let (mut owner, mut is_last) = (owner, false);
        let mut pauses = conflict::PAUSES.into_iter();
        for _ in 0..COUNT_ATTEMPTS {
            let update = self.counting_down(of, owner, is_last, clock);
            let once = SdkConfig::builder().retry_config(RetryConfig::disabled());
            let counted = update.customize().config_override(once).send().await;
            let error = match counted {
                Ok(counted) => {
                    let vacated_at = is_last.then_some(clock);
                    let Some(owner) = owner else {
                        return Ok(CountedOut {
                            vacated_at,
                            lease: None,
                        });
                    };
                    let before: LeaseRow = read(OPERATION, counted.attributes.unwrap_or_default())?;
                    let lease = Some(before.taken_by(owner));
                    return Ok(CountedOut { vacated_at, lease });
                }
                // Nothing was written, so another attempt is none too many.
                Err(error) if conflict::is_conflict(&error) => {
                    if let Some(pause) = pauses.next() {
                        tokio::time::sleep(pause).await;
                        continue;
                    }
                    return Err(fault(OPERATION, error));
                }
                Err(error) => error,
            };
            let Some(UpdateItemError::ConditionalCheckFailedException(failed)) =
                error.as_service_error()
            else {
                return Err(fault(OPERATION, error));
            };
            // As little was written.
            let found = failed.item.clone().unwrap_or_default();
            if owner.is_some() && !lease::is_free(OPERATION, found.clone())? {
                owner = None;
            }
            let row: ChannelRow = read(OPERATION, found)?;
            if row.subscribers <= 0 {
                // It was already corrected to none.
                return Ok(CountedOut::default());
            }
            is_last = row.subscribers == 1;
        }
        tracing::warn!(channel = %of.channel, "count left too high: it changes too fast");
        Ok(CountedOut::default())
    }

    /// What counts one subscriber less: the last one, or one of several.
    fn counting_down(
        &self,
        of: &ChannelKey,
        owner: Option<&str>,
        is_last: bool,
        clock: UnixMillis,
    ) -> UpdateItemFluentBuilder {
        let update = self
            .update_channel(of)
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":clock", number(clock.0))
            // What was there before says how the lease was left.
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let (mut set, mut remove, mut add) =
            (vec!["vacated_at = :clock"], String::new(), Vec::new());
        let mut condition = if is_last {
            set.push("subscribers = :none");
            remove = format!(" REMOVE #occupied, {NO_LONGER_LARGE}");
            "subscribers = :one".to_owned()
        } else {
            add.push("subscribers :less");
            "subscribers > :one".to_owned()
        };
        let mut update = if is_last {
            update
                .expression_attribute_names("#occupied", OCCUPIED_SHARD)
                .expression_attribute_values(":none", number(0))
        } else {
            update.expression_attribute_values(":less", number(-1))
        };
        if let Some(owner) = owner {
            set.push(lease::TAKE);
            add.push("changes :one");
            condition = format!("{condition} AND ({})", lease::FREE);
            update = lease::taking(update, &partition::channel(of), owner, clock);
        }
        let clause = |keyword: &str, parts: &[&str]| match parts {
            [] => String::new(),
            parts => format!("{keyword} {}", parts.join(", ")),
        };
        update
            .update_expression(format!(
                "{}{remove} {}",
                clause("SET", &set),
                clause("ADD", &add)
            ))
            .condition_expression(condition)
    }

    /// Sets the count to none, and takes the channel out of the index, after a consistent query found
    /// nobody, unless somebody was counted since, or so lately that the row may still be on its way.
    /// Answers when, if it has. One write; may be repeated.
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
            .update_expression(format!(
                "SET subscribers = :none, vacated_at = :clock REMOVE #occupied, {NO_LONGER_LARGE}"
            ))
            .condition_expression("subscribers = :seen AND joined_at < :settled")
            .expression_attribute_names("#occupied", OCCUPIED_SHARD)
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":clock", number(clock.0))
            .expression_attribute_values(":seen", number(seen))
            .expression_attribute_values(":settled", number(at.minus_secs(JOIN_GRACE_SECS).0));
        let corrected = conditional("correct count", update.send().await)?;
        Ok(corrected.map(|_| clock))
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
