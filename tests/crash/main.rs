//! Every write of every use case, made to fail in every way that AWS has, and what must be true
//! afterwards all the same.

mod connecting;
mod delivering;
mod disconnecting;
mod idempotency;
mod large_channels;
mod presence;
mod publishing;
mod resuming;
mod session_reading;
mod signing_in;
mod stage;
mod subscribing;
mod webhooks;
