//! What a channel's item says about its subscribers to those who have no publication for them.

use serde::Deserialize;

use super::{ChannelKey, Table, fault, partition, read, string};
use crate::error::Fault;
use crate::schema::{PARTITION_KEY, SORT_KEY};

/// A channel's subscribers, as its item counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// How many they are: perhaps too many, never too few.
    pub subscribers: u64,
    /// How many shards they are in, at least 1.
    pub shards: u32,
}

#[derive(Default, Deserialize)]
struct AudienceRow {
    #[serde(default)]
    subscribers: i64,
    #[serde(default)]
    shards: Option<u32>,
}

impl Table {
    /// Reads how many subscribe to a channel: one consistent read, since a shard that is missed is
    /// a subscriber that is missed.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn audience(&self, of: &ChannelKey) -> Result<Audience, Fault> {
        const OPERATION: &str = "read channel";
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::channel(of)))
            .key(SORT_KEY, string(partition::CHANNEL))
            .consistent_read(true);
        let found = get.send().await.map_err(|error| fault(OPERATION, error))?;
        let row: AudienceRow = match found.item {
            Some(item) => read(OPERATION, item)?,
            None => AudienceRow::default(),
        };
        Ok(Audience {
            subscribers: u64::try_from(row.subscribers).unwrap_or(0),
            shards: row.shards.unwrap_or(1),
        })
    }
}
