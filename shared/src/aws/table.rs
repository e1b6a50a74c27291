//! The one table: its keys, and the operations on its rows, each a single request.
//!
//! | row | partition key | sort key |
//! | --- | --- | --- |
//! | connection | `conn/{connection_id}` | `conn` |
//! | a connection's own subscription | `conn/{connection_id}` | `sub/{channel}` |
//! | subscriber of a channel | `subs/{app}/{channel}/{shard}` | `{connection_id}` |
//! | channel | `chan/{app}/{channel}` | `chan` |
//! | how far a delivery to a shard has come | `sent/{app}/{channel}/{shard}` | `{serial}`, `{UUID}` |
//! | publication | `log/{app}/{channel}` | `{serial, 20 digits}` |
//! | member of a presence channel | `memb/{app}/{channel}` | `{user_id}` |
//! | last event of a cache channel | `cache/{app}/{channel}` | `cache` |
//! | turns of a connection | `rate/{connection_id}` | `rate` |
//! | idempotency key | `idem/{app}/{SHA-256 in hex}` | `idem` |
//! | token | `token/{SHA-256 in hex}` | `token` |
//! | user, where it is signed in | `user/{app}/{user_id}` | `user` |
//! | who watches a user | `watch/{app}/{user_id}` | `{connection_id}` |
//! | whom a connection watches | `watches/{connection_id}` | `watches` |
//! | session over HTTP; how it was closed | `out/{connection_id}` | `!`; `~` |
//! | frame that waits for it | `out/{connection_id}` | `{UUID of version 7}` |
//!
//! Connections, and channels and users while somebody announces on them or tells of them, are also in
//! the index of what falls due. Neither an app's id nor a channel's name can hold a `/`; a user's id can,
//! and stands last. Which operations follow one another,
//! and what a crash between two leaves, is said in the use cases.

mod audience;
mod batch;
mod cache;
mod channel;
mod conflict;
mod connection;
mod due;
mod growth;
mod lease;
mod log;
mod member;
mod occupied;
mod once;
mod outbox;
mod progress;
mod rate;
mod reader;
mod resuming;
mod signed_in;
mod subscription;
mod token;
mod user;
mod watch;

use std::collections::HashMap;
use std::error::Error as StdError;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::DeserializeOwned;

pub use self::audience::{Audience, Telling};
pub use self::batch::READ_ROWS_MAX;
pub use self::cache::{Cached, NewCached};
pub use self::channel::{Correction, Counted, CountedOut, NextSerial, Tip};
use self::conflict::Conflicts;
pub use self::connection::{
    ConnectionRows, ConnectionState, Mark, NewConnection, OwnRows, OwnSubscription, Recorded,
    Socket,
};
pub use self::due::{Due, DuePage};
pub use self::lease::{Lease, LeaseOn, Released};
pub use self::log::{Appended, LogEntry, LogPage, LogRow};
pub use self::member::{Join, MemberRow, Told};
pub use self::occupied::OccupiedPage;
pub use self::once::{Begun, OnceKey, TakenSerial};
pub use self::outbox::{FrameKey, Outbox, SessionRow, Taken, Waiting};
pub use self::progress::{DeliveryKey, ShardPage};
pub use self::resuming::Switched;
pub use self::signed_in::{Identified, SignedIn};
pub use self::subscription::{
    NewSubscriber, OwnPut, OwnRow, PageStart, Subscriber, SubscriberPut, SubscriberRow,
    SubscribersPage, Written,
};
pub use self::token::{NewToken, Used};
pub use self::user::{Change, UserLease};
pub use self::watch::Watches;
use crate::config::Config;
use crate::model::channel::{Channel, ChannelPrefix};
use crate::model::error::Fault;
use crate::model::reading::Owner;
use crate::model::socket_id::ConnectionId;
use crate::model::voice::Voice;

type Item = HashMap<String, AttributeValue>;

/// A channel of an app: what a channel's rows are keyed by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChannelKey {
    /// The app's id.
    pub app_id: String,
    /// The channel.
    pub channel: Channel,
}

impl ChannelKey {
    /// The channel `channel` of the app `app_id`.
    #[must_use]
    pub fn new(app_id: &str, channel: &Channel) -> Self {
        Self {
            app_id: app_id.to_owned(),
            channel: channel.clone(),
        }
    }
}

/// A user of an app: what a user's rows are keyed by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserKey {
    /// The app's id.
    pub app_id: String,
    /// The user's id.
    pub user_id: String,
}

impl UserKey {
    /// The user `user_id` of the app `app_id`.
    #[must_use]
    pub fn new(app_id: &str, user_id: &str) -> Self {
        Self {
            app_id: app_id.to_owned(),
            user_id: user_id.to_owned(),
        }
    }
}

/// The first pause before an operation is repeated, at most; it doubles. The SDK's own second would
/// be a second that a client waits for.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// The table. Cheap to clone.
#[derive(Clone)]
pub struct Table {
    client: Client,
    name: String,
}

impl Table {
    /// A client that opens nothing yet. It repeats what may safely be repeated (three attempts);
    /// the one operation that may not switches that off for itself.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut sdk = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(config.region.clone()))
            .credentials_provider(super::credentials::Keys::new(config))
            .http_client(super::transport::Transport::new(config))
            .retry_config(RetryConfig::standard().with_initial_backoff(RETRY_PAUSE))
            .retry_classifier(Conflicts)
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(super::ATTEMPT_TIMEOUT)
                    .build(),
            );
        sdk.set_endpoint_url(config.dynamodb_endpoint.clone());
        Self {
            client: Client::from_conf(sdk.build()),
            name: config.table_name.clone(),
        }
    }
}

/// The partition keys.
mod partition {
    use super::{Channel, ChannelKey, ChannelPrefix, ConnectionId, OnceKey, Owner, UserKey};

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
}

fn string(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// The attribute that says what a client speaks; absent for the first voice.
const VOICE: &str = "voice";

fn put_voice(row: &mut Item, voice: Voice) {
    if let Some(voice) = voice.number() {
        row.insert(VOICE.to_owned(), number(voice));
    }
}

/// An item that is being written.
fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn read<T: DeserializeOwned>(operation: &'static str, item: Item) -> Result<T, Fault> {
    serde_dynamo::from_item(item).map_err(|source| Fault::Row {
        operation,
        source: source.into(),
    })
}

/// What a conditional write gave; `None`: its condition did not hold, and nothing was written.
fn conditional<T, E>(
    operation: &'static str,
    written: Result<T, SdkError<E>>,
) -> Result<Option<T>, Fault>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    match written {
        Ok(output) => Ok(Some(output)),
        Err(error) => match error
            .as_service_error()
            .and_then(ProvideErrorMetadata::code)
        {
            Some("ConditionalCheckFailedException") => Ok(None),
            Some(_) | None => Err(fault(operation, error)),
        },
    }
}

/// What an SDK error means to the log and to the caller.
fn fault<E>(operation: &'static str, error: SdkError<E>) -> Fault
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let throttled = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
        .is_some_and(|code| {
            [
                "ProvisionedThroughputExceededException",
                "ThrottlingException",
                "RequestLimitExceeded",
                conflict::CODE,
            ]
            .contains(&code)
        });
    Fault::Table {
        operation,
        source: error.into(),
        throttled,
    }
}
