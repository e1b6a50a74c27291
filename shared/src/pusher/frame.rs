//! Frames of the socket, both ways: what a client may say, and every frame a server says.
//!
//! A frame to a client always has a string `event` (pusher-js throws on one without), and the
//! `data` of everything on a channel is a string that holds JSON.

mod client;
mod names;
mod print;
mod server;

pub use client::parse;
pub use print::print;
pub use server::{
    cache_miss, client_event, error, established, failure, member_added, member_removed, pong,
    publication, resume_failed, signed_in, subscription_count, subscription_error,
    subscription_failure, subscription_succeeded, watchlist,
};
