//! The checker of histories. It knows what is promised (docs/reliability.md), and nothing of how it is kept: its
//! input is what clients, servers and whoever looks from outside have written down.
//!
//! | module | what it holds against a history |
//! | --- | --- |
//! | [`delivery`] | what was answered 200 reached everybody, or they know that it did not |
//! | [`resuming`] | whoever comes back behind a serial misses nothing |
//! | [`twice`] | nothing comes twice, and a key is good for one event |
//! | [`order`] | what follows one another arrives so |
//! | [`rights`] | nobody sees what is not theirs |
//! | [`reading`] | polls and streams see the log, all of it and nothing else |
//! | [`answers`] | whoever asks is answered, and a refusal stands |
//! | [`presence`] | rosters at clients, lists and the truth are one |
//! | [`counting`] | so are counts, and the list of channels |
//! | [`watching`] | and who is online |
//! | [`hooks`] | what webhooks say is what happened |
//! | [`closing`] | nobody is closed because the account is throttled; whoever is to be ended is |
//! | [`leftovers`] | no row stays that belongs to nobody; no action costs more than it may; no secret is logged |
//!
//! [`violation`] is what is found, [`checker`] goes through the rules. [`books`] sorts a history for them by what it is about, one [`connection`] for each; [`stays`] says who was where.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a rule looks at the steps that it is about, whatever others there are"
)]

mod answers;
mod books;
pub(crate) mod checker;
mod closing;
mod connection;
mod counting;
mod delivery;
mod hooks;
mod leftovers;
mod order;
mod presence;
mod reading;
mod resuming;
mod rights;
mod stays;
mod twice;
pub(crate) mod violation;
mod watching;

#[cfg(test)]
mod broken;
#[cfg(test)]
mod injected;
#[cfg(test)]
mod model;
