//! The shape of the one table: the names of its keys and of the attribute DynamoDB expires rows by.

/// Partition key, a string.
pub const PARTITION_KEY: &str = "pk";
/// Sort key, a string.
pub const SORT_KEY: &str = "sk";
/// The TTL attribute: a number, unix seconds.
pub const TTL: &str = "ttl";
