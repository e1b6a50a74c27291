//! What every server here shares: listening on loopback, building responses, and stopping. It does
//! not know what is served.

pub mod aws_error;
pub mod listening;
pub mod responses;
pub mod stop;
