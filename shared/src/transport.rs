//! Reaching one connection, whichever way it is connected: posting to it, closing it, asking whether it is
//! there, and pacing posts. It does not know who else is on a channel.

pub mod pacer;
pub(crate) mod post;
pub(crate) mod reach;
pub mod say;
