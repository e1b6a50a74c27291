//! The calls of an app's server: what it asks for, and what it is told. A protocol reads the one and prints
//! the other.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::channel::{Channel, ChannelPrefix};
use crate::model::event::{EventData, EventName};
use crate::model::socket_id::SocketId;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Call {
    /// `POST …/events`: one event to one or many channels.
    Publish(PublishRequest),
    /// `POST …/batch_events`: several events.
    PublishBatch(BatchRequest),
    /// `POST …/channels/{channel}/events?name=…`, a deprecated endpoint: the body is the data.
    PublishRaw(PublishRequest),
    /// `GET …/channels`: those that somebody is on.
    ListChannels {
        /// What their names begin with.
        prefix: ChannelPrefix,
        /// What to tell of each.
        attributes: Attributes,
    },
    /// `GET …/channels/{channel}`.
    ShowChannel {
        /// Which.
        channel: Channel,
        /// What to tell of it.
        attributes: Attributes,
    },
    /// `GET …/channels/{channel}/stats`, a deprecated endpoint.
    ShowStats {
        /// Which.
        channel: Channel,
    },
    /// `GET …/channels/{channel}/users`: who is on a presence channel.
    ListUsers {
        /// Which.
        channel: Channel,
    },
    /// `POST …/users/{user_id}/terminate_connections`.
    TerminateConnections {
        /// Whose.
        user_id: String,
    },
}

/// A request to publish one event to one or many channels.
#[derive(Debug, PartialEq, Eq)]
pub struct PublishRequest {
    /// The event's name.
    pub name: EventName,
    /// Its data.
    pub data: EventData,
    /// Where to; at least one, each once.
    pub channels: BTreeSet<Channel>,
    /// The socket that is left out.
    pub except: Option<SocketId>,
    /// What to tell of the channels, if anything.
    pub info: Option<Attributes>,
    /// What makes a retry known as one.
    pub idempotency: Option<Idempotency>,
}

/// A request to publish 1 to 10 events, each to a channel of its own.
#[derive(Debug, PartialEq, Eq)]
pub struct BatchRequest {
    /// The events, in the order in which they are published.
    pub events: Vec<BatchEvent>,
    /// What makes a retry known as one.
    pub idempotency: Option<Idempotency>,
}

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub struct BatchEvent {
    /// Where to.
    pub channel: Channel,
    /// The event's name.
    pub name: EventName,
    /// Its data.
    pub data: EventData,
    /// The socket that is left out.
    pub except: Option<SocketId>,
    /// What to tell of the channel, if anything.
    pub info: Option<Attributes>,
}

/// The attributes in an `info`. Names that are not known are passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// How many users are on a presence channel.
    pub user_count: bool,
    /// How many connections are on it.
    pub subscription_count: bool,
    /// The event that a cache channel keeps.
    pub cache: bool,
}

/// The key that a caller has given what it publishes, and what it is: a retry with both is the same
/// call again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    key: String,
    request: String,
}

/// What is told of a channel, as far as it was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many users are on a presence channel.
    pub user_count: Option<u64>,
    /// How many connections are on it.
    pub subscription_count: Option<u64>,
}

/// The event that a cache channel keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptEvent {
    /// Its data.
    pub data: String,
    /// How long it is still kept, in seconds.
    pub ttl_secs: u64,
}

/// What a call came to.
#[derive(Debug)]
pub enum CallResult<'a> {
    /// One event is published; the channels, where they were asked for.
    Published {
        /// Whether the deprecated endpoint was called.
        deprecated: bool,
        /// Of each channel what was asked for.
        channels: Option<BTreeMap<&'a Channel, Counts>>,
    },
    /// Several events are published; of the channel of each what was asked for, if anything was.
    PublishedBatch(Option<Vec<Counts>>),
    /// The occupied channels.
    Channels(BTreeMap<Channel, Counts>),
    /// One channel.
    Channel {
        /// Whether anybody is on it.
        occupied: bool,
        /// What was asked for.
        counts: Counts,
        /// The event that it keeps, where that was asked for.
        kept: Option<Option<KeptEvent>>,
    },
    /// The ids of the users who are on a presence channel.
    Users(Vec<String>),
    /// A user's connections are ended.
    Terminated,
}

/// What a call is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallAnswer {
    /// The HTTP status: 200, or 202.
    pub status: u16,
    /// JSON.
    pub body: String,
}

/// Prints what a call came to.
pub type PrintResult = fn(&CallResult<'_>) -> CallAnswer;

impl Idempotency {
    /// A key and a request, as the table knows them: SHA-256 in lower-case hex.
    #[must_use]
    pub const fn new(key: String, request: String) -> Self {
        Self { key, request }
    }

    /// What the table knows the key by.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What the table knows the request by.
    #[must_use]
    pub fn request(&self) -> &str {
        &self.request
    }
}
