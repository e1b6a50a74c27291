//! The channels that somebody is on: which they are, and what their items say.

use super::audience::Audience;
use super::client::Table;
use super::item::{fault, item, string};
use super::keys::ChannelKey;
use super::subscription::PageStart;
use super::{audience, partition};
use crate::aws::schema::{
    OCCUPIED_INDEX, OCCUPIED_SHARD, OCCUPIED_SHARDS, PARTITION_KEY, SORT_KEY,
};
use crate::model::channel::{Channel, ChannelPrefix};
use crate::model::error::Fault;
use crate::model::shard::hash;

/// Some channels of one of the index's partitions.
#[derive(Debug)]
pub struct OccupiedPage {
    /// The channels on this page.
    pub channels: Vec<Channel>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<PageStart>,
}

/// The partition of an app in the index.
fn partition_of(app_id: &str, shard: u32) -> String {
    format!("{app_id}/{shard}")
}

/// The index partition that a channel is in while somebody is on it.
pub(super) fn shard_of(of: &ChannelKey) -> String {
    partition_of(&of.app_id, hash(of.channel.as_str()) % OCCUPIED_SHARDS)
}

impl Table {
    /// Reads some of an app's channels that somebody is on, whose names begin so, in one of the
    /// index's [`OCCUPIED_SHARDS`] partitions, by name: one query of the index of at most 1 MB, some
    /// thousands of channels. It may lag behind the items.
    ///
    /// # Errors
    /// [`Fault::Table`].
    pub async fn occupied(
        &self,
        app_id: &str,
        shard: u32,
        prefix: &ChannelPrefix,
        start: Option<PageStart>,
    ) -> Result<OccupiedPage, Fault> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(OCCUPIED_INDEX)
            .key_condition_expression("#shard = :shard AND begins_with(#channel, :prefix)")
            .expression_attribute_names("#shard", OCCUPIED_SHARD)
            .expression_attribute_names("#channel", PARTITION_KEY)
            .expression_attribute_values(":shard", string(partition_of(app_id, shard)))
            .expression_attribute_values(":prefix", string(partition::channels(app_id, prefix)))
            .set_exclusive_start_key(start);
        let page = query
            .send()
            .await
            .map_err(|error| fault("read occupied channels", error))?;
        let channels = page
            .items
            .unwrap_or_default()
            .into_iter()
            .filter_map(|row| {
                let of = partition::of_channel(row.get(PARTITION_KEY)?.as_s().ok()?)?;
                Some(of.channel)
            });
        Ok(OccupiedPage {
            channels: channels.collect(),
            next: page.last_evaluated_key.filter(|key| !key.is_empty()),
        })
    }

    /// Reads what the items of up to 100 channels say, those that have one, in no order: one
    /// consistent read of them all.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn audiences(&self, of: &[ChannelKey]) -> Result<Vec<(Channel, Audience)>, Fault> {
        const OPERATION: &str = "read channels";
        let keys = of.iter().map(|of| {
            item([
                (PARTITION_KEY, string(partition::channel(of))),
                (SORT_KEY, string(partition::CHANNEL)),
            ])
        });
        let rows = self.read_all(OPERATION, keys.collect()).await?;
        let mut audiences = Vec::with_capacity(rows.len());
        for row in rows {
            let partition = row.get(PARTITION_KEY).and_then(|key| key.as_s().ok());
            let of = partition.and_then(|partition| partition::of_channel(partition));
            let audience = audience::read_from(OPERATION, row)?;
            audiences.extend(of.map(|of| (of.channel, audience)));
        }
        Ok(audiences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_apps_channels_are_in_its_own_partitions_and_in_all_of_them() {
        let shard = |app_id: &str, n: usize| {
            let channel = Channel::parse(&format!("presence-room-{n}")).expect("a name");
            shard_of(&ChannelKey::new(app_id, &channel))
        };
        for place in 0..OCCUPIED_SHARDS {
            let partition = partition_of("1001", place);
            let here = (0..800).filter(|n| shard("1001", *n) == partition).count();
            assert!((50..200).contains(&here), "{here} in {partition}");
        }
        assert_ne!(shard("1001", 0), shard("1002", 0));
    }
}
