//! A connection's partition: what it is, and what it has subscribed to.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use serde::Deserialize;

use super::{Item, Table, fault, item, number, partition, read, string};
use crate::channel::Channel;
use crate::error::Fault;
use crate::limits::{CLOSED_MARK_SECS, CONNECTION_LIFE_SECS};
use crate::schema::{PARTITION_KEY, SORT_KEY, TTL};
use crate::socket_id::ConnectionId;
use crate::time::UnixMillis;
use crate::token::Grant;

/// A connection that is being admitted.
#[derive(Debug)]
pub struct NewConnection<'a> {
    /// API Gateway's name for it.
    pub id: &'a ConnectionId,
    /// The app it belongs to.
    pub app_id: &'a str,
    /// When API Gateway took it.
    pub connected_at: UnixMillis,
    /// What its token granted.
    pub grant: &'a Grant,
}

/// Whether a connection could be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is.
    Yes,
    /// It was already closed: its `$disconnect` was faster.
    Overtaken,
}

/// A live connection and its subscriptions, from one consistent query.
#[derive(Debug)]
pub struct ConnectionRows {
    /// The app it belongs to.
    pub app_id: String,
    /// When its rows stop counting as alive.
    pub expires_at: UnixMillis,
    /// What its token granted.
    pub grant: Grant,
    /// What it is subscribed to, without what it has left.
    pub subscriptions: Vec<OwnSubscription>,
}

impl ConnectionRows {
    /// Its subscription to a channel, if there is one.
    #[must_use]
    pub fn joined(&self, channel: &Channel) -> Option<&OwnSubscription> {
        self.subscriptions
            .iter()
            .find(|own| own.channel == *channel)
    }
}

/// What a connection's own row says about a channel, left or not: enough to undo it.
#[derive(Debug)]
pub struct OwnSubscription {
    /// The app.
    pub app_id: String,
    /// The channel.
    pub channel: Channel,
    /// The shard that its subscriber row is in.
    pub shard: u32,
    /// As whom it is on a presence channel.
    pub user_id: Option<String>,
}

#[derive(Deserialize)]
struct ConnectionRow {
    #[serde(default)]
    app: Option<String>,
    #[serde(default)]
    connected_at: Option<UnixMillis>,
    #[serde(default)]
    expires_at: UnixMillis,
    #[serde(default)]
    grant: Option<String>,
    #[serde(default)]
    closed: bool,
}

#[derive(Deserialize)]
struct OwnRow {
    sk: String,
    #[serde(default)]
    app: Option<String>,
    #[serde(default)]
    shard: Option<u32>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    left: bool,
}

impl OwnRow {
    /// Nothing hangs on the mark of a channel that was never joined.
    fn joined(self) -> Option<OwnSubscription> {
        let channel = Channel::parse(partition::owned(&self.sk)?).ok()?;
        Some(OwnSubscription {
            app_id: self.app?,
            channel,
            shard: self.shard?,
            user_id: self.user,
        })
    }
}

impl Table {
    /// Records a connection, unless it is already over. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be recorded.
    pub async fn record_connection(&self, new: NewConnection<'_>) -> Result<Recorded, Fault> {
        const OPERATION: &str = "record connection";
        let grant = serde_json::to_string(new.grant).expect("names always print");
        let expires_at = new.connected_at.plus_secs(CONNECTION_LIFE_SECS);
        let row = item([
            (PARTITION_KEY, string(partition::connection(new.id))),
            (SORT_KEY, string(partition::CONNECTION)),
            (TTL, number(expires_at.secs())),
            ("app", string(new.app_id)),
            ("connected_at", number(new.connected_at.0)),
            ("expires_at", number(expires_at.0)),
            ("grant", string(grant)),
        ]);
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else {
            return Ok(Recorded::Yes);
        };
        let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error()
        else {
            return Err(fault(OPERATION, error));
        };
        // Our own row means that the answer to an earlier attempt was lost.
        let found: ConnectionRow = read(OPERATION, failed.item.clone().unwrap_or_default())?;
        let ours = !found.closed && found.connected_at == Some(new.connected_at);
        Ok(if ours {
            Recorded::Yes
        } else {
            Recorded::Overtaken
        })
    }

    /// Reads a live connection with what it is subscribed to: one consistent query (a second one
    /// only beyond 1 MB, which 200 channels do not reach).
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn connection(
        &self,
        id: &ConnectionId,
        now: UnixMillis,
    ) -> Result<Option<ConnectionRows>, Fault> {
        const OPERATION: &str = "read connection";
        let mut own = None;
        let mut subscriptions = Vec::new();
        for row in self.connection_partition(OPERATION, id).await? {
            if row
                .get(SORT_KEY)
                .and_then(|key| key.as_s().ok())
                .is_some_and(|key| key == partition::CONNECTION)
            {
                own = Some(read::<ConnectionRow>(OPERATION, row)?);
            } else {
                let row: OwnRow = read(OPERATION, row)?;
                subscriptions.extend(if row.left { None } else { row.joined() });
            }
        }
        let Some(ConnectionRow {
            app: Some(app_id),
            expires_at,
            grant,
            closed: false,
            ..
        }) = own
        else {
            return Ok(None);
        };
        if expires_at <= now {
            return Ok(None);
        }
        let grant = grant.map(|grant| serde_json::from_str(&grant)).transpose();
        let grant = grant
            .map_err(|source| Fault::Row {
                operation: OPERATION,
                source: source.into(),
            })?
            .unwrap_or_default();
        Ok(Some(ConnectionRows {
            app_id,
            expires_at,
            grant,
            subscriptions,
        }))
    }

    /// Every channel that a connection has ever joined, left or not: all that can hang on it.
    /// One consistent query.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn own_subscriptions(
        &self,
        id: &ConnectionId,
    ) -> Result<Vec<OwnSubscription>, Fault> {
        const OPERATION: &str = "read own subscriptions";
        let mut own = Vec::new();
        for row in self.connection_partition(OPERATION, id).await? {
            own.extend(read::<OwnRow>(OPERATION, row)?.joined());
        }
        Ok(own)
    }

    async fn connection_partition(
        &self,
        operation: &'static str,
        id: &ConnectionId,
    ) -> Result<Vec<Item>, Fault> {
        let mut rows = Vec::new();
        let mut start = None;
        loop {
            let query = self
                .client
                .query()
                .table_name(&self.name)
                .consistent_read(true)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", string(partition::connection(id)))
                .set_exclusive_start_key(start);
            let page = query
                .send()
                .await
                .map_err(|error| fault(operation, error))?;
            rows.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(rows);
            }
        }
    }

    /// Marks a connection as over, recorded or not, so that whatever comes late sees it. The mark
    /// goes by itself after some minutes. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be marked.
    pub async fn mark_closed(&self, id: &ConnectionId, now: UnixMillis) -> Result<(), Fault> {
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::connection(id)))
            .key(SORT_KEY, string(partition::CONNECTION))
            .update_expression("SET closed = :yes, #ttl = :ttl")
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_values(":yes", AttributeValue::Bool(true))
            .expression_attribute_values(":ttl", number(now.plus_secs(CLOSED_MARK_SECS).secs()));
        update
            .send()
            .await
            .map(|_| ())
            .map_err(|error| fault("mark connection closed", error))
    }

    /// Deletes a connection's own row about a channel. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be deleted.
    pub async fn delete_own(&self, id: &ConnectionId, channel: &Channel) -> Result<(), Fault> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::connection(id)))
            .key(SORT_KEY, string(partition::own(channel)));
        delete
            .send()
            .await
            .map(|_| ())
            .map_err(|error| fault("delete own subscription", error))
    }
}
