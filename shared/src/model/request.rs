//! What a client may ask for on its connection.

use crate::model::channel::Channel;
use crate::model::error::Rejection;
use crate::model::event::EventName;

/// What a client's frame asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// To be answered.
    Ping,
    /// Nothing: it answers a ping.
    Pong,
    /// To join a channel.
    Subscribe(Subscribe),
    /// To leave a channel.
    Unsubscribe {
        /// Which.
        channel: Channel,
    },
    /// To sign in as a user.
    SignIn(SignIn),
    /// To tell the others on a channel something.
    ClientEvent(ClientEvent),
}

/// A request to join a channel.
#[derive(Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// Which.
    pub channel: Channel,
    /// The proof that the client may, when it brought one.
    pub auth: Option<String>,
    /// What the proof covers besides.
    pub channel_data: Option<String>,
    /// The serial after which it is shown what it has missed.
    pub after: Option<u64>,
}

/// A request to sign in.
#[derive(Debug, PartialEq, Eq)]
pub struct SignIn {
    /// The proof.
    pub auth: String,
    /// What it proves: a JSON object as a string.
    pub user_data: String,
}

/// What a client wants the others to be told.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientEvent {
    /// The event, one of those that clients may send.
    pub name: EventName,
    /// To whom: those on this channel.
    pub channel: Channel,
    /// The data as JSON, passed on as it was sent.
    pub data: String,
}

/// A frame that cannot be followed, and the channel it was about when the client must be told on
/// that channel.
#[derive(Debug, PartialEq, Eq)]
pub struct BadRequest {
    /// The rule it breaks.
    pub rejection: Rejection,
    /// The name of the channel that was to be joined, as the client wrote it.
    pub subscribing_to: Option<String>,
}

impl From<Rejection> for BadRequest {
    fn from(rejection: Rejection) -> Self {
        Self {
            rejection,
            subscribing_to: None,
        }
    }
}
