//! The two rows of a subscription: the channel's (its subscriber) and the connection's own.
//!
//! Each carries `at`, the time of the request that wrote it, because API Gateway may run two
//! frames of one connection at once: an older request never undoes a newer one.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use serde::Deserialize;

use super::client::Table;
use super::item::{VOICE, conditional, fault, item, number, put_voice, read, string};
use super::keys::ChannelKey;
use super::partition;
use crate::aws::schema::{PARTITION_KEY, SORT_KEY, TTL};
use crate::model::error::Fault;
use crate::model::hold::Hold;
use crate::model::limits::ROW_SLACK_SECS;
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::model::voice::Voice;

/// The attribute of a subscriber's row that says from which serial on it is delivered what is
/// published.
pub(super) const LIVE_FROM: &str = "live_from";
/// The one that says until when it is delivered nothing that has a serial.
pub(super) const HELD_UNTIL: &str = "held_until";

/// One subscription, as its rows name it.
#[derive(Clone, Copy, Debug)]
pub struct Subscriber<'a> {
    /// The channel.
    pub of: &'a ChannelKey,
    /// Its shard.
    pub shard: u32,
    /// The connection.
    pub id: &'a ConnectionId,
}

/// What a new subscriber's row says.
#[derive(Clone, Copy, Debug)]
pub struct NewSubscriber<'a> {
    /// When its request came.
    pub at: UnixMillis,
    /// When the row stops counting as alive.
    pub expires_at: UnixMillis,
    /// The request's name.
    pub op: &'a str,
    /// Until when it is kept from publications, if it reads the log first.
    pub held_until: Option<UnixMillis>,
    /// What its client speaks.
    pub voice: Voice,
}

/// What a subscriber's row replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriberPut {
    /// Nothing: there is one subscriber more.
    Added,
    /// The same connection's row: there are as many as before.
    Replaced,
    /// Nothing was written: a newer request has.
    Outrun,
}

/// Which row a delete means, by the time of the request that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Whenever.
    Ever,
    /// At this time or before.
    UpTo(UnixMillis),
    /// Before this time.
    Before(UnixMillis),
}

/// A subscriber, or a watcher, as who posts to it meets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriberRow {
    /// The connection.
    pub id: ConnectionId,
    /// When the row stops counting as alive.
    pub expires_at: UnixMillis,
    /// What passes it over.
    pub hold: Hold,
    /// What its client speaks.
    pub voice: Voice,
}

/// Where a page begins.
pub type PageStart = HashMap<String, AttributeValue>;

/// Some subscribers of one shard.
#[derive(Debug)]
pub struct SubscribersPage {
    /// Those on this page.
    pub subscribers: Vec<SubscriberRow>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<PageStart>,
}

#[derive(Deserialize)]
struct Operation {
    #[serde(default)]
    op: String,
}

impl Table {
    /// Puts a subscriber's row, unless a newer request has. `op` names this request, so that its
    /// own row, met by a repeated attempt, is known. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be there. [`Fault::Row`].
    pub async fn put_subscriber(
        &self,
        subscriber: Subscriber<'_>,
        new: NewSubscriber<'_>,
    ) -> Result<SubscriberPut, Fault> {
        const OPERATION: &str = "put subscriber";
        let NewSubscriber {
            at,
            expires_at,
            op,
            held_until,
            voice,
        } = new;
        let mut row = item([
            (
                PARTITION_KEY,
                string(partition::subscribers(subscriber.of, subscriber.shard)),
            ),
            (SORT_KEY, string(subscriber.id.as_str())),
            (TTL, number(expires_at.plus_secs(ROW_SLACK_SECS).secs())),
            ("at", number(at.0)),
            ("op", string(op)),
        ]);
        put_voice(&mut row, voice);
        if let Some(held_until) = held_until {
            row.insert(HELD_UNTIL.to_owned(), number(held_until.0));
        }
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(pk) OR #at <= :at")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":at", number(at.0))
            .return_values(ReturnValue::AllOld);
        let Some(put) = conditional(OPERATION, put.send().await)? else {
            return Ok(SubscriberPut::Outrun);
        };
        let Some(old) = put.attributes else {
            return Ok(SubscriberPut::Added);
        };
        let old: Operation = read(OPERATION, old)?;
        Ok(if old.op == op {
            SubscriberPut::Added
        } else {
            SubscriberPut::Replaced
        })
    }

    /// Deletes a subscriber's row, if it was written when `written` says. Whether there was one decides whether the channel has one subscriber less. One write; a repeated attempt
    /// may answer no for a row that it has deleted, which leaves a count too high, never too low.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be deleted.
    pub async fn delete_subscriber(
        &self,
        subscriber: Subscriber<'_>,
        written: Written,
    ) -> Result<bool, Fault> {
        let mut delete = self
            .client
            .delete_item()
            .table_name(&self.name)
            .key(
                PARTITION_KEY,
                string(partition::subscribers(subscriber.of, subscriber.shard)),
            )
            .key(SORT_KEY, string(subscriber.id.as_str()))
            .return_values(ReturnValue::AllOld);
        let condition = match written {
            Written::Ever => None,
            Written::UpTo(at) => Some(("attribute_not_exists(pk) OR #at <= :at", at)),
            Written::Before(at) => Some(("attribute_not_exists(pk) OR #at < :at", at)),
        };
        if let Some((condition, at)) = condition {
            delete = delete
                .condition_expression(condition)
                .expression_attribute_names("#at", "at")
                .expression_attribute_values(":at", number(at.0));
        }
        let deleted = conditional("delete subscriber", delete.send().await)?;
        let old = deleted.and_then(|deleted| deleted.attributes);
        Ok(old.is_some_and(|old| !old.is_empty()))
    }

    /// Reads some subscribers of one shard: one consistent query of at most 1 MB, some 10,000
    /// subscribers.
    ///
    /// # Errors
    /// [`Fault::Table`].
    pub async fn subscribers(
        &self,
        of: &ChannelKey,
        shard: u32,
        start: Option<PageStart>,
    ) -> Result<SubscribersPage, Fault> {
        let partition = partition::subscribers(of, shard);
        self.connections_under("read subscribers", partition, start, None)
            .await
    }

    /// Reads some rows whose sort keys are connections: so many at most, or what is in 1 MB.
    pub(super) async fn connections_under(
        &self,
        operation: &'static str,
        partition: String,
        start: Option<PageStart>,
        count: Option<u32>,
    ) -> Result<SubscribersPage, Fault> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", string(partition))
            .projection_expression(format!("sk, #ttl, {LIVE_FROM}, {HELD_UNTIL}, {VOICE}"))
            .expression_attribute_names("#ttl", TTL)
            .set_exclusive_start_key(start)
            .set_limit(count.and_then(|count| i32::try_from(count).ok()));
        let page = query
            .send()
            .await
            .map_err(|error| fault(operation, error))?;
        let subscribers = page
            .items
            .unwrap_or_default()
            .into_iter()
            .filter_map(|mut row| {
                // Read by hand: this is the one place where rows come by the thousand.
                let Some(AttributeValue::S(id)) = row.remove(SORT_KEY) else {
                    return None;
                };
                let number = |name: &str| row.get(name)?.as_n().ok()?.parse::<u64>().ok();
                let ttl_secs = number(TTL)?;
                Some(SubscriberRow {
                    id: ConnectionId::new(id),
                    // It has no attribute of its own: these rows are many.
                    expires_at: UnixMillis(ttl_secs * 1_000).minus_secs(ROW_SLACK_SECS),
                    hold: Hold::new(number(LIVE_FROM), number(HELD_UNTIL).map(UnixMillis)),
                    voice: Voice::of(number(VOICE)),
                })
            });
        Ok(SubscribersPage {
            subscribers: subscribers.collect(),
            next: page.last_evaluated_key.filter(|key| !key.is_empty()),
        })
    }
}
