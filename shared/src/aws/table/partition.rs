//! The partition keys and sort keys, each of them printed and read here alone.

use super::keys::{ChannelKey, OnceKey, UserKey};
use crate::model::channel::{Channel, ChannelPrefix};
use crate::model::reading::Owner;
use crate::model::socket_id::ConnectionId;

pub(super) fn connection(id: &ConnectionId) -> String {
    format!("conn/{id}")
}

pub(super) fn subscribers(of: &ChannelKey, shard: u32) -> String {
    format!("subs/{}/{}/{shard}", of.app_id, of.channel)
}

pub(super) fn deliveries(of: &ChannelKey, shard: u32) -> String {
    format!("sent/{}/{}/{shard}", of.app_id, of.channel)
}

pub(super) fn channel(of: &ChannelKey) -> String {
    format!("chan/{}/{}", of.app_id, of.channel)
}

/// What the partitions of all channels begin with whose names begin so.
pub(super) fn channels(app_id: &str, prefix: &ChannelPrefix) -> String {
    format!("chan/{app_id}/{}", prefix.as_str())
}

pub(super) fn log(of: &ChannelKey) -> String {
    format!("log/{}/{}", of.app_id, of.channel)
}

pub(super) fn members(of: &ChannelKey) -> String {
    format!("memb/{}/{}", of.app_id, of.channel)
}

/// The connection whose partition this is.
pub(super) fn of_connection(partition: &str) -> Option<ConnectionId> {
    let id = partition.strip_prefix("conn/")?;
    Some(ConnectionId::new(id.to_owned()))
}

/// The channel whose item's partition this is.
pub(super) fn of_channel(partition: &str) -> Option<ChannelKey> {
    let (app_id, name) = partition.strip_prefix("chan/")?.split_once('/')?;
    Some(ChannelKey::new(app_id, &Channel::parse(name).ok()?))
}

/// The channel and the shard whose subscribers' partition this is.
pub(super) fn of_subscribers(partition: &str) -> Option<(ChannelKey, u32)> {
    let (channel, shard) = partition.strip_prefix("subs/")?.rsplit_once('/')?;
    let (app_id, name) = channel.split_once('/')?;
    let of = ChannelKey::new(app_id, &Channel::parse(name).ok()?);
    Some((of, shard.parse().ok()?))
}

/// The user whose row's partition this is.
pub(super) fn of_user(partition: &str) -> Option<UserKey> {
    let (app_id, user_id) = partition.strip_prefix("user/")?.split_once('/')?;
    Some(UserKey::new(app_id, user_id))
}

pub(super) fn cache(of: &ChannelKey) -> String {
    format!("cache/{}/{}", of.app_id, of.channel)
}

pub(super) fn rate(id: &ConnectionId) -> String {
    format!("rate/{id}")
}

pub(super) fn once(of: &OnceKey) -> String {
    format!("idem/{}/{}", of.app_id, of.key)
}

pub(super) fn readers(app_id: &str, owner: &Owner) -> String {
    format!("read/{app_id}/{}", hex::encode(owner))
}

pub(super) fn token(digest: &str) -> String {
    format!("token/{digest}")
}

pub(super) fn user(of: &UserKey) -> String {
    format!("user/{}/{}", of.app_id, of.user_id)
}

pub(super) fn watchers(of: &UserKey) -> String {
    format!("watch/{}/{}", of.app_id, of.user_id)
}

pub(super) fn watches(id: &ConnectionId) -> String {
    format!("watches/{id}")
}

pub(super) fn outbox(id: &ConnectionId) -> String {
    format!("out/{id}")
}

/// The sort keys in an outbox: the session comes before all frames, and its end after them.
pub(super) const SESSION: &str = "!";
pub(super) const PARTING: &str = "~";

/// The sort keys of the rows that are alone under theirs.
pub(super) const CONNECTION: &str = "conn";
pub(super) const CHANNEL: &str = "chan";
pub(super) const CACHE: &str = "cache";
pub(super) const RATE: &str = "rate";
pub(super) const ONCE: &str = "idem";
pub(super) const TOKEN: &str = "token";
pub(super) const USER: &str = "user";
pub(super) const WATCHES: &str = "watches";

const OWN: &str = "sub/";

/// The sort key of a connection's own subscription.
pub(super) fn own(channel: &Channel) -> String {
    format!("{OWN}{channel}")
}

/// The channel's name in that key.
pub(super) fn owned(sort_key: &str) -> Option<&str> {
    sort_key.strip_prefix(OWN)
}

/// The sort key of a publication: sorts as the number does.
pub(super) fn serial(serial: u64) -> String {
    format!("{serial:020}")
}
