//! The Lambda functions, without their `main`: everything is compiled here once, and each binary only links
//! what it starts. Only this crate names `lambda_http` and `lambda_runtime`.
//!
//! # Layout, each folder using those above it
//!
//! | folder | owns |
//! | --- | --- |
//! | [`names`] | the list of functions |
//! | [`runtime`] | starting, running and logging a function, and what runs after a response |
//! | [`events`] | the shapes of the events of API Gateway's sockets, of SQS and of direct invocations |
//! | [`http`] | requests and responses of the HTTP functions |
//! | [`handlers`] | one file a function: parses its event, calls one use case, and returns the result |

pub mod events;
pub mod handlers;
pub mod http;
pub mod names;
pub mod runtime;

pub use names::FUNCTIONS;
