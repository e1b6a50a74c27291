//! What a connection's partition says, as the use cases read it.

use super::keys::ChannelKey;
use super::signed_in::SignedIn;
use crate::model::channel::Channel;
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::model::token::Grant;
use crate::model::user::User;
use crate::model::voice::Voice;

/// A connection that is being admitted.
#[derive(Debug)]
pub struct NewConnection<'a> {
    /// API Gateway's name for it.
    pub id: &'a ConnectionId,
    /// The app it belongs to.
    pub app_id: &'a str,
    /// When API Gateway took it.
    pub connected_at: UnixMillis,
    /// When its rows stop counting as alive.
    pub expires_at: UnixMillis,
    /// When the reaper is to look at it: not later.
    pub due_at: UnixMillis,
    /// What its token granted.
    pub grant: &'a Grant,
    /// What its client speaks.
    pub voice: Voice,
}

/// Whether a connection could be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is.
    Yes,
    /// It was already closed: its `$disconnect` was faster.
    Overtaken,
}

/// A live connection and its subscriptions, from one consistent query.
#[derive(Debug)]
pub struct ConnectionRows {
    /// The app it belongs to.
    pub app_id: String,
    /// When API Gateway took it.
    pub connected_at: UnixMillis,
    /// When its rows stop counting as alive.
    pub expires_at: UnixMillis,
    /// What its token granted.
    pub grant: Grant,
    /// What its client speaks.
    pub voice: Voice,
    /// As whom it has signed in, if it has.
    pub signed_in: Option<SignedIn>,
    /// What it is subscribed to, without what it has left.
    pub subscriptions: Vec<OwnSubscription>,
    /// Whether it has left a channel that needs auth not long ago.
    pub left_authorized: bool,
}

/// Whether a connection lives.
#[derive(Debug)]
pub enum ConnectionState {
    /// It does.
    Live(Box<ConnectionRows>),
    /// It is closed, expired or was never recorded.
    Over,
}

impl ConnectionRows {
    /// Who it is: as whom it has signed in, or else whom its token names.
    #[must_use]
    pub fn user(&self) -> Option<&User> {
        let signed_in = self.signed_in.as_ref().map(|signed_in| &signed_in.user);
        signed_in.or(self.grant.user.as_ref())
    }

    /// The id of the user as whom it has signed in. A token alone signs nobody in.
    #[must_use]
    pub fn signed_in_as(&self) -> Option<&str> {
        self.signed_in.as_ref().map(|signed_in| signed_in.user.id())
    }

    /// Whether anybody has vouched for it: it has a user, or is on a channel that needs auth, or
    /// was.
    #[must_use]
    pub fn is_authorized(&self) -> bool {
        let on_one = self
            .subscriptions
            .iter()
            .any(|own| own.channel.needs_auth());
        on_one || self.left_authorized || self.user().is_some()
    }

    /// Whether others are told that it is there: it is on a presence channel, or signed in where
    /// users are watched.
    #[must_use]
    pub fn is_present(&self) -> bool {
        let watched = self
            .signed_in
            .as_ref()
            .is_some_and(|signed_in| signed_in.announces);
        watched || self.subscriptions.iter().any(|own| own.user_id.is_some())
    }

    /// Its subscription to a channel, if there is one.
    #[must_use]
    pub fn joined(&self, channel: &Channel) -> Option<&OwnSubscription> {
        self.subscriptions
            .iter()
            .find(|own| own.channel == *channel)
    }
}

/// All that can hang on a connection, live or not, from one consistent query.
#[derive(Debug)]
pub struct OwnRows {
    /// Whether its socket may still be open.
    pub may_be_open: bool,
    /// The shards of channels in which a delivery met it: their rows may be named by nothing else.
    pub met: Vec<(ChannelKey, u32)>,
    /// As whom it has signed in, if it has.
    pub signed_in: Option<SignedIn>,
    /// Every channel that it has ever joined, left or not.
    pub subscriptions: Vec<OwnSubscription>,
}

/// What a connection's own row says about a channel, left or not: enough to undo it.
#[derive(Debug)]
pub struct OwnSubscription {
    /// The app.
    pub app_id: String,
    /// The channel.
    pub channel: Channel,
    /// The shard that its subscriber row is in.
    pub shard: u32,
    /// As whom it is on a presence channel.
    pub user_id: Option<String>,
}
