//! Reaching one connection, whichever way it is connected: posting to it, closing it, asking whether it is
//! there. It does not know who else is on a channel.

pub(crate) mod reach;
pub mod reply;
