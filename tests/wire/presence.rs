//! Presence channels: who is a member, and what the others are told.

mod crowds;
mod members;
mod room;
