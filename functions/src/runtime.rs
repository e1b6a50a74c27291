//! What is around every handler: the start, the log, the loop, and what runs after a response. It knows no
//! event and no use case but the greeting.

pub mod greet;
pub mod log;
pub mod run;
pub mod start;
