//! Publishing, by a server, a client or a task: who may, what is refused, and whom it reaches at once.

mod batches;
mod client_events;
mod direct_invocation;
mod events;
mod idempotency;
mod progress;
