//! A connection's partition: what it is, and what it has subscribed to.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use serde::Deserialize;

use super::{
    ChannelKey, Item, SignedIn, Subscriber, Table, conditional, due, fault, item, number,
    partition, put_voice, read, signed_in, string,
};
use crate::aws::schema::{DUE_AT, DUE_SHARD, PARTITION_KEY, SORT_KEY, TTL};
use crate::model::channel::Channel;
use crate::model::error::Fault;
use crate::model::limits::{CLOSED_MARK_SECS, CONNECTION_LIFE_SECS, ROW_SLACK_SECS};
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::model::token::Grant;
use crate::model::user::User;
use crate::model::voice::Voice;

/// A connection that is being admitted.
#[derive(Debug)]
pub struct NewConnection<'a> {
    /// API Gateway's name for it.
    pub id: &'a ConnectionId,
    /// The app it belongs to.
    pub app_id: &'a str,
    /// When API Gateway took it.
    pub connected_at: UnixMillis,
    /// When its rows stop counting as alive.
    pub expires_at: UnixMillis,
    /// When the reaper is to look at it: not later.
    pub due_at: UnixMillis,
    /// What its token granted.
    pub grant: &'a Grant,
    /// What its client speaks.
    pub voice: Voice,
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
    /// When API Gateway took it.
    pub connected_at: UnixMillis,
    /// When its rows stop counting as alive.
    pub expires_at: UnixMillis,
    /// What its token granted.
    pub grant: Grant,
    /// What its client speaks.
    pub voice: Voice,
    /// As whom it has signed in, if it has.
    pub signed_in: Option<SignedIn>,
    /// What it is subscribed to, without what it has left.
    pub subscriptions: Vec<OwnSubscription>,
    /// Whether it has left a channel that needs auth not long ago.
    pub left_authorized: bool,
}

/// Whether a connection lives.
#[derive(Debug)]
pub enum ConnectionState {
    /// It does.
    Live(Box<ConnectionRows>),
    /// It is closed, expired or was never recorded.
    Over,
}

impl ConnectionRows {
    /// Who it is: as whom it has signed in, or else whom its token names.
    #[must_use]
    pub fn user(&self) -> Option<&User> {
        let signed_in = self.signed_in.as_ref().map(|signed_in| &signed_in.user);
        signed_in.or(self.grant.user.as_ref())
    }

    /// The id of the user as whom it has signed in. A token alone signs nobody in.
    #[must_use]
    pub fn signed_in_as(&self) -> Option<&str> {
        self.signed_in.as_ref().map(|signed_in| signed_in.user.id())
    }

    /// Whether anybody has vouched for it: it has a user, or is on a channel that needs auth, or
    /// was.
    #[must_use]
    pub fn is_authorized(&self) -> bool {
        let on_one = self
            .subscriptions
            .iter()
            .any(|own| own.channel.needs_auth());
        on_one || self.left_authorized || self.user().is_some()
    }

    /// Whether others are told that it is there: it is on a presence channel, or signed in where
    /// users are watched.
    #[must_use]
    pub fn is_present(&self) -> bool {
        let watched = self
            .signed_in
            .as_ref()
            .is_some_and(|signed_in| signed_in.announces);
        watched || self.subscriptions.iter().any(|own| own.user_id.is_some())
    }

    /// Its subscription to a channel, if there is one.
    #[must_use]
    pub fn joined(&self, channel: &Channel) -> Option<&OwnSubscription> {
        self.subscriptions
            .iter()
            .find(|own| own.channel == *channel)
    }
}

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

/// All that can hang on a connection, live or not, from one consistent query.
#[derive(Debug)]
pub struct OwnRows {
    /// Whether its socket may still be open.
    pub may_be_open: bool,
    /// The shards of channels in which a delivery met it: their rows may be named by nothing else.
    pub met: Vec<(ChannelKey, u32)>,
    /// As whom it has signed in, if it has.
    pub signed_in: Option<SignedIn>,
    /// Every channel that it has ever joined, left or not.
    pub subscriptions: Vec<OwnSubscription>,
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

    fn update_connection(&self, id: &ConnectionId) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::connection(id)))
            .key(SORT_KEY, string(partition::CONNECTION))
    }

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
