//! Channels: joining and leaving, cache channels, subscription counts, and the HTTP API's questions about
//! channels.

mod cache;
mod endpoints;
mod endpoints_at_scale;
mod subscribing;
mod subscription_counts;
