//! Users: signing in and out, telling their watchers, and ending their connections.

pub mod sign_in;
pub(crate) mod sign_out;
pub mod terminate;
pub(crate) mod watchers;
