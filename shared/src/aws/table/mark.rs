//! The mark of a connection that is over.

use aws_sdk_dynamodb::types::AttributeValue;

use super::client::Table;
use super::item::{conditional, fault, number, string};
use super::subscription::Subscriber;
use super::{due, partition};
use crate::aws::schema::{DUE_AT, DUE_SHARD, PARTITION_KEY, SORT_KEY, TTL};
use crate::model::error::Fault;
use crate::model::limits::{CLOSED_MARK_SECS, CONNECTION_LIFE_SECS, ROW_SLACK_SECS};
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;

/// What is known of a connection that is marked as over.
#[derive(Clone, Copy, Debug)]
pub struct Mark<'a> {
    /// Whether its socket is closed.
    pub socket: Socket,
    /// The subscriber whose row led to it.
    pub met: Option<Subscriber<'a>>,
}

impl Mark<'_> {
    /// Its socket is gone.
    pub const CLOSED: Self = Self {
        socket: Socket::Closed,
        met: None,
    };
    /// Its socket could not be closed.
    pub const MAY_BE_OPEN: Self = Self {
        socket: Socket::MayBeOpen,
        met: None,
    };
    /// Nothing new: it is being forgotten.
    pub const AS_MARKED: Self = Self {
        socket: Socket::AsMarked,
        met: None,
    };
}

/// Whether the socket of a connection that is over is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    /// It is.
    Closed,
    /// It could not be closed: whoever forgets the connection closes it first.
    MayBeOpen,
    /// As an earlier mark says.
    AsMarked,
}

impl Table {
    /// Marks a connection as over, recorded or not, so that whatever comes late sees it; at
    /// `due_at` the reaper looks whether anything of it is left. The mark is kept for as long as the
    /// connection's rows are, since it is what leads to them. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be marked.
    pub async fn mark_closed(
        &self,
        id: &ConnectionId,
        mark: Mark<'_>,
        now: UnixMillis,
        due_at: UnixMillis,
    ) -> Result<(), Fault> {
        let ttl = now.plus_secs(CONNECTION_LIFE_SECS + ROW_SLACK_SECS);
        let mut set =
            "SET closed = :yes, #ttl = :ttl, #due_shard = :due_shard, #due_at = :due_at".to_owned();
        let mut update = self
            .update_connection(id)
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_names("#due_shard", DUE_SHARD)
            .expression_attribute_names("#due_at", DUE_AT)
            .expression_attribute_values(":yes", AttributeValue::Bool(true))
            .expression_attribute_values(":ttl", number(ttl.secs()))
            .expression_attribute_values(":due_shard", due::shard_of(&partition::connection(id)))
            .expression_attribute_values(":due_at", number(due_at.0));
        match mark.socket {
            Socket::Closed => set.push_str(" REMOVE still_open"),
            Socket::MayBeOpen => set.push_str(", still_open = :yes"),
            Socket::AsMarked => {}
        }
        if let Some(met) = mark.met {
            set.push_str(" ADD met :met");
            let met = AttributeValue::Ss(vec![partition::subscribers(met.of, met.shard)]);
            update = update.expression_attribute_values(":met", met);
        }
        update
            .update_expression(set)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| fault("mark connection closed", error))
    }

    /// Whether a connection is marked as over: one consistent read.
    ///
    /// # Errors
    /// [`Fault::Table`].
    pub async fn is_marked_closed(&self, id: &ConnectionId) -> Result<bool, Fault> {
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::connection(id)))
            .key(SORT_KEY, string(partition::CONNECTION))
            .projection_expression("closed")
            .consistent_read(true);
        let found = get.send().await;
        let found = found.map_err(|error| fault("look for the mark", error))?;
        Ok(found.item.is_some_and(|row| row.contains_key("closed")))
    }

    /// Notes that nothing of a closed connection is left but its mark: the reaper need not look, and the
    /// mark goes soon. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: then the reaper finds nothing to do.
    pub async fn finish_closed(&self, id: &ConnectionId, now: UnixMillis) -> Result<(), Fault> {
        let update = self
            .update_connection(id)
            .update_expression("SET #ttl = :ttl REMOVE #due_shard, #due_at, met")
            .condition_expression("attribute_exists(closed)")
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_values(":ttl", number(now.plus_secs(CLOSED_MARK_SECS).secs()))
            .expression_attribute_names("#due_shard", DUE_SHARD)
            .expression_attribute_names("#due_at", DUE_AT);
        conditional("finish closed connection", update.send().await).map(drop)
    }
}
