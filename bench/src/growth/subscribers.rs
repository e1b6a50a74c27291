//! The rows of a channel and of its subscribers, as if they had joined one after the other.

use serde_json::{Value, json};
use shared::schema::{OCCUPIED_SHARD, PARTITION_KEY, SORT_KEY, TTL};
use shared::shard;
use shared::socket_id::ConnectionId;

use crate::sink::connection_id;
use crate::system::APP_ID;

/// Unix seconds at which the rows expire: not while this runs.
const EXPIRES: &str = "9999999999";
/// Unix milliseconds at which they were written.
const JOINED: &str = "1790000000000";

/// The shard of each of so many subscribers, in the order in which they joined.
fn shards_of(subscribers: u64, per_shard: u64) -> Vec<u32> {
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

/// The rows of a channel that so many have joined, in DynamoDB's own form: its item, and each
/// subscriber.
pub(crate) fn rows(channel: &str, subscribers: u64, per_shard: u64) -> Vec<Value> {
    let joined = shards_of(subscribers, per_shard);
    let shards = joined.iter().max().map_or(1, |last| last + 1);
    let mut item = json!({
        PARTITION_KEY: {"S": format!("chan/{APP_ID}/{channel}")},
        SORT_KEY: {"S": "chan"},
        TTL: {"N": EXPIRES},
        "joined_at": {"N": JOINED},
        "subscribers": {"N": subscribers.to_string()},
        OCCUPIED_SHARD: {"S": format!("{APP_ID}/0")},
    });
    if shards > 1 {
        item["shards"] = json!({"N": shards.to_string()});
    }
    let row = |(n, shard)| {
        json!({
            PARTITION_KEY: {"S": format!("subs/{APP_ID}/{channel}/{shard}")},
            SORT_KEY: {"S": id(n).as_str()},
            TTL: {"N": EXPIRES},
            "at": {"N": JOINED},
            // As long as API Gateway's.
            "op": {"S": format!("{n:015}=")},
        })
    };
    std::iter::once(item)
        .chain((0..).zip(joined).map(row))
        .collect()
}

fn id(n: u64) -> ConnectionId {
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

    #[test]
    fn there_is_a_row_for_each_and_one_for_the_channel() {
        let rows = rows("prices", 2_500, 1_000);
        assert_eq!(rows.len(), 2_501);
        assert_eq!(rows[0]["subscribers"]["N"], "2500");
        assert_eq!(rows[0]["shards"]["N"], "3");
        let of_last = |row: &&Value| row[PARTITION_KEY]["S"] == "subs/1001/prices/2";
        let last = rows.iter().filter(of_last).count();
        assert_eq!(last as u64, in_shards(2_500, 1_000)[2]);
    }
}
