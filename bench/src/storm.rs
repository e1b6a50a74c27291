//! The storm: a random, bounded load on the real system, under random faults, and a checker of what was seen. Of
//! these, one uses only those listed before it:
//!
//! | module | owns |
//! | --- | --- |
//! | [`history`], [`record`] | what was written down, as plain data; the pen |
//! | [`wire`] | the protocol, printed, signed and read; pure |
//! | [`plan`] | what will be done and what will go wrong, by the seed alone; pure |
//! | [`outside`], [`table`] | the system and its controls; its table, which no other module here knows |
//! | [`clients`] | clients, readers and servers at work |
//! | [`check`], [`shrink`] | what is wrong with a history; the shortest in which it is; pure |
//! | [`costs`], [`calm`], [`run`] | what single actions cost; the calm after the storm; the storm |
//! | [`report`], [`command`] | what is printed; the command |
//!
//! docs/reliability.md says what is promised, and how to use this.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "who listens minds some of what there is to be heard, whatever others there are"
)]

mod calm;
mod check;
mod clients;
pub(crate) mod command;
mod costs;
mod history;
mod outside;
mod plan;
mod record;
mod report;
mod run;
mod shrink;
mod table;
mod wire;
