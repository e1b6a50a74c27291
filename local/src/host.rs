//! Lambda: it builds the function binaries, runs each in its environments, and speaks the Runtime
//! API with them. It does not know why a function is invoked, or by whom.

pub mod binaries;
pub mod dispatch;
mod environment;
pub mod function;
pub mod invocation;
pub mod invoke_api;
pub mod runtime_api;
pub mod settings;
