//! Delivery through the queue: large channels, their order and their shards.

mod large_channels;
mod large_system;
mod shards;
