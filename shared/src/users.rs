//! Users: signing in, telling their watchers, and ending their connections.

pub mod sign_in;
pub mod terminate;
