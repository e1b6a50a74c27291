//! How many subscribe to a channel: counted up before a row is written, and down after one is deleted.

use aws_sdk_dynamodb::config::Config as SdkConfig;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::channel::{ChannelRow, Correction, Counted, CountedOut, NO_LONGER_LARGE};
use super::client::Table;
use super::item::{conditional, fault, number, read, string};
use super::keys::ChannelKey;
use super::lease::{self, LeaseRow};
use super::{conflict, occupied, partition};
use crate::aws::clock;
use crate::aws::schema::{OCCUPIED_SHARD, TTL};
use crate::model::error::Fault;
use crate::model::limits::{CHANNEL_IDLE_SECS, JOIN_GRACE_SECS};
use crate::model::time::UnixMillis;

/// Times that a subscriber is counted out of a count that changes meanwhile.
const COUNT_ATTEMPTS: usize = 8;

impl Table {
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
        let clock = clock::now();
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
        let clock = clock::now();
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
        let clock = clock::now();
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
}
