//! What invokes functions without a client: the messages of a queue, and the clock. It knows no
//! socket and no request.

pub mod mapping;
pub mod schedule;
