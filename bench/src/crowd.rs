//! Thousands of real sockets on `local`: how long a publication takes to reach the last of them, and what
//! as many channels cost. It knows nothing of AWS and of prices.

pub(crate) mod benchmark;
mod sockets;
