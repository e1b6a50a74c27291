//! The shape of the one table: the names of its keys and of the attribute DynamoDB expires rows by.

/// Partition key, a string.
pub const PARTITION_KEY: &str = "pk";
/// Sort key, a string.
pub const SORT_KEY: &str = "sk";
/// The TTL attribute: a number, unix seconds.
pub const TTL: &str = "ttl";
/// The index of what falls due: connections by their expiry, channels by the end of an announcer's
/// lease. Keys alone are projected.
pub const DUE_INDEX: &str = "due";
/// Its partition key, a string: one of [`DUE_SHARDS`] numbers, so that no partition gets hot.
pub const DUE_SHARD: &str = "due_shard";
/// Its sort key: a number, unix milliseconds.
pub const DUE_AT: &str = "due_at";
/// How many partitions it is spread over.
pub const DUE_SHARDS: u32 = 16;
/// The index of the channels that somebody is on. Its sort key is the table's partition key, in which
/// the channel's name stands last; keys alone are projected.
pub const OCCUPIED_INDEX: &str = "occupied";
/// Its partition key, a string: the app and one of [`OCCUPIED_SHARDS`] numbers, so that no partition
/// gets hot. A channel has it from its first subscriber to its last.
pub const OCCUPIED_SHARD: &str = "occupied_shard";
/// How many partitions an app has in it.
pub const OCCUPIED_SHARDS: u32 = 8;
