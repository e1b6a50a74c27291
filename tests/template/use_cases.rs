//! What each function is made to do, so that all that it asks of AWS is seen. No test is here: they make
//! the functions act, and `policies` looks at what was asked.

pub(crate) mod counts_and_webhooks;
pub(crate) mod large;
mod leaving;
mod sessions;
pub(crate) mod sockets;
mod steps;
