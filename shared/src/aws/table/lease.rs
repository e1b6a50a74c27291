//! The lease on announcements, kept on a channel's item or a user's row: one announcer at a time.
//!
//! Whoever changes who is on a channel marks the item changed (`changes`) after the change and then
//! tries to take the lease; a user's row is changed and marked at once. The holder tells everybody and
//! gives the lease back only if `changes`
//! is still what it was when it last looked, so a change is told of by its author or by the holder.
//! A lease ends by itself; while there is one its row is in the index of what falls due, so
//! that the reaper takes over from a holder that died.

use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use serde::Deserialize;

use super::client::Table;
use super::item::{Item, conditional, fault, number, read, string};
use super::keys::{ChannelKey, UserKey};
use super::{due, partition};
use crate::aws::now;
use crate::aws::schema::{DUE_AT, DUE_SHARD, PARTITION_KEY, SORT_KEY};
use crate::model::error::Fault;
use crate::model::time::UnixMillis;

/// How long a lease lasts unless it is renewed: longer than any attempt of a holder's request, short
/// enough that a holder that died is replaced soon.
const LEASE: Duration = Duration::from_secs(10);
/// Times a lease that was just given back is asked for.
pub(super) const CLAIMS: usize = 8;

/// The operation, as the log knows it.
pub(super) const GIVE_BACK: &str = "give the lease back";
/// The condition under which a lease can be taken. Our own, met again, is one whose answer was lost.
pub(super) const FREE: &str =
    "attribute_not_exists(#lease) OR lease_until < :clock OR #lease = :owner";
/// What takes it.
pub(super) const TAKE: &str =
    "#lease = :owner, lease_until = :until, #due_shard = :due_shard, #due_at = :until";

/// Where a lease is kept.
#[derive(Clone, Copy, Debug)]
pub enum LeaseOn<'a> {
    /// On a channel's item: who comes and goes there.
    Channel(&'a ChannelKey),
    /// On a user's row: that it comes online and goes.
    User(&'a UserKey),
}

/// The right to announce.
#[derive(Debug)]
pub struct Lease {
    owner: String,
    /// How many changes there were when its holder last looked.
    changes: u64,
    /// Whether the holder before never gave it back: what it has told and not noted is not known.
    pub after_crash: bool,
}

impl Lease {
    /// How many changes there were when its holder last looked.
    #[must_use]
    pub const fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn owner(&self) -> &str {
        &self.owner
    }
}

/// What giving a lease back came to.
#[derive(Debug)]
pub enum Released<L = Lease> {
    /// It is given back, and everything was told.
    Yes,
    /// There were more changes: it is still held, for another look.
    Changed(L),
    /// Somebody else has it: it had ended.
    Lost,
}

#[derive(Deserialize)]
pub(super) struct LeaseRow {
    #[serde(default)]
    lease: Option<String>,
    #[serde(default)]
    lease_until: UnixMillis,
    #[serde(default)]
    changes: u64,
}

impl LeaseRow {
    /// The lease of a holder that has looked and still has it.
    fn held_by(&self, owner: &str) -> Option<Lease> {
        (self.lease.as_deref() == Some(owner)).then(|| Lease {
            owner: owner.to_owned(),
            changes: self.changes,
            after_crash: false,
        })
    }

    /// The lease that was taken from a row which said this before.
    pub(super) fn taken_by(self, owner: &str) -> Lease {
        Lease {
            owner: owner.to_owned(),
            changes: self.changes + 1,
            // Our own may be from an attempt whose answer was lost, after whatever was there.
            after_crash: self.lease.is_some(),
        }
    }

    fn is_free(&self, clock: UnixMillis) -> bool {
        self.lease.is_none() || self.lease_until < clock
    }
}

/// Names and values that [`FREE`] and [`TAKE`] need.
pub(super) fn taking(
    update: UpdateItemFluentBuilder,
    partition: &str,
    owner: &str,
    clock: UnixMillis,
) -> UpdateItemFluentBuilder {
    let until = clock.0.saturating_add(LEASE.as_secs() * 1_000);
    update
        .expression_attribute_names("#lease", "lease")
        .expression_attribute_names("#due_shard", DUE_SHARD)
        .expression_attribute_names("#due_at", DUE_AT)
        .expression_attribute_values(":owner", string(owner))
        .expression_attribute_values(":clock", number(clock.0))
        .expression_attribute_values(":until", number(until))
        .expression_attribute_values(":due_shard", due::shard_of(partition))
}

impl Table {
    fn update_leased(&self, on: LeaseOn<'_>) -> UpdateItemFluentBuilder {
        match on {
            LeaseOn::Channel(of) => self.update_channel(of),
            LeaseOn::User(of) => self.update_user(of),
        }
    }

    pub(super) fn update_channel(&self, of: &ChannelKey) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::channel(of)))
            .key(SORT_KEY, string(partition::CHANNEL))
    }

    /// Marks a channel changed and takes the lease on its announcements. `None`: another holder
    /// has it and will see the change. One write, or two; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be held; then it ends by itself. [`Fault::Row`].
    pub async fn claim(&self, of: &ChannelKey, owner: &str) -> Result<Option<Lease>, Fault> {
        const OPERATION: &str = "take the lease";
        for _ in 0..CLAIMS {
            let take = taking(
                self.update_channel(of),
                &partition::channel(of),
                owner,
                now(),
            )
            .update_expression(format!("SET {TAKE} ADD changes :one"))
            .condition_expression(FREE)
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllOld);
            if let Some(taken) = conditional(OPERATION, take.send().await)? {
                let before: LeaseRow = read(OPERATION, taken.attributes.unwrap_or_default())?;
                return Ok(Some(before.taken_by(owner)));
            }
            let mark = self
                .update_channel(of)
                .update_expression("ADD changes :one")
                .expression_attribute_values(":one", number(1))
                .return_values(ReturnValue::AllNew);
            let marked = mark.send().await.map_err(|error| fault(OPERATION, error))?;
            let row: LeaseRow = read(OPERATION, marked.attributes.unwrap_or_default())?;
            if !row.is_free(now()) {
                return Ok(None);
            }
            // It was given back between the two.
        }
        Ok(None)
    }

    /// Gives a lease back, if nothing has changed since its holder looked. `members` is how many
    /// users it found. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be given back; then it ends by itself. [`Fault::Row`].
    pub async fn release(
        &self,
        of: &ChannelKey,
        lease: Lease,
        members: usize,
    ) -> Result<Released, Fault> {
        let on = LeaseOn::Channel(of);
        let kept = self
            .give_back(on, &lease, "members", number(members))
            .await?;
        let Some(kept) = kept else {
            return Ok(Released::Yes);
        };
        let held = held(GIVE_BACK, kept, &lease.owner)?;
        Ok(held.map_or(Released::Lost, Released::Changed))
    }

    /// Gives a lease back with a note of what was told, if nothing has changed since its holder
    /// looked. Otherwise answers the row.
    pub(super) async fn give_back(
        &self,
        on: LeaseOn<'_>,
        lease: &Lease,
        note: &'static str,
        told: AttributeValue,
    ) -> Result<Option<Item>, Fault> {
        let update = self
            .update_leased(on)
            .update_expression("SET #note = :told REMOVE #lease, lease_until, #due_shard, #due_at")
            .condition_expression("#lease = :owner AND changes = :changes")
            .expression_attribute_names("#lease", "lease")
            .expression_attribute_names("#due_shard", DUE_SHARD)
            .expression_attribute_names("#due_at", DUE_AT)
            .expression_attribute_names("#note", note)
            .expression_attribute_values(":told", told)
            .expression_attribute_values(":owner", string(&lease.owner))
            .expression_attribute_values(":changes", number(lease.changes))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = update.send().await else {
            return Ok(None);
        };
        let Some(UpdateItemError::ConditionalCheckFailedException(failed)) =
            error.as_service_error()
        else {
            return Err(fault(GIVE_BACK, error));
        };
        Ok(Some(failed.item.clone().unwrap_or_default()))
    }

    /// Makes a lease last longer. `false`: somebody else has it by now. One write; may be
    /// repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not last longer.
    pub async fn renew(&self, on: LeaseOn<'_>, lease: &Lease) -> Result<bool, Fault> {
        let clock = now();
        let until = clock.0.saturating_add(LEASE.as_secs() * 1_000);
        let update = self
            .update_leased(on)
            .update_expression("SET lease_until = :until, #due_at = :until")
            .condition_expression("#lease = :owner")
            .expression_attribute_names("#lease", "lease")
            .expression_attribute_names("#due_at", DUE_AT)
            .expression_attribute_values(":until", number(until))
            .expression_attribute_values(":owner", string(&lease.owner));
        conditional("renew the lease", update.send().await).map(|renewed| renewed.is_some())
    }

    /// Leaves a channel to the reaper: the lease is given back, and the channel is due at once.
    /// One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: then the lease ends by itself, with the same effect.
    pub async fn hand_over(&self, of: &ChannelKey, lease: &Lease) -> Result<(), Fault> {
        let update = self
            .update_channel(of)
            .update_expression("SET #due_at = :clock REMOVE #lease, lease_until")
            .condition_expression("#lease = :owner")
            .expression_attribute_names("#lease", "lease")
            .expression_attribute_names("#due_at", DUE_AT)
            .expression_attribute_values(":clock", number(now().0))
            .expression_attribute_values(":owner", string(&lease.owner));
        conditional("hand the lease over", update.send().await).map(drop)
    }
}

/// Whether a row's lease can be taken.
pub(super) fn is_free(operation: &'static str, item: Item) -> Result<bool, Fault> {
    read::<LeaseRow>(operation, item).map(|row| row.is_free(now()))
}

/// The lease of a holder that has looked and still has it, if it has.
pub(super) fn held(
    operation: &'static str,
    item: Item,
    owner: &str,
) -> Result<Option<Lease>, Fault> {
    read::<LeaseRow>(operation, item).map(|row| row.held_by(owner))
}
