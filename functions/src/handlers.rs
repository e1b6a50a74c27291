//! One file a function. A handler parses its event, calls one use case of `shared`, and converts the result.
//! `main` is not generic, so that its code is compiled with this crate and not with each binary.

pub mod connect;
pub mod disconnect;
pub mod fanout;
pub mod message;
pub mod publisher;
pub mod reaper;
pub mod session;
pub mod status;
pub mod stream;
pub mod token;
pub mod webhook;
