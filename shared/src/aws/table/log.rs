//! The log of a channel: its publications by serial, kept for a while.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use serde::Deserialize;

use super::client::Table;
use super::item::{conditional, fault, item, number, read, string};
use super::keys::ChannelKey;
use super::partition;
use crate::aws::schema::{PARTITION_KEY, SORT_KEY, TTL};
use crate::model::error::Fault;
use crate::model::event::{EventData, EventName};
use crate::model::time::UnixMillis;

/// A publication that is being put into the log.
#[derive(Clone, Copy, Debug)]
pub struct LogEntry<'a> {
    /// Names the publication, so that its own row, met by a repeated attempt, is known.
    pub id: &'a str,
    /// The serial that it took.
    pub serial: u64,
    /// When it was made.
    pub at: UnixMillis,
    /// When the one before it was made; 0 for the first.
    pub previous_at: UnixMillis,
    /// How long it is kept.
    pub retention_secs: u64,
    /// The event's name.
    pub name: &'a EventName,
    /// The event's data.
    pub data: &'a EventData,
}

/// Whether a publication is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is, under its serial.
    Yes,
    /// A reader took its publisher for dead and closed the serial.
    Closed,
}

/// A row of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// Its serial.
    pub serial: u64,
    /// When it was made, or closed.
    pub at: UnixMillis,
    /// When the one before it was made; 0 when that is not known.
    pub previous_at: UnixMillis,
    /// The event's name and data; `None` for a closed serial.
    pub event: Option<(String, String)>,
}

/// Some rows of the log, by ascending serial.
#[derive(Debug)]
pub struct LogPage {
    /// The rows.
    pub rows: Vec<LogRow>,
    /// Whether there are more.
    pub more: bool,
}

#[derive(Deserialize)]
struct Row {
    sk: String,
    #[serde(default)]
    id: Option<String>,
    at: UnixMillis,
    #[serde(default)]
    previous_at: UnixMillis,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    data: Option<String>,
}

impl Table {
    /// Puts a publication into the log under its serial. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be in the log. [`Fault::Row`].
    pub async fn append(&self, of: &ChannelKey, entry: LogEntry<'_>) -> Result<Appended, Fault> {
        const OPERATION: &str = "append to log";
        let row = item([
            (PARTITION_KEY, string(partition::log(of))),
            (SORT_KEY, string(partition::serial(entry.serial))),
            (TTL, number(entry.at.plus_secs(entry.retention_secs).secs())),
            ("id", string(entry.id)),
            ("at", number(entry.at.0)),
            ("previous_at", number(entry.previous_at.0)),
            ("name", string(entry.name.as_str())),
            ("data", string(entry.data.as_str())),
        ]);
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else {
            return Ok(Appended::Yes);
        };
        let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error()
        else {
            return Err(fault(OPERATION, error));
        };
        let found: Row = read(OPERATION, failed.item.clone().unwrap_or_default())?;
        Ok(if found.id.as_deref() == Some(entry.id) {
            Appended::Yes
        } else {
            Appended::Closed
        })
    }

    /// Closes a serial whose publisher is taken for dead, unless it is in the log after all. One
    /// write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be closed.
    pub async fn close_serial(
        &self,
        of: &ChannelKey,
        serial: u64,
        retention_secs: u64,
        now: UnixMillis,
    ) -> Result<(), Fault> {
        let row = item([
            (PARTITION_KEY, string(partition::log(of))),
            (SORT_KEY, string(partition::serial(serial))),
            (TTL, number(now.plus_secs(retention_secs).secs())),
            ("at", number(now.0)),
        ]);
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(pk)");
        conditional("close serial", put.send().await).map(drop)
    }

    /// Reads up to `limit` rows from a serial on, expired or not: one consistent query.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn log_from(
        &self,
        of: &ChannelKey,
        serial: u64,
        limit: usize,
    ) -> Result<LogPage, Fault> {
        const OPERATION: &str = "read log";
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk >= :from")
            .expression_attribute_values(":pk", string(partition::log(of)))
            .expression_attribute_values(":from", string(partition::serial(serial)))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let page = query
            .send()
            .await
            .map_err(|error| fault(OPERATION, error))?;
        let rows = page
            .items
            .unwrap_or_default()
            .into_iter()
            .map(|row| read::<Row>(OPERATION, row)?.try_into());
        Ok(LogPage {
            rows: rows.collect::<Result<_, Fault>>()?,
            more: page.last_evaluated_key.is_some_and(|key| !key.is_empty()),
        })
    }
}

impl TryFrom<Row> for LogRow {
    type Error = Fault;

    fn try_from(row: Row) -> Result<Self, Fault> {
        let serial = row
            .sk
            .parse()
            .map_err(|source: std::num::ParseIntError| Fault::Row {
                operation: "read log",
                source: source.into(),
            })?;
        Ok(Self {
            serial,
            at: row.at,
            previous_at: row.previous_at,
            event: row.name.zip(row.data),
        })
    }
}
