//! Everything the functions do: the protocol, the state model and the delivery path. Each folder says in its
//! first lines what it owns; each uses only those above it in this list, and `tests/architecture.rs` keeps that.

pub mod aws; // the edge: DynamoDB, @connections, SQS, Lambda, Secrets Manager
pub mod calls; // the HTTP API
pub mod channels; // joining, leaving, counting
pub mod config; // the environment
pub mod connections; // from admission to the end
pub mod delivery; // one publication to all subscribers of a channel
pub mod deployment; // the services, with the apps as they are now
pub mod history; // the log: polls, streams, resuming
mod log; // how a fault is logged
pub mod model; // values and rules, pure
pub mod presence;
pub mod publishing;
pub mod pusher; // the protocol on the wire, pure
pub mod sessions; // the HTTP transports
pub mod tokens;
pub mod transport; // reaching one connection
mod upkeep; // small writes that many use cases share
pub mod users;
pub mod webhooks;
pub mod worker; // what was left to the queues
