//! What a subscriber is not delivered, because it is read for it from the log.
//!
//! Whoever joins with `after` is first shown what it has missed. Until then publications pass it over:
//! each of them is in the log before it is delivered, and is read from there in its turn.

use crate::model::time::UnixMillis;

/// What a subscriber's row says about that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hold {
    /// It is delivered everything.
    #[default]
    None,
    /// It is delivered nothing that has a serial, until then. It ends by itself, lest a reader that
    /// died leave a subscriber that nothing reaches.
    Until(UnixMillis),
    /// It is delivered what has this serial or a later one. What is earlier it has from the log, and
    /// a publisher that is slow may still be about to deliver it.
    Below(u64),
}

impl Hold {
    /// Reads what a row holds, as it is written there.
    #[must_use]
    pub const fn new(live_from: Option<u64>, until: Option<UnixMillis>) -> Self {
        match (live_from, until) {
            (Some(live_from), _) => Self::Below(live_from),
            (None, Some(until)) => Self::Until(until),
            (None, None) => Self::None,
        }
    }

    /// Whether a publication passes the subscriber over.
    #[must_use]
    pub const fn keeps_back(self, serial: u64, now: UnixMillis) -> bool {
        match self {
            Self::None => false,
            Self::Until(until) => now.0 < until.0,
            Self::Below(live_from) => serial < live_from,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(10_000);

    #[test]
    fn nothing_is_kept_back_from_who_has_missed_nothing() {
        assert_eq!(Hold::new(None, None), Hold::None);
        assert!(!Hold::None.keeps_back(0, NOW));
    }

    #[test]
    fn everything_is_kept_back_for_a_while_and_then_nothing() {
        let hold = Hold::new(None, Some(NOW));
        assert!(hold.keeps_back(u64::MAX, UnixMillis(NOW.0 - 1)));
        assert!(!hold.keeps_back(0, NOW));
    }

    #[test]
    fn what_was_read_from_the_log_is_kept_back_for_ever() {
        let hold = Hold::new(Some(8), None);
        assert!(hold.keeps_back(7, UnixMillis(u64::MAX)));
        assert!(!hold.keeps_back(8, NOW));
        assert!(!Hold::new(Some(0), None).keeps_back(0, NOW));
    }
}
