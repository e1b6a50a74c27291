//! What a delivered message costs, by our path and by other ways to send it. Each way runs in a process of its
//! own, with one receiver. It knows no channel and no system: connection ids only.
//!
//! | module | owns |
//! | --- | --- |
//! | [`load`] | what every way has to do, and how that is measured |
//! | [`floor`], [`signer`], [`ours`], [`sdk`] | the ways |
//! | [`ways`] | the choice of a way |
//! | [`report`], [`benchmark`] | the tables; the rounds |

pub(crate) mod benchmark;
mod floor;
pub(crate) mod load;
mod ours;
mod report;
mod sdk;
mod signer;
pub(crate) mod ways;
