//! A connection's partition: what it is, and what it has subscribed to.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use serde::Deserialize;

use super::client::Table;
use super::connection_rows::{
    ConnectionRows, ConnectionState, NewConnection, OwnRows, OwnSubscription, Recorded,
};
use super::item::{Item, conditional, fault, item, number, put_voice, read, string};
use super::{due, partition, signed_in};
use crate::aws::schema::{DUE_AT, DUE_SHARD, PARTITION_KEY, SORT_KEY, TTL};
use crate::model::channel::Channel;
use crate::model::error::Fault;
use crate::model::limits::ROW_SLACK_SECS;
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::model::voice::Voice;

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
    voice: Option<u64>,
    #[serde(default)]
    closed: bool,
    #[serde(default)]
    still_open: bool,
    #[serde(default)]
    met: BTreeSet<String>,
}

/// Whether a row of a connection's partition is the connection's own.
fn is_connection(row: &Item) -> bool {
    row.get(SORT_KEY)
        .and_then(|key| key.as_s().ok())
        .is_some_and(|key| key == partition::CONNECTION)
}

#[derive(Deserialize)]
struct OwnItem {
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

impl OwnItem {
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
        let expires_at = new.expires_at;
        let partition = partition::connection(new.id);
        let mut row = item([
            (DUE_SHARD, due::shard_of(&partition)),
            (DUE_AT, number(new.due_at.0)),
            (PARTITION_KEY, string(partition)),
            (SORT_KEY, string(partition::CONNECTION)),
            (TTL, number(expires_at.plus_secs(ROW_SLACK_SECS).secs())),
            ("app", string(new.app_id)),
            ("connected_at", number(new.connected_at.0)),
            ("expires_at", number(expires_at.0)),
            ("grant", string(grant)),
        ]);
        put_voice(&mut row, new.voice);
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
        self.connection_state(id, now)
            .await
            .map(|state| match state {
                ConnectionState::Live(connection) => Some(*connection),
                ConnectionState::Over => None,
            })
    }

    /// The same for whoever has to tidy up behind it.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn connection_state(
        &self,
        id: &ConnectionId,
        now: UnixMillis,
    ) -> Result<ConnectionState, Fault> {
        const OPERATION: &str = "read connection";
        let mut own = None;
        let mut signed_in = None;
        let mut subscriptions = Vec::new();
        let mut left_authorized = false;
        for row in self.connection_partition(OPERATION, id).await? {
            if is_connection(&row) {
                signed_in = signed_in::read_from(OPERATION, &row)?;
                own = Some(read::<ConnectionRow>(OPERATION, row)?);
            } else {
                let row: OwnItem = read(OPERATION, row)?;
                let left = row.left;
                let joined = row.joined();
                if left {
                    left_authorized |= joined.is_some_and(|own| own.channel.needs_auth());
                } else {
                    subscriptions.extend(joined);
                }
            }
        }
        let Some(ConnectionRow {
            app: Some(app_id),
            connected_at: Some(connected_at),
            expires_at,
            grant,
            voice,
            closed: false,
            ..
        }) = own.filter(|own| own.expires_at > now)
        else {
            return Ok(ConnectionState::Over);
        };
        let grant = grant.map(|grant| serde_json::from_str(&grant)).transpose();
        let grant = grant
            .map_err(|source| Fault::Row {
                operation: OPERATION,
                source: source.into(),
            })?
            .unwrap_or_default();
        Ok(ConnectionState::Live(Box::new(ConnectionRows {
            app_id,
            connected_at,
            expires_at,
            grant,
            voice: Voice::of(voice),
            signed_in,
            subscriptions,
            left_authorized,
        })))
    }

    /// Reads all that can hang on a connection: one consistent query.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn own_rows(&self, id: &ConnectionId) -> Result<OwnRows, Fault> {
        const OPERATION: &str = "read own rows";
        let mut own = OwnRows {
            may_be_open: false,
            met: Vec::new(),
            signed_in: None,
            subscriptions: Vec::new(),
        };
        for row in self.connection_partition(OPERATION, id).await? {
            if is_connection(&row) {
                own.signed_in = signed_in::read_from(OPERATION, &row)?;
                let row: ConnectionRow = read(OPERATION, row)?;
                own.may_be_open = row.still_open;
                own.met = row
                    .met
                    .iter()
                    .filter_map(|met| partition::of_subscribers(met))
                    .collect();
            } else {
                own.subscriptions
                    .extend(read::<OwnItem>(OPERATION, row)?.joined());
            }
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

    pub(super) fn update_connection(&self, id: &ConnectionId) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::connection(id)))
            .key(SORT_KEY, string(partition::CONNECTION))
    }

    /// Has the reaper look at a live connection again at `due_at`. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: then it looks again sooner.
    pub async fn look_again(&self, id: &ConnectionId, due_at: UnixMillis) -> Result<(), Fault> {
        let update = self
            .update_connection(id)
            .update_expression("SET #due_at = :due_at")
            .condition_expression("attribute_exists(#due_shard) AND attribute_not_exists(closed)")
            .expression_attribute_names("#due_shard", DUE_SHARD)
            .expression_attribute_names("#due_at", DUE_AT)
            .expression_attribute_values(":due_at", number(due_at.0));
        conditional("look at connection again", update.send().await).map(drop)
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
