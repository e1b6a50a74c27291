//! How far deliveries have come, and the reading of a shard from there.

use serde::Deserialize;

use super::client::Table;
use super::item::{fault, item, number, read, string};
use super::keys::ChannelKey;
use super::partition;
use super::subscription::{PageStart, SubscriberRow, SubscribersPage};
use crate::aws::schema::{PARTITION_KEY, SORT_KEY, TTL};
use crate::model::error::Fault;
use crate::model::limits::FANOUT_PROGRESS_SECS;
use crate::model::socket_id::ConnectionId;
use crate::model::task::DeliveryName;
use crate::model::time::UnixMillis;

/// Some subscribers of a shard.
#[derive(Debug)]
pub struct ShardPage {
    /// Those on this page.
    pub subscribers: Vec<SubscriberRow>,
    /// After whom the next page begins; `None` after the last.
    pub next_after: Option<ConnectionId>,
}

/// A delivery to a shard, as the row is keyed that says how far it has come.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryKey<'a> {
    /// The channel.
    pub of: &'a ChannelKey,
    /// The shard.
    pub shard: u32,
    /// Which delivery to it.
    pub name: DeliveryName,
}

#[derive(Deserialize)]
struct ProgressRow {
    after: String,
}

impl Table {
    /// Reads so many subscribers of a shard that come after one: one consistent query.
    ///
    /// # Errors
    /// [`Fault::Table`].
    pub async fn subscribers_after(
        &self,
        of: &ChannelKey,
        shard: u32,
        after: Option<&ConnectionId>,
        count: u32,
    ) -> Result<ShardPage, Fault> {
        let partition = partition::subscribers(of, shard);
        let start = after.map(|after| {
            PageStart::from(item([
                (PARTITION_KEY, string(&*partition)),
                (SORT_KEY, string(after.as_str())),
            ]))
        });
        let SubscribersPage { subscribers, next } = self
            .connections_under("read shard", partition, start, Some(count))
            .await?;
        let id = |key: PageStart| Some(key.get(SORT_KEY)?.as_s().ok()?.clone());
        Ok(ShardPage {
            subscribers,
            next_after: next.and_then(id).map(ConnectionId::new),
        })
    }

    /// Notes that a delivery was begun for everybody up to one. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be noted.
    pub async fn note_progress(
        &self,
        of: DeliveryKey<'_>,
        after: &ConnectionId,
        now: UnixMillis,
    ) -> Result<(), Fault> {
        let row = item([
            (
                PARTITION_KEY,
                string(partition::deliveries(of.of, of.shard)),
            ),
            (SORT_KEY, string(of.name.to_string())),
            (TTL, number(now.plus_secs(FANOUT_PROGRESS_SECS).secs())),
            ("after", string(after.as_str())),
        ]);
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(row));
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(fault("note progress", error)),
        }
    }

    /// Up to whom a delivery was begun, if that was noted. One consistent read.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn progress(&self, of: DeliveryKey<'_>) -> Result<Option<ConnectionId>, Fault> {
        const OPERATION: &str = "read progress";
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(
                PARTITION_KEY,
                string(partition::deliveries(of.of, of.shard)),
            )
            .key(SORT_KEY, string(of.name.to_string()))
            .consistent_read(true);
        let found = get.send().await.map_err(|error| fault(OPERATION, error))?;
        let row: Option<ProgressRow> = found.item.map(|row| read(OPERATION, row)).transpose()?;
        Ok(row.map(|row| ConnectionId::new(row.after)))
    }
}
