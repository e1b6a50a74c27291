//! Shards of a channel, and the subscribers in each, as if they had joined one after the other.

use shared::model::shard;
use shared::model::socket_id::ConnectionId;

use crate::sink::connection_id;

/// The shard of each of so many subscribers, in the order in which they joined.
pub(crate) fn shards_of(subscribers: u64, per_shard: u64) -> Vec<u32> {
    let mut shards = 1;
    let mut joined = Vec::new();
    for n in 0..subscribers {
        if shard::needs_another(n + 1, shards, per_shard) {
            shards += 1;
        }
        joined.push(shard::of(&id(n), shards));
    }
    joined
}

/// How many subscribers are in each shard of a channel that so many have joined.
pub(crate) fn in_shards(subscribers: u64, per_shard: u64) -> Vec<u64> {
    let joined = shards_of(subscribers, per_shard);
    let shards = joined.iter().max().map_or(1, |last| *last as usize + 1);
    let mut counts = vec![0; shards];
    for shard in joined {
        counts[shard as usize] += 1;
    }
    counts
}

/// The connection id of a subscriber, by the order in which it joined.
pub(crate) fn id(n: u64) -> ConnectionId {
    let n = usize::try_from(n).expect("as many as fit memory");
    ConnectionId::new(connection_id(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_in_a_shard_and_none_is_twice_as_full_as_it_may_be() {
        assert_eq!(in_shards(1, 1_000), [1]);
        assert_eq!(in_shards(1_000, 1_000), [1_000]);
        let shards = in_shards(30_000, 1_000);
        assert_eq!(shards.len(), 30);
        assert_eq!(shards.iter().sum::<u64>(), 30_000);
        assert!(shards.iter().all(|count| *count < 2_000), "{shards:?}");
    }
}
