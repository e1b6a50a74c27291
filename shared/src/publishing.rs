//! Publishing: a serial, the log, the cache, and once under an idempotency key; and what clients tell each other.
//! It hands over to `delivery` and knows nobody who is present or signed in.

pub mod client_events;
pub(crate) mod idempotency;
pub mod publish;
