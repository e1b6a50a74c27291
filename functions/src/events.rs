//! The shapes of the events that functions receive, as far as they read them, and of what they return.

pub mod invocation;
pub mod queue;
pub mod websocket;
