//! Requests about many rows at once. DynamoDB may carry out a part of one and hand back the rest,
//! which is then asked for again.

use std::time::Duration;

use aws_sdk_dynamodb::types::{KeysAndAttributes, WriteRequest};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::client::Table;
use super::item::{Item, fault};
use crate::model::error::Fault;
use crate::model::limits::TABLE_CONCURRENCY;

/// Rows in one request to write: DynamoDB's limit.
const WRITE_ROWS_MAX: usize = 25;
/// Rows in one request to read: DynamoDB's limit.
pub const READ_ROWS_MAX: usize = 100;
/// Pauses before what was handed back is asked for again; then it has failed.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

impl Table {
    /// Puts and deletes rows without conditions, in no order: a write a row, 25 in a request. May
    /// be repeated.
    pub(super) async fn write_all(
        &self,
        operation: &'static str,
        rows: Vec<WriteRequest>,
    ) -> Result<(), Fault> {
        let requests: Vec<Vec<WriteRequest>> =
            rows.chunks(WRITE_ROWS_MAX).map(<[_]>::to_vec).collect();
        stream::iter(requests)
            .map(|some| self.write_some(operation, some))
            .buffer_unordered(TABLE_CONCURRENCY)
            .try_collect()
            .await
    }

    async fn write_some(
        &self,
        operation: &'static str,
        mut rows: Vec<WriteRequest>,
    ) -> Result<(), Fault> {
        let mut pauses = PAUSES.iter();
        loop {
            let write = self
                .client
                .batch_write_item()
                .request_items(&self.name, rows);
            let written = write
                .send()
                .await
                .map_err(|error| fault(operation, error))?;
            let mut left = written.unprocessed_items.unwrap_or_default();
            match left.remove(&self.name) {
                Some(some) if !some.is_empty() => rows = some,
                Some(_) | None => return Ok(()),
            }
            pause(operation, &mut pauses).await?;
        }
    }

    /// Reads at most [`READ_ROWS_MAX`] rows consistently, those that are there, in no order: one
    /// request.
    pub(super) async fn read_all(
        &self,
        operation: &'static str,
        keys: Vec<Item>,
    ) -> Result<Vec<Item>, Fault> {
        debug_assert!((1..=READ_ROWS_MAX).contains(&keys.len()));
        let mut pauses = PAUSES.iter();
        let mut rows = Vec::new();
        let mut wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(true)
            .build()
            .expect("there are keys");
        loop {
            let get = self
                .client
                .batch_get_item()
                .request_items(&self.name, wanted);
            let found = get.send().await.map_err(|error| fault(operation, error))?;
            for (_, some) in found.responses.unwrap_or_default() {
                rows.extend(some);
            }
            let mut left = found.unprocessed_keys.unwrap_or_default();
            match left.remove(&self.name) {
                Some(some) if !some.keys.is_empty() => wanted = some,
                Some(_) | None => return Ok(rows),
            }
            pause(operation, &mut pauses).await?;
        }
    }
}

/// Waits before what was handed back is asked for again, or gives it up: it is handed back for want
/// of capacity.
async fn pause(
    operation: &'static str,
    pauses: &mut impl Iterator<Item = &'static Duration>,
) -> Result<(), Fault> {
    let pause = pauses.next().ok_or_else(|| Fault::Table {
        operation,
        source: "rows are still handed back".into(),
        throttled: true,
    })?;
    tokio::time::sleep(*pause).await;
    Ok(())
}
