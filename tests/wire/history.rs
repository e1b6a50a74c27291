//! What was published before: polls, streams, cursors, and clients that come back.

mod cursors;
mod polling;
mod resume_steps;
mod resuming;
mod resuming_while_publishing;
mod streams;
