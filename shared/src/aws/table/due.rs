//! What falls due: connections that have outlived their time, and channels and users whose announcer
//! may have died. The index is sharded, and only its keys are projected, so it changes on transitions alone.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::client::Table;
use super::item::{Item, fault, number, string};
use super::keys::{ChannelKey, UserKey};
use super::partition;
use crate::aws::schema::{DUE_AT, DUE_INDEX, DUE_SHARD, DUE_SHARDS, PARTITION_KEY};
use crate::model::error::Fault;
use crate::model::shard::hash;
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;

/// Rows on one page: what a run of the reaper takes on before it looks at the clock.
const PAGE_ROWS: i32 = 200;

/// Something whose time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// A connection: it has expired, or is to be looked at.
    Connection(ConnectionId),
    /// A channel that somebody has begun to announce on.
    Channel(ChannelKey),
    /// A user of whom somebody has begun to tell.
    User(UserKey),
}

/// Some of what is due.
#[derive(Debug)]
pub struct DuePage {
    /// What is on this page.
    pub due: Vec<Due>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<HashMap<String, AttributeValue>>,
}

/// The index partition of the row with this partition key.
pub(super) fn shard_of(partition: &str) -> AttributeValue {
    string((hash(partition) % DUE_SHARDS).to_string())
}

impl Table {
    /// Reads some of what is due in one of the index's [`DUE_SHARDS`] partitions, the longest
    /// overdue first: one query of the index, which may lag behind the rows. Whoever acts on it
    /// looks at the row first.
    ///
    /// # Errors
    /// [`Fault::Table`].
    pub async fn due(
        &self,
        shard: u32,
        now: UnixMillis,
        start: Option<HashMap<String, AttributeValue>>,
    ) -> Result<DuePage, Fault> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(DUE_INDEX)
            .key_condition_expression("#shard = :shard AND #at <= :now")
            .expression_attribute_names("#shard", DUE_SHARD)
            .expression_attribute_names("#at", DUE_AT)
            .expression_attribute_values(":shard", string(shard.to_string()))
            .expression_attribute_values(":now", number(now.0))
            .limit(PAGE_ROWS)
            .set_exclusive_start_key(start);
        let page = query
            .send()
            .await
            .map_err(|error| fault("read what is due", error))?;
        let due = |row: Item| {
            let partition = row.get(PARTITION_KEY)?.as_s().ok()?;
            partition::of_connection(partition)
                .map(Due::Connection)
                .or_else(|| partition::of_channel(partition).map(Due::Channel))
                .or_else(|| partition::of_user(partition).map(Due::User))
        };
        let rows = page.items.unwrap_or_default();
        Ok(DuePage {
            due: rows.into_iter().filter_map(due).collect(),
            next: page.last_evaluated_key.filter(|key| !key.is_empty()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::channel::Channel;

    #[test]
    fn what_is_due_is_known_by_its_partition() {
        let id = ConnectionId::new("L0SM9cOFvHcCIhw=".to_owned());
        assert_eq!(
            partition::of_connection(&partition::connection(&id)),
            Some(id)
        );
        let channel = Channel::parse("presence-a").expect("a name");
        let of = ChannelKey::new("1", &channel);
        assert_eq!(
            partition::of_channel(&partition::channel(&of)),
            Some(of.clone())
        );
        assert_eq!(partition::of_channel(&partition::members(&of)), None);
        assert_eq!(partition::of_channel("chan/1/a/b"), None);
        let of = UserKey::new("1", "a/b");
        assert_eq!(partition::of_user(&partition::user(&of)), Some(of.clone()));
        assert_eq!(partition::of_user(&partition::watchers(&of)), None);
    }
}
