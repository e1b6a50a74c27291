//! How often a connection may send client events: so many in any one second.
//!
//! A connection has as many turns as it may send events in a second. An event takes one, and that
//! turn is free again a second later. So the bound holds for every second, wherever it begins.

use std::collections::BTreeMap;

use crate::model::time::UnixMillis;

/// How long an event keeps its turn.
const TURN_SECS: u64 = 1;
/// Turns that an event chooses from. Few, so that a connection's turns stay few; more than one, so
/// that events at the same time seldom want the same.
const CHOICE: usize = 16;

/// When each of a connection's turns was taken last, by its number. One that is not named never was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turns(BTreeMap<u64, UnixMillis>);

impl Turns {
    /// A free one of a connection's `max_per_second` turns, if there is any.
    #[must_use]
    pub fn free(&self, max_per_second: u64, now: UnixMillis, random: u32) -> Option<u64> {
        let is_free = |turn: &u64| {
            let taken_at = self.0.get(turn);
            taken_at.is_none_or(|taken_at| *taken_at <= Self::free_since(now))
        };
        let free: Vec<u64> = (0..max_per_second).filter(is_free).take(CHOICE).collect();
        let count = u32::try_from(free.len()).ok()?;
        let chosen = random.checked_rem(count)?;
        free.get(usize::try_from(chosen).ok()?).copied()
    }

    /// A turn that was taken by then is free now.
    #[must_use]
    pub const fn free_since(now: UnixMillis) -> UnixMillis {
        now.minus_secs(TURN_SECS)
    }
}

impl FromIterator<(u64, UnixMillis)> for Turns {
    fn from_iter<T: IntoIterator<Item = (u64, UnixMillis)>>(turns: T) -> Self {
        Self(turns.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends an event at each of these times, and gives the times of those that found a turn.
    fn through(max_per_second: u64, times: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut turns = Turns::default();
        let mut through = Vec::new();
        for (n, time) in times.into_iter().enumerate() {
            let random = u32::try_from(n).expect("few").wrapping_mul(0x9E37_79B9);
            if let Some(turn) = turns.free(max_per_second, UnixMillis(time), random) {
                turns.0.insert(turn, UnixMillis(time));
                through.push(time);
            }
        }
        through
    }

    #[test]
    fn of_a_burst_as_many_get_through_as_may_wherever_a_second_begins() {
        for start in [0, 1_000, 1_990, 1_995, 1_999, 2_500] {
            let burst = (0..15).map(|n| 10_000 + start + n);
            assert_eq!(through(10, burst).len(), 10, "{start}");
        }
    }

    #[test]
    fn after_a_pause_all_is_well_again() {
        let burst = |at: u64| (0..15).map(move |n| at + n);
        let times = burst(10_000).chain(burst(11_000)).chain(burst(20_000));
        let through = through(10, times);
        let since = |from: u64| through.iter().filter(|time| **time >= from).count();
        assert_eq!((through.len(), since(11_000), since(20_000)), (30, 20, 10));
    }

    #[test]
    fn no_second_has_more_than_may_be_and_a_steady_sender_loses_only_what_is_too_much() {
        for (every_ms, expected) in [(200, 50), (101, 100), (100, 100), (91, 100), (10, 100)] {
            let times = (10_000..20_000).step_by(every_ms);
            let through = through(10, times.clone());
            for from in times {
                let in_it = |time: &&u64| (from..from + 1_000).contains(*time);
                assert!(through.iter().filter(in_it).count() <= 10, "from {from}");
            }
            assert!(
                through.len().abs_diff(expected) <= 1,
                "every {every_ms} ms: {}",
                through.len()
            );
        }
    }

    #[test]
    fn what_comes_late_takes_nobodys_turn() {
        let turns: Turns = [(0, UnixMillis(5_000))].into_iter().collect();
        assert_eq!(turns.free(1, UnixMillis(4_500), 7), None);
        assert_eq!(turns.free(1, UnixMillis(5_999), 7), None);
        assert_eq!(turns.free(1, UnixMillis(6_000), 7), Some(0));
        assert_eq!(turns.free(0, UnixMillis(9_000), 7), None);
    }

    #[test]
    fn a_connection_that_may_send_many_still_takes_few_turns() {
        let chosen: Vec<u64> = (0..1_000)
            .filter_map(|random| Turns::default().free(1_000, UnixMillis(10_000), random))
            .collect();
        assert_eq!(chosen.iter().max(), Some(&15));
    }
}
