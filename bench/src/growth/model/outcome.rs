//! What a simulated publication comes to.

use crate::figures::wide;

/// What became of a publication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// From the publisher's start to the last post's answer.
    pub(crate) micros: u64,
    /// Posts that were answered 200.
    pub(crate) served: u64,
    /// Posts that were answered 429, and most of them repeated.
    pub(crate) refused: u64,
    /// Connections that were closed because their posts were refused each time.
    pub(crate) dropped: u64,
    /// Messages that there was no time for, and that came again a minute later.
    pub(crate) given_back: u64,
    /// Posts in flight, at most.
    pub(crate) in_flight: u64,
}

impl Outcome {
    /// The same in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        wide(self.micros) / 1e6
    }
}
