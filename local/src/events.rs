//! The events that API Gateway, CloudFront, SQS and EventBridge hand to a function, and the
//! responses that they take back. Values only: nothing here listens, waits or invokes.

pub mod headers;
pub mod http;
pub mod queue;
pub mod schedule;
#[cfg(test)]
mod shape;
pub mod websocket;
