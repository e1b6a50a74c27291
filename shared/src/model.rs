//! Values and the rules about them: what an app, a channel, an event, a user, a token is, and every limit. Pure: no
//! AWS, no environment, no clock (`now` is an argument), no waiting, and nothing of how a protocol writes it.

pub mod app;
pub mod call;
pub mod channel;
pub mod cursor;
pub mod error;
pub mod event;
mod fields;
pub mod hold;
pub mod limits;
pub mod metrics;
pub mod pace;
pub mod presence;
pub mod pressure;
pub mod protocol;
pub mod rate;
pub mod reading;
pub mod request;
pub mod said;
pub mod secret;
pub mod session;
pub mod settings;
pub mod shard;
pub mod socket_id;
pub mod task;
pub mod time;
pub mod token;
pub mod user;
pub mod voice;
pub mod webhook;
