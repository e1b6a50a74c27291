//! Joining and leaving a channel, how many are on it, and which channels are occupied.

pub mod counts;
pub mod occupancy;
pub mod subscribe;
