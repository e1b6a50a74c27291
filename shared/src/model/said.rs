//! Everything that a client may be told. A use case makes one of these; a protocol prints it.

use serde_json::value::RawValue;

use crate::model::channel::Channel;
use crate::model::error::Rejection;
use crate::model::event::EventName;
use crate::model::presence::Roster;
use crate::model::socket_id::ConnectionId;
use crate::model::user::User;

/// What a client is told.
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    /// It is connected.
    Greeted {
        /// Its connection.
        id: &'a ConnectionId,
    },
    /// It broke a rule.
    Refused(&'a Rejection),
    /// Something failed on our side.
    Failed,
    /// The answer to its ping.
    Pong,
    /// It is signed in.
    SignedIn {
        /// What it sent, as it sent it.
        user_data: &'a str,
    },
    /// It is subscribed.
    Acknowledged {
        /// To this channel.
        channel: &'a Channel,
        /// Who is there, on a presence channel.
        roster: Option<&'a Roster>,
    },
    /// It is not subscribed, because it broke a rule.
    NotSubscribed {
        /// The channel's name as the client wrote it.
        channel: &'a str,
        /// The rule.
        rejection: &'a Rejection,
    },
    /// It may not be subscribed, because something failed on our side.
    SubscriptionFailed {
        /// To this channel.
        channel: &'a Channel,
    },
    /// Something was published.
    Published {
        /// On this channel.
        channel: &'a Channel,
        /// The event's name.
        name: &'a str,
        /// Its data, passed on as it was published.
        data: &'a str,
        /// Its serial.
        serial: u64,
    },
    /// The channel keeps its last event and has none.
    NothingKept {
        /// The channel.
        channel: &'a Channel,
    },
    /// Some of what was published after a serial cannot be shown.
    NotResumed {
        /// The channel.
        channel: &'a Channel,
        /// The serial.
        after: u64,
        /// The earliest serial that can still be read, where that is known.
        oldest: Option<u64>,
    },
    /// Another client said something.
    ClientEvent {
        /// On this channel.
        channel: &'a Channel,
        /// The event's name.
        name: &'a EventName,
        /// JSON, passed on as it was sent.
        data: &'a RawValue,
        /// As whom the sender is on a presence channel.
        user_id: Option<&'a str>,
    },
    /// A user has joined a presence channel.
    Joined {
        /// The channel.
        channel: &'a Channel,
        /// Who.
        user: &'a User,
    },
    /// A user has left a presence channel.
    Left {
        /// The channel.
        channel: &'a Channel,
        /// Who.
        user_id: &'a str,
    },
    /// How many subscribe to a channel.
    Counted {
        /// The channel.
        channel: &'a Channel,
        /// So many.
        subscribers: u64,
    },
    /// Watched users have come online or gone; the others are as before.
    Watched {
        /// Those who are online now.
        online: &'a [&'a str],
        /// Those who are not any more.
        offline: &'a [&'a str],
    },
}
