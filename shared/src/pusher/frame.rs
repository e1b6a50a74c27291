//! Frames of the socket, both ways: what a client may say, and every frame a server says.
//!
//! A frame to a client always has a string `event` (pusher-js throws on one without), and the
//! `data` of everything on a channel is a string that holds JSON.

mod client;
mod server;

pub use client::{BadFrame, ClientFrame};
pub use server::{
    cache_miss, client_event, error, established, failure, member_added, member_removed, pong,
    publication, resume_failed, signed_in, subscription_count, subscription_error,
    subscription_failure, subscription_succeeded, watchlist,
};

const PING: &str = "pusher:ping";
const PONG: &str = "pusher:pong";
const SUBSCRIBE: &str = "pusher:subscribe";
const UNSUBSCRIBE: &str = "pusher:unsubscribe";
const SIGNIN: &str = "pusher:signin";
const SIGNED_IN: &str = "pusher:signin_success";
const CACHE_MISS: &str = "pusher:cache_miss";
const RESUME_FAILED: &str = "pusher:resume_failed";
const MEMBER_ADDED: &str = "pusher_internal:member_added";
const MEMBER_REMOVED: &str = "pusher_internal:member_removed";
const SUBSCRIPTION_COUNT: &str = "pusher_internal:subscription_count";
const WATCHLIST: &str = "pusher_internal:watchlist_events";
const ESTABLISHED: &str = "pusher:connection_established";
const ERROR: &str = "pusher:error";
const SUBSCRIPTION_SUCCEEDED: &str = "pusher_internal:subscription_succeeded";
const SUBSCRIPTION_ERROR: &str = "pusher:subscription_error";
