//! The Pusher Channels protocol on the wire: frames, signatures, the calls of the HTTP API, and the lines of the
//! HTTP transports. Pure, as the model is. It knows no use case.

pub mod api;
pub mod frame;
pub mod session;
pub mod signature;
