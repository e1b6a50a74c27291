//! Every write of every use case fails in every way that AWS has; afterwards all must still be true what
//! was promised. [`stage`] makes writes fail; each other file is one use case.

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
