//! What was published before: reading the log, and showing it to polls, streams and sockets that resume.

pub mod follow;
pub(crate) mod last_event;
pub mod log_reader;
pub mod poll;
pub(crate) mod resume;
pub mod stream;
