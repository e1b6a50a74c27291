//! What a client has of a channel, and what it may say to have when it comes back. Pure.

use std::collections::BTreeMap;

use crate::storm::history::{Micros, SECOND};
use crate::storm::plan::acts::Resumes;

/// How long a client waits for a serial that is missing before it takes it for one that nobody has.
const GAP: Micros = 5 * SECOND;

/// The serials of a channel that a client has seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Position {
    /// Up to here nothing is missing.
    whole: Option<u64>,
    /// What came beyond that, and when.
    beyond: BTreeMap<u64, Micros>,
}

impl Position {
    /// Notes an event.
    pub(crate) fn saw(&mut self, serial: u64, at: Micros) {
        if self.whole.is_none_or(|whole| serial > whole) {
            self.beyond.entry(serial).or_insert(at);
        }
        self.close(at);
    }

    /// Takes in what follows without a gap, or after one that is old.
    fn close(&mut self, now: Micros) {
        while let Some((&next, &at)) = self.beyond.first_key_value() {
            let follows = self.whole.is_none_or(|whole| next == whole + 1);
            if !follows && at + GAP > now {
                return;
            }
            self.beyond.pop_first();
            self.whole = Some(next);
        }
    }

    /// What the client says to have.
    pub(crate) fn after(&mut self, resumes: Resumes, now: Micros) -> Option<u64> {
        self.close(now);
        match resumes {
            Resumes::Never => None,
            Resumes::WithoutGap => self.whole,
            Resumes::Highest => self
                .beyond
                .last_key_value()
                .map(|(&serial, _)| serial)
                .or(self.whole),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_waited_for_and_then_taken_for_one_that_nobody_has() {
        let mut position = Position::default();
        assert_eq!(position.after(Resumes::WithoutGap, 0), None);
        for serial in [7, 8, 10, 11] {
            position.saw(serial, SECOND);
        }
        assert_eq!(position.after(Resumes::WithoutGap, 2 * SECOND), Some(8));
        assert_eq!(position.after(Resumes::Highest, 2 * SECOND), Some(11));
        assert_eq!(position.after(Resumes::Never, 2 * SECOND), None);
        position.saw(9, 3 * SECOND);
        assert_eq!(position.after(Resumes::WithoutGap, 3 * SECOND), Some(11));
        position.saw(13, 4 * SECOND);
        assert_eq!(position.after(Resumes::WithoutGap, 10 * SECOND), Some(13));
        // What comes again changes nothing.
        position.saw(7, 10 * SECOND);
        assert_eq!(position.after(Resumes::Highest, 10 * SECOND), Some(13));
    }
}
