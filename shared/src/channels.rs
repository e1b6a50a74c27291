//! Joining and leaving a channel, how many are on it, and which channels are occupied.

pub mod counts;
pub(crate) mod leave;
pub mod occupancy;
mod rights;
pub mod subscribe;
