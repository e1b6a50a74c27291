//! The row behind a stream or a poll of what a token has opened: what is granted, and until when.
//! Without it nothing more is read.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;

use super::client::Table;
use super::item::{fault, item, number, read, string};
use super::partition;
use super::token::parse_grant;
use crate::aws::schema::{PARTITION_KEY, SORT_KEY, TTL};
use crate::model::error::Fault;
use crate::model::limits::TABLE_CONCURRENCY;
use crate::model::reading::{Owner, ReaderId};
use crate::model::time::UnixMillis;
use crate::model::token::Grant;

#[derive(Deserialize)]
struct Row {
    grant: String,
    expires_at: UnixMillis,
}

#[derive(Deserialize)]
struct Key {
    sk: String,
}

impl Table {
    /// Notes what a reader may read. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be noted.
    pub async fn put_reader(
        &self,
        app_id: &str,
        reader: &ReaderId,
        grant: &Grant,
        expires_at: UnixMillis,
    ) -> Result<(), Fault> {
        let row = item([
            (
                PARTITION_KEY,
                string(partition::readers(app_id, &reader.owner)),
            ),
            (SORT_KEY, string(reader.to_string())),
            // One more, since DynamoDB counts in whole seconds.
            (TTL, number(expires_at.secs() + 1)),
            (
                "grant",
                string(serde_json::to_string(grant).expect("names always print")),
            ),
            ("expires_at", number(expires_at.0)),
        ]);
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(row));
        put.send()
            .await
            .map(|_| ())
            .map_err(|error| fault("put reader", error))
    }

    /// What a reader may read, unless that has ended: one consistent read.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn reader(
        &self,
        app_id: &str,
        reader: &ReaderId,
        now: UnixMillis,
    ) -> Result<Option<Grant>, Fault> {
        const OPERATION: &str = "read reader";
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(
                PARTITION_KEY,
                string(partition::readers(app_id, &reader.owner)),
            )
            .key(SORT_KEY, string(reader.to_string()))
            .consistent_read(true);
        let found = get.send().await.map_err(|error| fault(OPERATION, error))?;
        let Some(row) = found.item else {
            return Ok(None);
        };
        let row: Row = read(OPERATION, row)?;
        if row.expires_at <= now {
            return Ok(None);
        }
        parse_grant(OPERATION, &row.grant).map(Some)
    }

    /// Ends a reader. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not have ended.
    pub async fn end_reader(&self, app_id: &str, reader: &ReaderId) -> Result<(), Fault> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.name)
            .key(
                PARTITION_KEY,
                string(partition::readers(app_id, &reader.owner)),
            )
            .key(SORT_KEY, string(reader.to_string()));
        delete
            .send()
            .await
            .map(|_| ())
            .map_err(|error| fault("end reader", error))
    }

    /// Ends all readers of a user: one query, and a write for each.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`]: some may not have ended.
    pub async fn end_readers(&self, app_id: &str, owner: Owner) -> Result<(), Fault> {
        const OPERATION: &str = "read readers";
        let mut start = None;
        loop {
            let query = self
                .client
                .query()
                .table_name(&self.name)
                .consistent_read(true)
                .key_condition_expression("pk = :pk")
                .projection_expression("sk")
                .expression_attribute_values(":pk", string(partition::readers(app_id, &owner)))
                .set_exclusive_start_key(start);
            let page = query
                .send()
                .await
                .map_err(|error| fault(OPERATION, error))?;
            let mut readers = Vec::new();
            for row in page.items.unwrap_or_default() {
                let Key { sk } = read(OPERATION, row)?;
                readers.extend(sk.parse().ok().map(|id| ReaderId { owner, id }));
            }
            let ends: Vec<_> = readers
                .iter()
                .map(|reader| self.end_reader(app_id, reader))
                .collect();
            stream::iter(ends)
                .buffer_unordered(TABLE_CONCURRENCY)
                .try_collect::<()>()
                .await?;
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(());
            }
        }
    }
}
