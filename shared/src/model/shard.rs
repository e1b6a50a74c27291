//! The shards of a channel: how many there are, and which one a subscriber goes to.
//!
//! A channel begins with one and only grows, until everybody has left. Nobody moves: a subscriber stays
//! in the shard that its connection's own row names.

use crate::model::socket_id::ConnectionId;

/// A number for a text, always the same, spread over all there are.
#[must_use]
pub fn hash(text: &str) -> u32 {
    text.bytes().fold(0, |hash: u32, byte| {
        (hash.rotate_left(5) ^ u32::from(byte)).wrapping_mul(0x9E37_79B9)
    })
}

/// Whether a channel of so many subscribers needs another shard besides those that it has.
#[must_use]
pub const fn needs_another(subscribers: u64, shards: u32, per_shard: u64) -> bool {
    subscribers > per_shard.saturating_mul(shards as u64)
}

/// The shard that a subscriber of a channel with so many goes to: one of the newer half. The older ones
/// were full before the newer ones came, and going to all alike would let them grow for ever.
#[must_use]
pub fn of(id: &ConnectionId, shards: u32) -> u32 {
    let hash = hash(id.as_str());
    let older = shards / 2;
    older + hash % (shards - older).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> ConnectionId {
        ConnectionId::new(format!("L0SM9cOFv{n:06}="))
    }

    /// A channel that so many have joined one after the other: how many are in each shard.
    fn joined_by(subscribers: u64, per_shard: u64) -> Vec<u64> {
        let mut shards = vec![0];
        for n in 0..subscribers {
            let count = u32::try_from(shards.len()).expect("few");
            if needs_another(n + 1, count, per_shard) {
                shards.push(0);
            }
            let count = u32::try_from(shards.len()).expect("few");
            shards[of(&id(n), count) as usize] += 1;
        }
        shards
    }

    #[test]
    fn a_small_channel_has_one_shard() {
        assert!((0..100).all(|n| of(&id(n), 1) == 0));
        assert_eq!(joined_by(1_000, 1_000), [1_000]);
        assert_eq!(joined_by(1_001, 1_000), [1_000, 1]);
    }

    #[test]
    fn a_channel_grows_with_its_subscribers_and_no_shard_beyond_twice_its_share() {
        let shards = joined_by(20_000, 500);
        assert_eq!(shards.len(), 40);
        // The last ones are still being filled.
        assert!(shards.iter().all(|count| *count < 1_000), "{shards:?}");
        assert!(shards[..20].iter().all(|count| *count > 250), "{shards:?}");
    }

    #[test]
    fn a_shard_is_always_the_same_and_all_of_the_newer_half_are_used() {
        for shard in 4..8 {
            let in_shard = (0..100).filter(|n| of(&id(*n), 8) == shard).count();
            assert!((10..50).contains(&in_shard), "{in_shard} in {shard}");
        }
        assert_eq!(of(&id(7), 8), of(&id(7), 8));
    }
}
