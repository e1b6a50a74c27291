//! The numbers of the protocol and of the platform, each with its source. The check lives in the
//! type that owns the value.

use std::time::Duration;

// ---- the protocol -------------------------------------------------------------------------

/// Characters in a channel's name. Pusher's documents say 164, its server SDKs accept 200.
pub const CHANNEL_NAME_MAX_CHARS: usize = 200;
/// Characters in an event's name (the server SDKs' own limit).
pub const EVENT_NAME_MAX_CHARS: usize = 200;
/// Bytes in an event's data: 10 KB ("Pusher HTTP API", `413` beyond it).
pub const EVENT_DATA_MAX_BYTES: usize = 10_240;
/// Channels that one request may publish to ("Pusher HTTP API").
pub const PUBLISH_CHANNELS_MAX: usize = 100;
/// Seconds a request's `auth_timestamp` may be off, either way ("Pusher HTTP API").
pub const REQUEST_AGE_MAX_SECS: u64 = 600;
/// Bytes in an HTTP body: room for 100 names of 200 characters and 10 KB of data, every byte
/// escaped as six.
pub const HTTP_BODY_MAX_BYTES: usize = 131_072;
/// Events in one batch ("Pusher HTTP API", `400` beyond it).
pub const BATCH_EVENTS_MAX: usize = 10;
/// Bytes in the body of a batch: for each event 10 KB of data, every byte escaped as six, and its
/// names.
pub const BATCH_BODY_MAX_BYTES: usize = BATCH_EVENTS_MAX * 65_536;
/// Characters in an idempotency key.
pub const IDEMPOTENCY_KEY_MAX_CHARS: usize = 128;
/// Seconds that what was published under a key is known.
pub const IDEMPOTENCY_SECS: u64 = 300;
/// Seconds after which an attempt that says nothing is taken for dead: above the publisher's timeout.
pub const IDEMPOTENCY_LEASE_SECS: u64 = 30;
/// Bytes in a query string that is parsed at all. API Gateway's own limit for the request line
/// and headers together is 10,240.
pub const QUERY_MAX_BYTES: usize = 10_240;
/// Bytes in a client's frame: API Gateway's limit for a message.
pub const FRAME_MAX_BYTES: usize = 131_072;
/// Bytes of a refused channel name that are repeated to the client. pusher-js finds the channel
/// by its name, so a plausible name comes back whole; an absurd one does not.
pub const ECHOED_NAME_MAX_BYTES: usize = 1_024;
/// Bytes of the JSON parser's own words that are repeated in a refusal: it may quote a value of any
/// length.
pub const PROBLEM_MAX_BYTES: usize = 200;
/// Channels one connection may be subscribed to: Pusher's own default and, here, the most, since
/// each subscribe reads them all.
pub const CHANNELS_PER_CONNECTION_MAX: usize = 200;
/// Client events that one connection may send in a second, unless the app says otherwise ("Client
/// events").
pub const CLIENT_EVENTS_PER_SECOND_DEFAULT: u64 = 10;
/// Seconds that a cache channel keeps its last event, unless the app says otherwise ("Cache
/// channels": 30 minutes).
pub const CACHE_SECS_DEFAULT: u64 = 1_800;
/// Subscribers that are told of every change of their number; more are told less often
/// ("Subscription count events").
pub const COUNT_AT_ONCE_MAX: u64 = 100;
/// Seconds between two times that more subscribers than that are told ("Subscription count
/// events").
pub const COUNT_INTERVAL_SECS: u64 = 5;
/// The highest serial that a client may name: 15 digits stay whole in JavaScript.
pub const SERIAL_MAX: u64 = 999_999_999_999_999;
/// Bytes in a frame to a client: API Gateway's limit for a post.
pub const POST_MAX_BYTES: usize = 131_072;
/// Seconds of silence after which a client pings. Pusher's own value; API Gateway cuts a
/// connection that is silent for 600.
pub const ACTIVITY_TIMEOUT_SECS: u64 = 120;

// ---- answers ------------------------------------------------------------------------------

/// Bytes of a list of channels: below Lambda's answer of 6 MB.
pub const LISTED_MAX_BYTES: usize = 5_000_000;
/// Bytes that a channel takes in it besides its name: two counts of ten digits and their names, each
/// quote escaped, since the answer is a string in an answer.
pub const LISTED_CHANNEL_BYTES: usize = 67;

// ---- users and presence -------------------------------------------------------------------

/// Characters in a user's id ("Presence channels").
pub const USER_ID_MAX_CHARS: usize = 128;
/// Bytes of a user's `user_info`, as JSON ("Presence channels").
pub const USER_INFO_MAX_BYTES: usize = 1_024;
/// Members of one presence channel, unless the app says otherwise ("Presence channels").
pub const PRESENCE_MEMBERS_DEFAULT: u64 = 100;
/// Members that an app may allow: far beyond what fits a frame.
pub const PRESENCE_MEMBERS_MAX: u64 = 10_000;
/// Users on one watchlist ("Watchlist events").
pub const WATCHLIST_MAX: usize = 100;
/// Bytes of `channel_data` or `user_data` that are read at all: room for a `user_info`, a
/// watchlist and ids, every byte escaped as six.
pub const USER_DATA_MAX_BYTES: usize = 98_304;

// ---- tokens -------------------------------------------------------------------------------

/// Seconds a token can be used for the first time, at most.
pub const TOKEN_TTL_MAX_SECS: u64 = 3_600;
/// The same when the request names none.
pub const TOKEN_TTL_DEFAULT_SECS: u64 = 60;
/// Seconds after that in which a used token admits again, at most.
pub const TOKEN_RECONNECT_MAX_SECS: u64 = 86_400;
/// Channel names and patterns in one token.
pub const TOKEN_CHANNELS_MAX: usize = 100;

// ---- polling ------------------------------------------------------------------------------

/// Channels in one poll.
pub const POLL_CHANNELS_MAX: usize = 20;
/// Publications of one channel in one answer.
pub const POLL_EVENTS_MAX: usize = 100;
/// Bytes of event data in one answer, shared by its channels: far below Lambda's 6 MB answer
/// however the data is escaped.
pub const POLL_DATA_MAX_BYTES: usize = 524_288;
/// Seconds a publication stays in the log, unless the app says otherwise.
pub const RETENTION_SECS_DEFAULT: u64 = 300;
/// The same at most: longer than a channel's item is kept, its serials would begin anew.
pub const RETENTION_SECS_MAX: u64 = 86_400;
/// Publications of one channel that an app may have kept, at most; what is kept is bounded by time.
pub const RETENTION_COUNT_MAX: u64 = 1_000_000;
/// Milliseconds after which a reader holds that the publisher of a missing serial has died.
pub const HOLE_GRACE_MILLIS: u64 = 2_000;
/// Serials of one channel that one reader closes in one poll.
pub const HOLES_CLOSED_MAX: u64 = 100;
/// Characters in a cursor that is looked at.
pub const CURSOR_MAX_CHARS: usize = 1_024;
/// Bytes in a key of the system's own: as many as SHA-256 gives.
pub const OWN_KEY_MIN_BYTES: usize = 32;
/// Seconds a reader may come back after its token was used: as long as a connection lasts.
pub const READER_LIFE_SECS: u64 = CONNECTION_AGE_MAX_SECS;
/// Seconds a poll may wait for something to be in it: below the HTTP API's 30.
pub const POLL_WAIT_MAX_SECS: u64 = 20;
/// Pause between two looks into the log for whoever waits: at most two a second, and what is published
/// is seen after half of it, on average.
pub const FOLLOW_PAUSE: Duration = Duration::from_millis(500);
/// Bounds of a poll's `Retry-After`, in seconds.
pub const RETRY_AFTER_SECS: std::ops::RangeInclusive<u64> = 1..=30;

// ---- streams ------------------------------------------------------------------------------

/// Seconds a stream lasts; then its reader comes back to another one.
pub const STREAM_LIFE_SECS: u64 = 300;
/// Pause after which something is sent if nothing else was: below what a proxy waits (CloudFront: 30 s).
pub const HEARTBEAT_PAUSE: Duration = Duration::from_secs(15);
/// Milliseconds after which a browser comes back to a stream that ended.
pub const STREAM_RETRY_MILLIS: u64 = 1_000;
/// Looks into the log that may fail one after another before a stream ends.
pub const FOLLOW_FAULTS_MAX: usize = 5;

// ---- sessions over HTTP -------------------------------------------------------------------

/// Bytes in the body of a request to send: one message of the longest, every byte escaped as two.
pub const SESSION_BODY_MAX_BYTES: usize = 2 * FRAME_MAX_BYTES + 16;
/// Messages in one request to send. pusher-js sends one.
pub const SESSION_FRAMES_MAX: usize = 100;
/// How long a poll waits for something to be in it: below what a proxy waits (CloudFront: 30 s).
pub const SESSION_POLL_WAIT: Duration = Duration::from_secs(20);
/// Frames handed out at once. Their keys are noted in one row.
pub const HANDED_FRAMES_MAX: usize = 200;
/// Bytes of frames handed out at once, unless one alone is longer.
pub const HANDED_MAX_BYTES: usize = 131_072;
/// UTF-16 units of a stream after which pusher-js opens it anew (`MAX_BUFFER_LENGTH`).
pub const STREAM_REOPENED_UNITS: usize = 256 * 1_024;
/// How long a stream that is full waits for its client to open it anew.
pub const REOPEN_PATIENCE: Duration = Duration::from_secs(30);
/// The same for a stream whose life is over: well within the seconds that its function has left.
pub const REOPEN_PATIENCE_AT_END: Duration = Duration::from_secs(5);
/// Pause before the first look for more after something came; it doubles up to [`FOLLOW_PAUSE`].
pub const LOOK_PAUSE_MIN: Duration = Duration::from_millis(60);
/// Seconds of silence after which the client of a session has gone: it asks at least every 20 s, or
/// answers a heartbeat every 15.
pub const SESSION_SILENCE_SECS: u64 = 60;
/// Seconds that a frame waits for a session to come for it: longer than that and the reaper's minute.
pub const OUTBOX_SECS: u64 = 300;

// ---- resuming -----------------------------------------------------------------------------

/// Missed publications that one subscription is shown: half a minute of a lively channel. Whoever has
/// missed more is told so, and asks the app's server for the state instead. What is published while it is shown
/// them was not missed: there may be as many again at each look, within [`RESUME_PATIENCE`].
pub const RESUME_EVENTS_MAX: u64 = 500;
/// How long a subscription is shown what it has missed: well within the function's timeout.
pub const RESUME_PATIENCE: Duration = Duration::from_secs(8);
/// Times that it is tried to go live at a moment at which nothing is published.
pub const RESUME_SWITCHES_MAX: usize = 10;
/// Seconds for which a subscriber may be kept from live publications: above the time that API Gateway
/// and the function may take together.
pub const HOLD_SECS: u64 = 45;
/// Bounds of the pause before something is looked at again that somebody else is about to do.
pub const RESUME_PAUSES: (Duration, Duration) =
    (Duration::from_millis(10), Duration::from_millis(160));

// ---- state --------------------------------------------------------------------------------

/// Seconds a connection lasts at most: API Gateway's limit.
pub const CONNECTION_AGE_MAX_SECS: u64 = 7_200;
/// Seconds a connection's rows count as alive: that maximum and slack.
pub const CONNECTION_LIFE_SECS: u64 = CONNECTION_AGE_MAX_SECS + 600;
/// Seconds that an expired connection's rows are kept for the reaper, which needs them to tell
/// others of the end: a day without a reaper loses nothing.
pub const ROW_SLACK_SECS: u64 = 86_400;
/// Seconds the mark of a finished connection is kept, so that a late `$connect` or frame sees it.
pub const CLOSED_MARK_SECS: u64 = 600;
/// Seconds that what a connection has sent is kept: far more than the one second that it counts for.
pub const TURNS_KEPT_SECS: u64 = 120;
/// Seconds the mark of an unsubscription is kept, so that an overtaken subscribe sees it.
pub const UNSUBSCRIBED_MARK_SECS: u64 = 120;
/// Seconds an idle channel's item is kept. Longer than a connection lives, so that a count is
/// never forgotten under a subscriber.
pub const CHANNEL_IDLE_SECS: u64 = 86_400;
/// Seconds within which a subscribe that has counted itself must have written its row: above
/// every function's timeout.
pub const JOIN_GRACE_SECS: u64 = 60;
/// How long one holder of a lease goes on announcing before it leaves the rest to the
/// reaper: well within every function's timeout.
pub const SETTLE_PATIENCE: Duration = Duration::from_secs(8);
/// Posts that an announcement on a presence channel makes in one step, before it notes what it has told.
pub const ROUND_POSTS_MAX: usize = 2_000;
/// Users that one look at a presence channel refuses.
pub const REFUSED_AT_ONCE: usize = 64;
/// Times a sign-in looks again at whom it watches while they come and go.
pub const WATCHLIST_LOOKS: usize = 10;
/// How long one run of the reaper goes on: less than the minute between two.
pub const REAP_PATIENCE: Duration = Duration::from_secs(45);
/// Things that are due in one partition of the index that a run sees to at once.
pub const REAP_ITEMS_AT_ONCE: usize = 4;
/// How long one thing that is due may take in one run; it stays due.
pub const REAP_ITEM_PATIENCE: Duration = Duration::from_secs(10);
/// Seconds after which the reaper looks after a connection whose end was begun.
pub const CLOSING_SECS: u64 = 60;
/// Times a publication takes a new serial after a reader closed the one it had.
pub const SERIAL_ATTEMPTS: usize = 3;
/// Table operations in flight at once for one request over many channels.
pub const TABLE_CONCURRENCY: usize = 16;

// ---- delivery -----------------------------------------------------------------------------

/// Posts in flight at once: beyond it a post costs more, not less (measured), and a Lambda has
/// 1,024 file descriptors.
pub const POST_CONCURRENCY: usize = 64;
/// Connections found gone that one function leaves to a worker, at a message each; the reaper forgets the
/// others, so that a publication does not pay for a mass disconnect.
pub const FORGOTTEN_PROMPTLY_MAX: usize = 20;
/// How long one attempt to post may take.
pub const POST_TIMEOUT: Duration = Duration::from_secs(2);
/// Pauses before a post answered 429 is repeated; then the connection is dropped.
pub const THROTTLE_PAUSES: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];
/// Pauses before a post that failed is repeated, where that is safe or does no harm.
pub const POST_REPEAT_PAUSES: [Duration; 2] =
    [Duration::from_millis(50), Duration::from_millis(200)];
/// The pause before a post is repeated while API Gateway refuses many at once: the account's quota is
/// refilled by the second.
pub const WIDESPREAD_THROTTLE_PAUSE: Duration = Duration::from_millis(400);
/// How long a post is repeated while API Gateway refuses many at once: well within every function's timeout.
pub const POST_PATIENCE: Duration = Duration::from_secs(8);
/// How long a greeting is repeated while API Gateway still says that the connection is not there.
pub const GREETING_PATIENCE: Duration = Duration::from_secs(3);
/// Greetings answered 410 after which the connection's mark is looked for, and again after twice as many: with the
/// pauses below that is first after some 75 ms.
pub const GREETINGS_BEFORE_LOOK: u32 = 4;
/// Bounds of the pause between two attempts to greet.
pub const GREETING_PAUSES: (Duration, Duration) =
    (Duration::from_millis(5), Duration::from_millis(200));

// ---- large channels ------------------------------------------------------------------------

/// Subscribers of a channel that whoever publishes delivers to by itself, unless the environment says
/// otherwise. `bench -- threshold`: where a post takes 10 ms one function makes 5,100 a second and is faster
/// than the queue up to some 6,000; but nothing paces it, and of 1,000 each, five publications at once are
/// what API Gateway takes in a burst. The publisher has its answer within 0.2 s.
pub const FANOUT_INLINE_MAX_DEFAULT: u64 = 1_000;
/// Subscribers in one shard, unless the environment says otherwise. A shard is what one worker serves:
/// at 800 posts a second (a tenth of the quota) in 1.25 s, and a large channel keeps all ten busy. Its rows are
/// some 100 KB, far below the 1,000 writes a second and the 3,000 reads that DynamoDB's partition gives.
pub const SUBSCRIBERS_PER_SHARD_DEFAULT: u64 = 1_000;
/// Posts a second that workers share, unless the environment says otherwise: of API Gateway's 10,000
/// requests a second and account, which count what clients send, too.
pub const POSTS_PER_SECOND_DEFAULT: u64 = 8_000;
/// Workers at once, unless the environment says otherwise.
pub const FANOUT_CONCURRENCY_DEFAULT: u64 = 10;
/// Subscribers that a worker reads at once: what a worker that died is repeated for, at most.
pub const FANOUT_PAGE_MAX: u32 = 500;
/// How long a worker goes on beginning posts of one message; then it is handed out again, and goes on
/// where it was.
pub const FANOUT_PATIENCE: Duration = Duration::from_secs(10);
/// How long a worker goes on beginning messages: with one that takes as long as it may, and posts that
/// take as long as they may, below the 30 s of the function.
pub const FANOUT_BATCH_PATIENCE: Duration = Duration::from_secs(12);
/// Seconds that it is kept how far a message has come: as long as the queue keeps messages.
pub const FANOUT_PROGRESS_SECS: u64 = 3_600;
/// Times that messages are sent which the queue has not taken.
pub const FANOUT_SEND_ATTEMPTS: usize = 3;
/// Pause before the second of those times; it doubles.
pub const FANOUT_SEND_PAUSE: Duration = Duration::from_millis(50);

// ---- webhooks -----------------------------------------------------------------------------

/// Webhooks of one app: what one operation tells all of them of, now and later, fits one request to
/// SQS.
pub const WEBHOOKS_MAX: usize = QUEUE_BATCH_MAX / 2;
/// Bytes in a webhook's URL.
pub const WEBHOOK_URL_MAX_BYTES: usize = 2_048;
/// Headers that an app may add to a webhook.
pub const WEBHOOK_HEADERS_MAX: usize = 10;
/// Bytes of the events in one message: a request to SQS holds ten of them.
pub const WEBHOOK_MESSAGE_MAX_BYTES: usize = 98_304;
/// How long it is waited whether who has gone comes back ("Webhooks": up to three seconds).
pub const WEBHOOK_HOLD: Duration = Duration::from_secs(3);
/// Milliseconds of that which the clocks of two machines may differ.
pub const WEBHOOK_HOLD_SLACK_MILLIS: u64 = 250;
/// Seconds for which it is not told again that a cache channel has nothing to show, unless something
/// is published meanwhile.
pub const CACHE_MISS_SECS: u64 = 300;
/// Seconds that the row of a user who has gone is kept, so that it is known when it came back.
pub const GONE_ROW_SECS: u64 = 60;
/// How long a request to a receiver may go unanswered.
pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// Seconds for which a webhook is tried again ("Webhooks": five minutes).
pub const WEBHOOK_PATIENCE_SECS: u64 = 300;
/// Requests to one receiver at once, of one environment.
pub const WEBHOOK_CONCURRENCY: usize = 4;
/// Bytes of a receiver's answer that are read: enough to keep the connection to most.
pub const WEBHOOK_ANSWER_MAX_BYTES: usize = 16_384;
/// How long an operation waits for what it tells webhooks to be queued.
pub const WEBHOOK_QUEUE_PATIENCE: Duration = Duration::from_secs(2);

// ---- metrics ------------------------------------------------------------------------------

/// Values of one metric in one line (CloudWatch's own limit).
pub const METRIC_VALUES_MAX: usize = 100;
/// Durations that are noted in one invocation: a batch to as many channels as may be has that many
/// fan-outs.
pub const TIMINGS_MAX: usize = BATCH_EVENTS_MAX * PUBLISH_CHANNELS_MAX;

// ---- queues -------------------------------------------------------------------------------

/// Seconds a message can be delayed, at most (SQS's own limit).
pub const QUEUE_DELAY_MAX_SECS: u64 = 900;
/// Messages in one request (SQS's own limit).
pub const QUEUE_BATCH_MAX: usize = 10;
/// Bytes of the messages in one request (SQS's own limit).
pub const QUEUE_REQUEST_MAX_BYTES: usize = 1_048_576;

// ---- secrets ------------------------------------------------------------------------------

/// Seconds for which a secret is used before it is read again ("Secrets": 5 minutes).
pub const SECRET_AGE_SECS: u64 = 300;
/// Seconds between two readings of a secret, whatever the reason: whoever names apps that there are
/// none of has it read six times a minute, for $0.0002 an hour.
pub const SECRET_PAUSE_SECS: u64 = 10;

// ---- AWS's own client ---------------------------------------------------------------------

/// How long one attempt of an SDK call may take: well under every function's timeout, so that a
/// lost answer still leaves time for another attempt.
pub const SDK_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
