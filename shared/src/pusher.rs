//! The Pusher Channels protocol on the wire: frames, signatures, the calls of the HTTP API, the lines of the
//! HTTP transports, and the bodies of webhooks. Pure, as the model is. It knows no use case, and no use case
//! knows it: the functions hand [`PROTOCOLS`] to the core.

pub mod api;
mod codes;
pub mod frame;
mod protocol;
pub mod session;
pub mod signature;
pub mod webhook;

pub use self::protocol::PROTOCOLS;
