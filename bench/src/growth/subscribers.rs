//! The rows of a channel and of its subscribers, as if they had joined one after the other.

use serde_json::{Value, json};
use shared::aws::schema::{OCCUPIED_SHARD, PARTITION_KEY, SORT_KEY, TTL};

use super::model::shards::{id, shards_of};
use crate::system::APP_ID;

/// Unix seconds at which the rows expire: not while this runs.
const EXPIRES: &str = "9999999999";
/// Unix milliseconds at which they were written.
const JOINED: &str = "1790000000000";

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

#[cfg(test)]
mod tests {
    use super::super::model::shards::in_shards;
    use super::*;

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
