//! The edge: DynamoDB, `@connections`, SQS, Lambda, Secrets Manager, and servers of others that receive webhooks.
//! Only what lies in this folder names an AWS crate, and nothing in it decides anything: it does one operation
//! and reports its outcome.

mod call;
mod clock;
pub mod connections;
mod credentials;
pub mod invoke;
mod noted;
mod pool;
pub mod queue;
pub mod receiver;
pub mod schema;
pub mod secrets;
mod services;
mod signer;
pub mod table;
pub(crate) mod tls;
mod transport;
mod webhooks;

pub(crate) use self::clock::{Clock, now};
pub use self::noted::Noted;
pub use self::services::Services;
