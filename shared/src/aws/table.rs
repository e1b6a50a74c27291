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
mod client;
mod conflict;
mod connection;
mod connection_rows;
mod counts;
mod due;
mod growth;
mod item;
mod keys;
mod lease;
mod log;
mod mark;
mod member;
mod member_row;
mod occupied;
mod once;
mod outbox;
mod own;
mod partition;
mod progress;
mod rate;
mod reader;
mod resuming;
mod signed_in;
mod subscription;
mod token;
mod user;
mod watch;

pub use self::audience::{Audience, Telling};
pub use self::batch::READ_ROWS_MAX;
pub use self::cache::{Cached, NewCached};
pub use self::channel::{Correction, Counted, CountedOut, NextSerial, Tip};
pub use self::client::Table;
pub use self::connection_rows::{
    ConnectionRows, ConnectionState, NewConnection, OwnRows, OwnSubscription, Recorded,
};
pub use self::due::{Due, DuePage};
pub use self::keys::{ChannelKey, OnceKey, UserKey};
pub use self::lease::{Lease, LeaseOn, Released};
pub use self::log::{Appended, LogEntry, LogPage, LogRow};
pub use self::mark::{Mark, Socket};
pub use self::member::{Join, Told};
pub use self::member_row::MemberRow;
pub use self::occupied::OccupiedPage;
pub use self::once::{Begun, TakenSerial};
pub use self::outbox::{FrameKey, Outbox, SessionRow, Taken, Waiting};
pub use self::own::{OwnPut, OwnRow};
pub use self::progress::{DeliveryKey, ShardPage};
pub use self::resuming::Switched;
pub use self::signed_in::{Identified, SignedIn};
pub use self::subscription::{
    NewSubscriber, PageStart, Subscriber, SubscriberPut, SubscriberRow, SubscribersPage, Written,
};
pub use self::token::{NewToken, Used};
pub use self::user::{Change, UserLease};
pub use self::watch::Watches;
