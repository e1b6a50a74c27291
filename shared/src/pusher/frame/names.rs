//! The names of the protocol's own events.

pub(super) const PING: &str = "pusher:ping";
pub(super) const PONG: &str = "pusher:pong";
pub(super) const SUBSCRIBE: &str = "pusher:subscribe";
pub(super) const UNSUBSCRIBE: &str = "pusher:unsubscribe";
pub(super) const SIGNIN: &str = "pusher:signin";
pub(super) const SIGNED_IN: &str = "pusher:signin_success";
pub(super) const CACHE_MISS: &str = "pusher:cache_miss";
pub(super) const RESUME_FAILED: &str = "pusher:resume_failed";
pub(super) const MEMBER_ADDED: &str = "pusher_internal:member_added";
pub(super) const MEMBER_REMOVED: &str = "pusher_internal:member_removed";
pub(super) const SUBSCRIPTION_COUNT: &str = "pusher_internal:subscription_count";
pub(super) const WATCHLIST: &str = "pusher_internal:watchlist_events";
pub(super) const ESTABLISHED: &str = "pusher:connection_established";
pub(super) const ERROR: &str = "pusher:error";
pub(super) const SUBSCRIPTION_SUCCEEDED: &str = "pusher_internal:subscription_succeeded";
pub(super) const SUBSCRIPTION_ERROR: &str = "pusher:subscription_error";
