//! The calls of the HTTP API: a request becomes one of them, or is refused; and what they are answered.

mod attributes;
pub mod batch;
mod direct;
mod idempotency;
mod parse;
mod path;
pub mod publish;
mod query;
mod result;
mod signed;

pub use self::direct::Direct;
pub use self::parse::{ApiRequest, parse};
pub use self::query::Parameters;
pub use self::result::print;
pub use self::signed::{Admitted, SignedRequest, authenticate, knows};
