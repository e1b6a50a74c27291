//! A connection's own row about a channel that it has joined or left.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use serde::Deserialize;

use super::client::Table;
use super::item::{conditional, fault, item, number, read, string};
use super::partition;
use super::subscription::Subscriber;
use crate::aws::schema::{PARTITION_KEY, SORT_KEY, TTL};
use crate::model::channel::Channel;
use crate::model::error::Fault;
use crate::model::limits::{ROW_SLACK_SECS, UNSUBSCRIBED_MARK_SECS};
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;

/// What became of a connection's own row about a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnPut {
    /// It is there.
    Put {
        /// The other shard that the one before it named: a subscriber's row may still be there.
        moved_from: Option<u32>,
        /// As whom it was there before, if that was another user.
        was_user: Option<String>,
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
        let old = old.transpose()?;
        let moved_from = old
            .as_ref()
            .and_then(|old| old.shard)
            .filter(|shard| *shard != subscriber.shard);
        let was_user = old
            .and_then(|old| old.user)
            .filter(|user| Some(user.as_str()) != user_id);
        Ok(OwnPut::Put {
            moved_from,
            was_user,
        })
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
}
