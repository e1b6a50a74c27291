//! The two rows of a subscription: the channel's (its subscriber) and the connection's own.
//!
//! Each carries `at`, the time of the request that wrote it, because API Gateway may run two
//! frames of one connection at once: an older request never undoes a newer one.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use serde::Deserialize;

use super::{
    ChannelKey, Table, VOICE, conditional, fault, item, number, partition, put_voice, read, string,
};
use crate::aws::schema::{PARTITION_KEY, SORT_KEY, TTL};
use crate::model::channel::Channel;
use crate::model::error::Fault;
use crate::model::hold::Hold;
use crate::model::limits::{ROW_SLACK_SECS, UNSUBSCRIBED_MARK_SECS};
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

/// What became of a connection's own row about a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnPut {
    /// It is there.
    Put {
        /// The other shard that the one before it named: a subscriber's row may still be there.
        moved_from: Option<u32>,
    },
    /// Nothing was written: the connection has left since.
    Outrun,
}

/// What a connection's own row says about a channel.
#[derive(Debug)]
pub struct OwnRow {
    /// The app.
    pub app_id: String,
    /// The shard that the subscriber's row is in.
    pub shard: u32,
    /// As whom it is on a presence channel.
    pub user_id: Option<String>,
    /// When it asked to leave; `None` while it is subscribed.
    pub left_at: Option<UnixMillis>,
}

#[derive(Deserialize)]
struct OwnItem {
    at: UnixMillis,
    #[serde(default)]
    shard: Option<u32>,
    #[serde(default)]
    app: Option<String>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    left: bool,
}

impl OwnItem {
    /// Nothing hangs on the mark of a channel that was never joined.
    fn joined(self) -> Option<OwnRow> {
        Some(OwnRow {
            app_id: self.app?,
            shard: self.shard?,
            user_id: self.user,
            left_at: self.left.then_some(self.at),
        })
    }
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

    /// Puts a connection's own row, unless it has left the channel since. On a tie the
    /// subscription wins: pusher-js sends unsubscribe and subscribe in one burst. One write; may
    /// be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be there. [`Fault::Row`].
    pub async fn put_own(
        &self,
        subscriber: Subscriber<'_>,
        user_id: Option<&str>,
        at: UnixMillis,
        expires_at: UnixMillis,
    ) -> Result<OwnPut, Fault> {
        const OPERATION: &str = "put own subscription";
        let mut row = item([
            (PARTITION_KEY, string(partition::connection(subscriber.id))),
            (SORT_KEY, string(partition::own(&subscriber.of.channel))),
            (TTL, number(expires_at.plus_secs(ROW_SLACK_SECS).secs())),
            ("app", string(subscriber.of.app_id.as_str())),
            ("shard", number(subscriber.shard)),
            ("at", number(at.0)),
        ]);
        if let Some(user_id) = user_id {
            row.insert("user".to_owned(), string(user_id));
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
            return Ok(OwnPut::Outrun);
        };
        let old = put.attributes.map(|old| read::<OwnItem>(OPERATION, old));
        let moved_from = old
            .transpose()?
            .and_then(|old| old.shard)
            .filter(|shard| *shard != subscriber.shard);
        Ok(OwnPut::Put { moved_from })
    }

    /// Marks a channel as left in the connection's own row, joined or not, unless it was joined
    /// since. Answers what the row says, when the channel was ever joined.
    /// `op` names this request, so that a repeated attempt is not taken for an older one. One
    /// write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be marked. [`Fault::Row`].
    pub async fn mark_left(
        &self,
        id: &ConnectionId,
        channel: &Channel,
        at: UnixMillis,
        op: &str,
    ) -> Result<Option<OwnRow>, Fault> {
        const OPERATION: &str = "mark channel left";
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::connection(id)))
            .key(SORT_KEY, string(partition::own(channel)))
            .update_expression(
                "SET #left = :yes, #at = :at, #op = :op, #ttl = if_not_exists(#ttl, :ttl)",
            )
            .condition_expression("attribute_not_exists(pk) OR #at < :at OR #op = :op")
            .expression_attribute_names("#left", "left")
            .expression_attribute_names("#at", "at")
            .expression_attribute_names("#op", "op")
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_values(":yes", AttributeValue::Bool(true))
            .expression_attribute_values(":at", number(at.0))
            .expression_attribute_values(":op", string(op))
            .expression_attribute_values(
                ":ttl",
                number(at.plus_secs(UNSUBSCRIBED_MARK_SECS).secs()),
            )
            .return_values(ReturnValue::AllNew);
        let Some(updated) = conditional(OPERATION, update.send().await)? else {
            return Ok(None);
        };
        let row: OwnItem = read(OPERATION, updated.attributes.unwrap_or_default())?;
        Ok(row.joined())
    }

    /// Reads a connection's own row about a channel that it has joined, left or not: one
    /// consistent read.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn own_row(
        &self,
        id: &ConnectionId,
        channel: &Channel,
    ) -> Result<Option<OwnRow>, Fault> {
        const OPERATION: &str = "read own subscription";
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::connection(id)))
            .key(SORT_KEY, string(partition::own(channel)))
            .consistent_read(true);
        let found = get.send().await.map_err(|error| fault(OPERATION, error))?;
        let row = found.item.map(|row| read::<OwnItem>(OPERATION, row));
        Ok(row.transpose()?.and_then(OwnItem::joined))
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
