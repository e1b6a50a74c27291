//! Frames of the socket, both ways: what a client may say, and every frame a server says.
//!
//! A frame to a client always has a string `event` (pusher-js throws on one without), and the
//! `data` of everything on a channel is a string that holds JSON.

mod client;
mod server;

pub use client::{BadFrame, ClientFrame};
pub use server::{
    error, established, failure, pong, publication, subscription_error, subscription_failure,
    subscription_succeeded,
};

const PING: &str = "pusher:ping";
const PONG: &str = "pusher:pong";
const SUBSCRIBE: &str = "pusher:subscribe";
const UNSUBSCRIBE: &str = "pusher:unsubscribe";
const SIGNIN: &str = "pusher:signin";
const ESTABLISHED: &str = "pusher:connection_established";
const ERROR: &str = "pusher:error";
const SUBSCRIPTION_SUCCEEDED: &str = "pusher_internal:subscription_succeeded";
const SUBSCRIPTION_ERROR: &str = "pusher:subscription_error";
