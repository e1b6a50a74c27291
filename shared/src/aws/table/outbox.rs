//! The outbox of a session over HTTP: what it is, what waits for it, and how it was closed.
//!
//! All of it is one partition, so that one query shows it. The frames lie in the order of their keys,
//! by the clocks of those who put them: one that was put late may lie before others that were handed
//! out already. So what was handed out is known by its keys, never by a place in the order.

use std::collections::HashSet;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeValue, DeleteRequest, ReturnValue, ReturnValuesOnConditionCheckFailure, WriteRequest,
};
use serde::Deserialize;
use uuid::Uuid;

use super::client::Table;
use super::item::{Item, conditional, fault, item, number, read, string};
use super::partition;
use crate::aws::schema::{PARTITION_KEY, SORT_KEY, TTL};
use crate::model::error::Fault;
use crate::model::limits::{CONNECTION_LIFE_SECS, OUTBOX_SECS};
use crate::model::session::Parting;
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;

/// A session as one of its requests to receive has taken it over.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SessionRow {
    /// Which of those requests it is: it is counted up by each.
    pub epoch: u64,
    /// The client's number of that request.
    pub number: u64,
    /// The number of the request that has opened it.
    pub opened_by: u64,
    /// When it ends.
    pub ends_at: UnixMillis,
    /// The number of the request whose answer had these frames.
    #[serde(default)]
    pub handed_by: u64,
    /// Their keys.
    #[serde(skip)]
    pub handed: HashSet<FrameKey>,
}

/// What a request to receive finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It has the session now.
    Yes(SessionRow),
    /// A later request of the client has it.
    Stale,
    /// There is no such session.
    Unknown,
}

/// Names a frame in its outbox, and orders it.
pub type FrameKey = Uuid;

/// A frame that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its key.
    pub key: FrameKey,
    /// The frame.
    pub frame: String,
}

/// What an outbox holds.
#[derive(Debug, Default)]
pub struct Outbox {
    /// The session; `None`: it has expired.
    pub session: Option<SessionRow>,
    /// What waits for it, in order.
    pub waiting: Vec<Waiting>,
    /// How it was closed, if it was: nothing comes after what waits.
    pub parting: Option<Parting>,
}

#[derive(Deserialize)]
struct FrameRow {
    frame: String,
}

#[derive(Deserialize)]
struct HeardRow {
    heard_at: UnixMillis,
}

#[derive(Deserialize)]
struct LiveRow {
    #[serde(default)]
    expires_at: UnixMillis,
    #[serde(default)]
    closed: bool,
}

fn session(operation: &'static str, row: Item) -> Result<SessionRow, Fault> {
    let handed = match row.get("handed") {
        Some(AttributeValue::Bs(keys)) => keys
            .iter()
            .filter_map(|key| Uuid::from_slice(key.as_ref()).ok())
            .collect(),
        Some(_) | None => HashSet::new(),
    };
    let session: SessionRow = read(operation, row)?;
    Ok(SessionRow { handed, ..session })
}

impl Table {
    fn update_session(&self, id: &ConnectionId) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::outbox(id)))
            .key(SORT_KEY, string(partition::SESSION))
    }

    /// Opens a session: `number` is that of the request that does. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be open.
    pub async fn open_session(
        &self,
        id: &ConnectionId,
        number_of_request: u64,
        now: UnixMillis,
        ends_at: UnixMillis,
    ) -> Result<SessionRow, Fault> {
        let row = item([
            (PARTITION_KEY, string(partition::outbox(id))),
            (SORT_KEY, string(partition::SESSION)),
            (TTL, number(ends_at.secs() + 1)),
            ("epoch", number(1)),
            ("number", number(number_of_request)),
            ("opened_by", number(number_of_request)),
            ("heard_at", number(now.0)),
            ("ends_at", number(ends_at.0)),
        ]);
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(row));
        put.send()
            .await
            .map_err(|error| fault("open session", error))?;
        Ok(SessionRow {
            epoch: 1,
            number: number_of_request,
            opened_by: number_of_request,
            ends_at,
            handed_by: 0,
            handed: HashSet::new(),
        })
    }

    /// Takes a session over for a request to receive, from whichever had it before. One write; a
    /// repeated attempt takes it over from itself.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be taken. [`Fault::Row`].
    pub async fn take_session(
        &self,
        id: &ConnectionId,
        number_of_request: u64,
        now: UnixMillis,
    ) -> Result<Taken, Fault> {
        const OPERATION: &str = "take session";
        let update = self
            .update_session(id)
            .update_expression("SET #number = :number, heard_at = :now ADD epoch :one")
            .condition_expression("attribute_exists(pk) AND #number <= :number")
            .expression_attribute_names("#number", "number")
            .expression_attribute_values(":number", number(number_of_request))
            .expression_attribute_values(":now", number(now.0))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match update.send().await {
            Ok(taken) => session(OPERATION, taken.attributes.unwrap_or_default()).map(Taken::Yes),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    let found = failed.item().is_some_and(|row| !row.is_empty());
                    Ok(if found { Taken::Stale } else { Taken::Unknown })
                }
                Some(_) | None => Err(fault(OPERATION, error)),
            },
        }
    }

    /// Reads an outbox: one consistent query, whose page of 1 MB holds more than is handed out at
    /// once.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn outbox(&self, id: &ConnectionId) -> Result<Outbox, Fault> {
        const OPERATION: &str = "read outbox";
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", string(partition::outbox(id)));
        let page = query
            .send()
            .await
            .map_err(|error| fault(OPERATION, error))?;
        let mut outbox = Outbox::default();
        for row in page.items.unwrap_or_default() {
            let key = row.get(SORT_KEY).and_then(|key| key.as_s().ok()).cloned();
            match key.as_deref() {
                Some(partition::SESSION) => outbox.session = Some(session(OPERATION, row)?),
                Some(partition::PARTING) => outbox.parting = Some(read(OPERATION, row)?),
                Some(key) => {
                    if let Ok(key) = Uuid::parse_str(key) {
                        let FrameRow { frame } = read(OPERATION, row)?;
                        outbox.waiting.push(Waiting { key, frame });
                    }
                }
                None => {}
            }
        }
        Ok(outbox)
    }

    /// Notes which frames a request's answer has, unless a later request has the session: `false`.
    /// One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be noted.
    pub async fn hand_out(
        &self,
        id: &ConnectionId,
        by: &SessionRow,
        keys: &[FrameKey],
    ) -> Result<bool, Fault> {
        let keys = keys.iter().map(|key| Blob::new(key.as_bytes()));
        let update = self
            .update_session(id)
            .update_expression("SET handed = :keys, handed_by = :number")
            .condition_expression("epoch = :epoch")
            .expression_attribute_values(":keys", AttributeValue::Bs(keys.collect()))
            .expression_attribute_values(":number", number(by.number))
            .expression_attribute_values(":epoch", number(by.epoch));
        conditional("hand out", update.send().await).map(|handed| handed.is_some())
    }

    /// Deletes frames: a write each, 25 in a request. May be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: some may not be deleted.
    pub async fn delete_frames(
        &self,
        id: &ConnectionId,
        keys: impl IntoIterator<Item = FrameKey>,
    ) -> Result<(), Fault> {
        let delete = |key: FrameKey| {
            let delete = DeleteRequest::builder()
                .key(PARTITION_KEY, string(partition::outbox(id)))
                .key(SORT_KEY, string(key.to_string()))
                .build()
                .expect("it has a key");
            WriteRequest::builder().delete_request(delete).build()
        };
        let rows = keys.into_iter().map(delete).collect();
        self.write_all("delete frames", rows).await
    }

    /// Notes that a session's client was heard of; `false`: there is no such session. One write; may
    /// be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be noted.
    pub async fn hear(&self, id: &ConnectionId, now: UnixMillis) -> Result<bool, Fault> {
        let update = self
            .update_session(id)
            .update_expression("SET heard_at = :now")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":now", number(now.0));
        conditional("hear of session", update.send().await).map(|heard| heard.is_some())
    }

    /// When a session's client was last heard of; `None`: there is no such session. One consistent
    /// read.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn heard_at(&self, id: &ConnectionId) -> Result<Option<UnixMillis>, Fault> {
        const OPERATION: &str = "read session";
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::outbox(id)))
            .key(SORT_KEY, string(partition::SESSION))
            .consistent_read(true);
        let found = get.send().await.map_err(|error| fault(OPERATION, error))?;
        let row: Option<HeardRow> = found.item.map(|row| read(OPERATION, row)).transpose()?;
        Ok(row.map(|row| row.heard_at))
    }

    /// Puts a frame into an outbox, after those that this process has put. One write; an attempt that
    /// is repeated puts the same row.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be there.
    pub async fn put_frame(
        &self,
        id: &ConnectionId,
        frame: &str,
        now: UnixMillis,
    ) -> Result<(), Fault> {
        let row = item([
            (PARTITION_KEY, string(partition::outbox(id))),
            (SORT_KEY, string(Uuid::now_v7().to_string())),
            (TTL, number(now.plus_secs(OUTBOX_SECS).secs())),
            ("frame", string(frame)),
        ]);
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(row));
        put.send()
            .await
            .map(|_| ())
            .map_err(|error| fault("put frame", error))
    }

    /// Closes a session, unless it is closed already: the first reason stands. It is kept for longer
    /// than a session lasts. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be closed.
    pub async fn put_parting(
        &self,
        id: &ConnectionId,
        parting: &Parting,
        now: UnixMillis,
    ) -> Result<(), Fault> {
        let row = item([
            (PARTITION_KEY, string(partition::outbox(id))),
            (SORT_KEY, string(partition::PARTING)),
            (TTL, number(now.plus_secs(CONNECTION_LIFE_SECS).secs())),
            ("code", number(parting.code)),
            ("reason", string(parting.reason.as_str())),
        ]);
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(pk)");
        conditional("close session", put.send().await).map(drop)
    }

    /// Whether a connection was recorded, is not closed and has not expired: one consistent read of
    /// its own row.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn is_live(&self, id: &ConnectionId, now: UnixMillis) -> Result<bool, Fault> {
        const OPERATION: &str = "look for connection";
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::connection(id)))
            .key(SORT_KEY, string(partition::CONNECTION))
            .projection_expression("closed, expires_at")
            .consistent_read(true);
        let found = get.send().await.map_err(|error| fault(OPERATION, error))?;
        let row: Option<LiveRow> = found.item.map(|row| read(OPERATION, row)).transpose()?;
        Ok(row.is_some_and(|row| !row.closed && row.expires_at > now))
    }
}
