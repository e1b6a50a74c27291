//! The last event of a cache channel. An item of its own: it may be ten times what the channel's
//! item may be, which every publication writes.

use serde::Deserialize;

use super::client::Table;
use super::item::{conditional, fault, item, number, read, string};
use super::keys::ChannelKey;
use super::partition;
use crate::aws::schema::{PARTITION_KEY, SORT_KEY, TTL};
use crate::model::error::Fault;
use crate::model::event::{EventData, EventName};
use crate::model::time::UnixMillis;

/// A publication that is being kept.
#[derive(Clone, Copy, Debug)]
pub struct NewCached<'a> {
    /// Its serial.
    pub serial: u64,
    /// When it was made.
    pub at: UnixMillis,
    /// The event's name.
    pub name: &'a EventName,
    /// The event's data.
    pub data: &'a EventData,
    /// Until when it is shown.
    pub expires_at: UnixMillis,
}

/// A publication that was kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Cached {
    /// Its serial.
    pub serial: u64,
    /// The event's name.
    pub name: String,
    /// The event's data.
    pub data: String,
    /// Until when it is shown.
    pub expires_at: UnixMillis,
}

impl Table {
    /// Keeps a publication as its channel's last, unless a later one is kept. One write; may be
    /// repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be kept.
    pub async fn put_cached(&self, of: &ChannelKey, new: NewCached<'_>) -> Result<(), Fault> {
        let row = item([
            (PARTITION_KEY, string(partition::cache(of))),
            (SORT_KEY, string(partition::CACHE)),
            // One more, since DynamoDB counts in whole seconds.
            (TTL, number(new.expires_at.secs() + 1)),
            ("serial", number(new.serial)),
            ("at", number(new.at.0)),
            ("name", string(new.name.as_str())),
            ("data", string(new.data.as_str())),
            ("expires_at", number(new.expires_at.0)),
        ]);
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(pk) OR serial < :serial")
            .expression_attribute_values(":serial", number(new.serial));
        conditional("keep last event", put.send().await).map(drop)
    }

    /// The last publication of a channel that keeps it, unless that has expired: one consistent
    /// read.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn cached(&self, of: &ChannelKey, now: UnixMillis) -> Result<Option<Cached>, Fault> {
        const OPERATION: &str = "read last event";
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::cache(of)))
            .key(SORT_KEY, string(partition::CACHE))
            .consistent_read(true);
        let found = get.send().await.map_err(|error| fault(OPERATION, error))?;
        let cached = found.item.map(|row| read::<Cached>(OPERATION, row));
        // DynamoDB deletes what has expired up to two days late.
        Ok(cached.transpose()?.filter(|cached| cached.expires_at > now))
    }
}
