//! How a channel grows: it is given shards.

use crate::aws::Services;
use crate::aws::table::ChannelKey;
use crate::log::log_fault;
use crate::model::shard;

/// How many shards a channel has for so many subscribers, the one that has just been counted
/// included: one more than it had if that one is too many for those. That costs one write. A shard that is
/// too full is no reason to turn anybody away, so a failure leaves it at that.
pub(crate) async fn grown(
    services: &Services,
    of: &ChannelKey,
    subscribers: u64,
    shards: u32,
) -> u32 {
    if !shard::needs_another(subscribers, shards, services.large_channels.per_shard) {
        return shards;
    }
    match services.table.add_shard(of, shards).await {
        Ok(shards) => {
            tracing::info!(channel = %of.channel, subscribers, shards, "grown");
            shards
        }
        Err(fault) => {
            log_fault!(warn, fault, channel = %of.channel, "not grown");
            shards
        }
    }
}
