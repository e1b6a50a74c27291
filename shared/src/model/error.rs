//! What goes wrong, in two families: [`Rejection`] is the caller's fault and is told to the
//! caller; [`Fault`] is ours and is told to the log.

mod chain;
mod either;
mod fault;
mod kind;
mod rejection;
mod status;

pub use self::chain::{chain, unreadable};
pub use self::either::Error;
pub use self::fault::{BUSY_MESSAGE, FAULT_MESSAGE, Fault};
pub use self::kind::ErrorType;
pub use self::rejection::Rejection;
