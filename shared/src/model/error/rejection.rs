//! Every rule that a caller can break, and what the caller is told of it.

use crate::model::limits;

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
    #[error("nothing is answered at this address: use the host that the service was given")]
    WrongAddress,
    #[error(
        "this connection has neither signed in nor joined a channel that needs auth within the time that the app allows"
    )]
    AuthorizationOverdue,

    // Frames.
    #[error("a message is at most {} bytes", limits::FRAME_MAX_BYTES)]
    FrameTooLong,
    #[error("a message is a JSON object with a string `event`: {}", brief(.0))]
    Frame(String),
    #[error("`data` of {event} is not what it should be: {}", brief(problem))]
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
    #[error("the app has ended the connections of this user")]
    Terminated,
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
    #[error(
        "`after` is a whole number of at most 15 digits: the serial of the last publication that the client has"
    )]
    SubscribeAfter,
    #[error("a connection may be subscribed to {max_channels} channels")]
    TooManySubscriptions { max_channels: usize },

    // HTTP requests.
    #[error("there is no app with this id")]
    UnknownApp,
    #[error("there is more than one app: name one in `app_id`")]
    AppUnnamed,
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
    #[error("the body is over {max_bytes} bytes")]
    BodyTooLong { max_bytes: usize },
    #[error("the body is not the JSON object this call takes: {}", brief(.0))]
    Body(String),
    #[error("an event name is 1 to {} characters", limits::EVENT_NAME_MAX_CHARS)]
    EventName,
    #[error("event names beginning with pusher: or pusher_internal: are reserved")]
    EventReserved,
    #[error("the data content of this event is over {max_bytes} bytes")]
    EventDataTooLong { max_bytes: usize },
    #[error("the body is the event's data and must be UTF-8")]
    EventDataUtf8,
    #[error("give either `channel` or `channels`, not both and not neither")]
    PublishTargets,
    #[error("`channels` names 1 to {} channels", limits::PUBLISH_CHANNELS_MAX)]
    PublishChannels,
    #[error("{channel:?}: {problem}")]
    ChannelNamed {
        channel: String,
        problem: Box<Rejection>,
    },
    #[error(
        "Batch too large or empty: it has 1 to {} events",
        limits::BATCH_EVENTS_MAX
    )]
    BatchSize,
    #[error("event {number} of the batch: {problem}")]
    BatchEvent {
        number: usize,
        problem: Box<Rejection>,
    },
    #[error(
        "an idempotency key is 1 to {} visible ASCII characters",
        limits::IDEMPOTENCY_KEY_MAX_CHARS
    )]
    IdempotencyKey,
    #[error("the idempotency_key in the body and the Idempotency-Key in the header differ")]
    IdempotencyKeys,
    #[error("this idempotency key was given to another request")]
    IdempotencyOther,
    #[error(
        "a request with this idempotency key is still under way: if it died it can be made again after {} s",
        limits::IDEMPOTENCY_LEASE_SECS
    )]
    IdempotencyUnderWay,
    #[error(
        "user_count is for presence channels, and for a list of them: filter_by_prefix=presence-"
    )]
    UserCount,
    #[error(
        "more channels are occupied than one answer holds: name the beginning of theirs in filter_by_prefix"
    )]
    ListTooLong,
    #[error("only a presence channel has users")]
    UsersOfPresence,
    #[error(
        "filter_by_prefix is the beginning of a channel name: up to {} characters of A-Z a-z 0-9 _ - = @ , . ;",
        limits::CHANNEL_NAME_MAX_CHARS
    )]
    ChannelPrefix,
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
        "`after` has one serial (digits) or `now` for each channel, in their order, separated by commas"
    )]
    PollAfter,
    #[error("`wait` is 0 to {} seconds", limits::POLL_WAIT_MAX_SECS)]
    PollWait,
    #[error("{0} is not public: reading it needs a token that grants it")]
    PollPrivate(String),
    #[error("come back in {retry_after_secs} s")]
    PollTooSoon { retry_after_secs: u64 },
    #[error("the cursor is not one of this app and these channels, or has expired: begin anew")]
    CursorRefused,
    #[error("each request of a session has an `n` (digits), higher than that of the one before")]
    SessionNumber,
    #[error(
        "the body is a JSON list of at most {} messages, each a string: {}",
        limits::SESSION_FRAMES_MAX,
        brief(.0)
    )]
    SessionFrames(String),
    #[error("this app keeps no log, which streams and polling read: retention_seconds is 0")]
    LogOff,
}

impl Rejection {
    /// The rule's name, for the log: it holds nothing that the caller sent.
    #[must_use]
    pub fn name(&self) -> String {
        // `Debug` begins with the variant's name.
        let mut name = format!("{self:?}");
        let end = name.find(|character: char| !character.is_ascii_alphanumeric());
        name.truncate(end.unwrap_or(name.len()));
        name
    }
}

/// What the JSON parser says, without the rest of a value that it repeats: however long a request
/// is, its refusal is short.
fn brief(problem: &str) -> &str {
    &problem[..problem.floor_char_boundary(limits::PROBLEM_MAX_BYTES)]
}
