//! What goes wrong, in two families: [`Rejection`] is the caller's fault and is told to the
//! caller; [`Fault`] is ours and is told to the log.

use std::error::Error as StdError;

use crate::limits;

/// A rule that the caller broke. The `Display` text is for strangers: it names the rule and the
/// limit, and holds no secret. It is the only thing about the failure that leaves the system.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text says what it is")]
pub enum Rejection {
    // Names and ids.
    #[error(
        "a channel name is 1 to {} characters of A-Z a-z 0-9 _ - = @ , . ;",
        limits::CHANNEL_NAME_MAX_CHARS
    )]
    ChannelName,
    #[error(
        "channels whose name begins with # are reserved: a user's own is #server-to-user- and the id"
    )]
    ChannelReserved,
    #[error("a granted channel is a channel name, or the beginning of one followed by *")]
    ChannelPattern,
    #[error("a socket_id is two numbers joined by a dot, such as 1234.5678")]
    SocketId,

    // Connecting.
    #[error("there is no app with this key")]
    UnknownKey,
    #[error("the protocol version is missing: add ?protocol=7")]
    ProtocolMissing,
    #[error("this protocol version is not supported: use 7 (5 and 6 also work)")]
    ProtocolUnsupported,
    #[error("the token is unknown, spent or expired, or belongs to another app: ask for a new one")]
    TokenRefused,
    #[error("this connection is not established: connect again")]
    NotConnected,
    #[error("pages of this origin may not connect to this app")]
    OriginRefused,
    #[error(
        "this connection has neither signed in nor joined a channel that needs auth within the time that the app allows"
    )]
    AuthorizationOverdue,

    // Frames.
    #[error("a message is at most {} bytes", limits::FRAME_MAX_BYTES)]
    FrameTooLong,
    #[error("a message is a JSON object with a string `event`: {0}")]
    Frame(String),
    #[error("`data` of {event} is not what it should be: {problem}")]
    FrameData {
        event: &'static str,
        problem: String,
    },
    #[error("the event {0} is not known here; a client's own events begin with client-")]
    EventUnknown(String),

    // Client events.
    #[error("client events are not enabled for this app")]
    ClientEventsDisabled,
    #[error(
        "client events are for private and presence channels, and not for encrypted ones: {0} is neither"
    )]
    ClientEventChannel(String),
    #[error("client events need a subscription: this connection is not on {0}")]
    ClientEventUnsubscribed(String),
    #[error("a connection may send {max_per_second} client events a second")]
    ClientEventRate { max_per_second: u64 },
    #[error("a client event is refused: {0}")]
    ClientEvent(Box<Rejection>),

    // Users.
    #[error(
        "`auth` is not valid for this socket_id and user: it is KEY:HEX with HEX the HMAC-SHA256 of socket_id::user::user_data under the app's secret"
    )]
    SigninAuth,
    #[error("`user_data` is a string that holds a JSON object with an `id`, text or a number")]
    UserData,
    #[error("this connection is signed in as another user already")]
    SigninTwice,
    #[error("this channel belongs to a user: sign in as that user first")]
    UserChannel,
    #[error(
        "a watchlist names at most {} users: the first ones are watched",
        limits::WATCHLIST_MAX
    )]
    WatchlistCut,

    // Subscribing.
    #[error(
        "this channel needs `auth`: a signature from the app's server, or a token that grants the channel"
    )]
    AuthMissing,
    #[error(
        "`auth` is not valid for this socket_id and channel: it is KEY:HEX with HEX the HMAC-SHA256 of socket_id:channel under the app's secret"
    )]
    AuthInvalid,
    #[error(
        "a presence channel needs `channel_data`: a string that holds a JSON object with a `user_id`, text or a number"
    )]
    ChannelData,
    #[error(
        "a presence channel needs a user: `channel_data`, a sign-in, or a token with a user_id"
    )]
    PresenceUser,
    #[error("this presence channel is full: it has {max_members} members")]
    PresenceFull { max_members: u64 },
    #[error(
        "this presence channel is full: the list of its members would be over {} bytes",
        limits::POST_MAX_BYTES
    )]
    PresenceTooLarge,
    #[error("a connection may be subscribed to {max_channels} channels")]
    TooManySubscriptions { max_channels: usize },

    // HTTP requests.
    #[error("there is no app with this id")]
    UnknownApp,
    #[error("there is nothing at this path")]
    NotFound,
    #[error("the query is over {} bytes", limits::QUERY_MAX_BYTES)]
    QueryTooLong,
    #[error("the query parameter {0} is given twice")]
    QueryDuplicate(String),
    #[error("the query parameter {0} is missing")]
    AuthParameterMissing(&'static str),
    #[error("auth_version must be 1.0")]
    AuthVersion,
    #[error("auth_timestamp must be the time in unix seconds")]
    AuthTimestamp,
    #[error(
        "auth_timestamp {given} is not within {} s of this server's time {now}: the request is old, or a clock is wrong",
        limits::REQUEST_AGE_MAX_SECS
    )]
    AuthExpired { given: u64, now: u64 },
    #[error("auth_key is not the key of this app")]
    AuthKey,
    #[error(
        "auth_signature is not the HMAC-SHA256 of the method, the path and the sorted parameters under the app's secret"
    )]
    AuthSignature,
    #[error("body_md5 is not the MD5 of the body as received, in lower-case hex")]
    BodyDigest,
    #[error("the body is over {} bytes", limits::HTTP_BODY_MAX_BYTES)]
    BodyTooLong,
    #[error("the body is not the JSON object this call takes: {0}")]
    Body(String),
    #[error("an event name is 1 to {} characters", limits::EVENT_NAME_MAX_CHARS)]
    EventName,
    #[error("event names beginning with pusher: or pusher_internal: are reserved")]
    EventReserved,
    #[error("`data` is over {max_bytes} bytes")]
    EventDataTooLong { max_bytes: usize },
    #[error("give either `channel` or `channels`, not both and not neither")]
    PublishTargets,
    #[error("`channels` names 1 to {} channels", limits::PUBLISH_CHANNELS_MAX)]
    PublishChannels,
    #[error("{channel:?}: {problem}")]
    ChannelNamed {
        channel: String,
        problem: Box<Rejection>,
    },
    #[error("`info` is not available on this call")]
    InfoUnavailable,
    #[error("ttl_seconds is 1 to {}", limits::TOKEN_TTL_MAX_SECS)]
    TokenTtl,
    #[error("reconnect_seconds is 0 to {}", limits::TOKEN_RECONNECT_MAX_SECS)]
    TokenReconnect,
    #[error("a token names at most {} channels", limits::TOKEN_CHANNELS_MAX)]
    TokenChannels,
    #[error("user_id is 1 to {} characters", limits::USER_ID_MAX_CHARS)]
    UserId,
    #[error("user_info is at most {} bytes of JSON", limits::USER_INFO_MAX_BYTES)]
    UserInfo,
    #[error("user_info comes with a user_id")]
    UserInfoAlone,
    #[error(
        "`channels` names 1 to {} channels, separated by commas",
        limits::POLL_CHANNELS_MAX
    )]
    PollChannels,
    #[error(
        "`after` has one serial (digits) for each channel, in their order, separated by commas"
    )]
    PollAfter,
    #[error("{0} is not public: only public channels can be polled")]
    PollPrivate(String),
}

/// Where a code lies says what a client will do when it is greeted with it: 4000 to 4099 stay
/// away, 4100 to 4199 come back after a second, 4200 to 4299 come back at once. From 4300 on a
/// code is only ever a notice in a frame. ("Pusher Channels protocol")
mod code {
    pub(super) const APP_UNKNOWN: u16 = 4001;
    pub(super) const PROTOCOL_UNSUPPORTED: u16 = 4007;
    pub(super) const PROTOCOL_MISSING: u16 = 4008;
    pub(super) const UNAUTHORIZED: u16 = 4009;
    pub(super) const CLIENT_EVENT_REJECTED: u16 = 4301;
    pub(super) const WATCHLIST_CUT: u16 = 4302;
}

/// What a rejection is about, which decides its HTTP status.
enum About {
    Request,
    Authentication,
    Permission,
    Absence,
    Size,
}

impl Rejection {
    /// The protocol's code, for those that have one. The others leave a client as it is.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "a rejection has no code unless the protocol gives it one"
        )]
        match self {
            Self::UnknownKey => Some(code::APP_UNKNOWN),
            Self::ProtocolUnsupported => Some(code::PROTOCOL_UNSUPPORTED),
            Self::ProtocolMissing => Some(code::PROTOCOL_MISSING),
            Self::TokenRefused
            | Self::NotConnected
            | Self::OriginRefused
            | Self::AuthorizationOverdue
            | Self::SigninAuth
            | Self::UserData
            | Self::SigninTwice => Some(code::UNAUTHORIZED),
            Self::ClientEventsDisabled
            | Self::ClientEventChannel(_)
            | Self::ClientEventUnsubscribed(_)
            | Self::ClientEventRate { .. }
            | Self::ClientEvent(_) => Some(code::CLIENT_EVENT_REJECTED),
            Self::WatchlistCut => Some(code::WATCHLIST_CUT),
            _ => None,
        }
    }

    /// The HTTP status: 400, 401, 403, 404 or 413. A refused subscription carries it, too.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.about() {
            About::Request => 400,
            About::Authentication => 401,
            About::Permission => 403,
            About::Absence => 404,
            About::Size => 413,
        }
    }

    fn about(&self) -> About {
        match self {
            Self::ChannelName
            | Self::ChannelReserved
            | Self::ChannelPattern
            | Self::SocketId
            | Self::ProtocolMissing
            | Self::ProtocolUnsupported
            | Self::Frame(_)
            | Self::FrameData { .. }
            | Self::EventUnknown(_)
            | Self::ClientEvent(_)
            | Self::ClientEventChannel(_)
            | Self::ClientEventUnsubscribed(_)
            | Self::ClientEventRate { .. }
            | Self::UserData
            | Self::WatchlistCut
            | Self::ChannelData
            | Self::PresenceUser
            | Self::PresenceFull { .. }
            | Self::PresenceTooLarge
            | Self::TooManySubscriptions { .. }
            | Self::QueryDuplicate(_)
            | Self::Body(_)
            | Self::EventName
            | Self::EventReserved
            | Self::PublishTargets
            | Self::PublishChannels
            | Self::ChannelNamed { .. }
            | Self::InfoUnavailable
            | Self::TokenTtl
            | Self::TokenReconnect
            | Self::TokenChannels
            | Self::UserId
            | Self::UserInfo
            | Self::UserInfoAlone
            | Self::PollChannels
            | Self::PollAfter => About::Request,
            Self::TokenRefused
            | Self::NotConnected
            | Self::AuthorizationOverdue
            | Self::SigninAuth
            | Self::SigninTwice
            | Self::UserChannel
            | Self::AuthMissing
            | Self::AuthInvalid
            | Self::AuthParameterMissing(_)
            | Self::AuthVersion
            | Self::AuthTimestamp
            | Self::AuthExpired { .. }
            | Self::AuthKey
            | Self::AuthSignature
            | Self::BodyDigest => About::Authentication,
            Self::ClientEventsDisabled | Self::OriginRefused | Self::PollPrivate(_) => {
                About::Permission
            }
            Self::UnknownKey | Self::UnknownApp | Self::NotFound => About::Absence,
            Self::FrameTooLong
            | Self::QueryTooLong
            | Self::BodyTooLong
            | Self::EventDataTooLong { .. } => About::Size,
        }
    }
}

/// Something that failed on our side. The caller is told a constant; the source is for the log.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// DynamoDB did not do what was asked, or its answer was lost: the write may have happened.
    #[error("the table failed: {operation}")]
    Table {
        /// Which operation of ours.
        operation: &'static str,
        /// What the client says.
        source: Box<dyn StdError + Send + Sync>,
        /// Whether DynamoDB refused for want of capacity: then it did nothing.
        throttled: bool,
    },
    /// A row does not have the shape that this code writes.
    #[error("a row cannot be read: {operation}")]
    Row {
        /// Which operation of ours.
        operation: &'static str,
        /// What is wrong with it.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// `@connections` could not be reached or answered what cannot be understood.
    #[error("@connections failed: {operation}")]
    Gateway {
        /// Which operation of ours.
        operation: &'static str,
        /// What the client says.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// Lambda did not take an invocation.
    #[error("the invocation failed")]
    Invoke(#[source] Box<dyn StdError + Send + Sync>),
    /// SQS did not take a message, or its answer was lost: the message may be in the queue.
    #[error("the message was not queued")]
    Queue(#[source] Box<dyn StdError + Send + Sync>),
    /// A message of a queue does not have the shape that this code writes.
    #[error("a queued task cannot be read")]
    Task(#[source] Box<dyn StdError + Send + Sync>),
    /// The operating system gave no random bytes.
    #[error("no random bytes")]
    Random(#[source] getrandom::Error),
    /// A publication lost its serial to a reader as often as it may.
    #[error("no serial could be kept for a publication")]
    SerialLost,
}

/// Shown to callers in place of every [`Fault`].
pub const FAULT_MESSAGE: &str = "something failed on our side and it is not known whether the request was carried out; try again";

/// Shown when the table refused for want of capacity.
pub const BUSY_MESSAGE: &str =
    "too much at once for this channel or table; try again a little later";

impl Fault {
    /// Whether it was for want of capacity, so that coming back later is the cure.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        matches!(
            self,
            Self::Table {
                throttled: true,
                ..
            }
        )
    }
}

/// Either family.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Ours.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// An error and everything that caused it, on one line, for the log.
#[must_use]
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        source = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_lies_where_its_effect_is() {
        // Whoever is greeted with one of these must not come back by itself.
        for rejection in [
            Rejection::UnknownKey,
            Rejection::ProtocolMissing,
            Rejection::ProtocolUnsupported,
            Rejection::TokenRefused,
            Rejection::OriginRefused,
            Rejection::SigninTwice,
        ] {
            assert!(matches!(rejection.code(), Some(4000..=4099)), "{rejection}");
        }
        assert_eq!(Rejection::ClientEventsDisabled.code(), Some(4301));
        assert_eq!(Rejection::ChannelName.code(), None);
    }

    #[test]
    fn a_status_says_whose_turn_it_is() {
        assert_eq!(Rejection::ChannelName.status(), 400);
        assert_eq!(Rejection::AuthSignature.status(), 401);
        assert_eq!(Rejection::UnknownApp.status(), 404);
        assert_eq!(Rejection::EventDataTooLong { max_bytes: 1 }.status(), 413);
    }
}
