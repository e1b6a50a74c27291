//! A publication to a large channel on AWS: calculated ([`prediction`]) and simulated post by post
//! ([`simulation`]). Values only: no clock, no network, and chance that can be repeated.

#[cfg(test)]
mod agreement;
pub(super) mod assumptions;
mod bucket;
mod chance;
pub(super) mod forecast;
mod outcome;
mod prediction;
pub(super) mod shards;
mod simulation;
