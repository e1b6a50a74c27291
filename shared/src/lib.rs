//! Everything the functions do: the protocol, the state model and the delivery path. Each folder says in its
//! first lines what it owns. Each uses only those before it in this list; `tests/architecture.rs` keeps that.
//!
//! 1. `model`, `pusher`: values and rules, and the protocol on the wire. Both are pure.
//! 2. `config`, `log`, `aws`: the environment, how a fault is logged, and the edge (DynamoDB, `@connections`, SQS).
//! 3. `deployment`, `upkeep`: the services with the apps as they are now; small writes that many use cases share.
//! 4. `transport`, `tokens`: reaching one connection; issuing tokens.
//! 5. `delivery`, `publishing`, `history`: one publication to all subscribers; publishing it; reading the log.
//! 6. `presence`, `users`, `channels`, `webhooks`: who is there, who is signed in, who subscribes, who is told.
//! 7. `connections`, `calls`: a connection from its admission to its end; the calls of the HTTP API.
//! 8. `sessions`, `worker`: the HTTP transports; what was left to the queues.

pub mod aws;
pub mod calls;
pub mod channels;
pub mod config;
pub mod connections;
pub mod delivery;
pub mod deployment;
pub mod history;
mod log;
pub mod model;
pub mod presence;
pub mod publishing;
pub mod pusher;
pub mod sessions;
pub mod tokens;
pub mod transport;
mod upkeep;
pub mod users;
pub mod webhooks;
pub mod worker;
