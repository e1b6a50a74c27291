//! Pacing: so many posts a second, spread evenly, however many are in a hurry.

/// A pace. It knows no clock: the time is an argument, in microseconds since whenever.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two turns.
    interval_micros: u64,
    /// How far turns may run ahead of the pace after a pause.
    ahead_micros: u64,
    /// When the next turn is due.
    next_micros: u64,
}

/// Microseconds by which turns may run ahead after a pause: a tenth of a second's turns at once.
const AHEAD_MICROS: u64 = 100_000;

impl Pace {
    /// So many turns a second; 0 counts as one.
    #[must_use]
    pub const fn new(per_second: u64) -> Self {
        let per_second = if per_second == 0 { 1 } else { per_second };
        Self {
            interval_micros: 1_000_000_u64.div_ceil(per_second),
            ahead_micros: AHEAD_MICROS,
            next_micros: 0,
        }
    }

    /// Takes the next turn, and answers for how long it has to be waited for, in microseconds.
    pub const fn take(&mut self, now_micros: u64) -> u64 {
        let earliest = now_micros.saturating_sub(self.ahead_micros);
        if self.next_micros < earliest {
            self.next_micros = earliest;
        }
        let wait_micros = self.next_micros.saturating_sub(now_micros);
        self.next_micros = self.next_micros.saturating_add(self.interval_micros);
        wait_micros
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many turns are taken by a time, each as soon as it may.
    fn turns(pace: &mut Pace, from_micros: u64, to_micros: u64) -> u64 {
        let (mut now, mut turns) = (from_micros, 0);
        loop {
            let wait_micros = pace.take(now);
            now += wait_micros;
            if now >= to_micros {
                return turns;
            }
            turns += 1;
        }
    }

    #[test]
    fn whoever_is_always_in_a_hurry_has_so_many_turns_a_second() {
        for per_second in [1, 50, 800, 8_000] {
            let mut pace = Pace::new(per_second);
            let taken = turns(&mut pace, 1_000_000, 11_000_000);
            let wanted = 10 * per_second;
            // A tenth of a second's may come at once.
            assert!(
                (wanted..=wanted + per_second / 10 + 1).contains(&taken),
                "{taken} at {per_second} a second"
            );
        }
    }

    #[test]
    fn a_pause_is_made_up_for_by_a_tenth_of_a_second_at_most() {
        let mut pace = Pace::new(100);
        turns(&mut pace, 1_000_000, 2_000_000);
        let at_once = (0..).take_while(|_| pace.take(60_000_000) == 0).count();
        assert_eq!(at_once, 11);
    }

    #[test]
    fn a_turn_that_is_waited_for_is_taken() {
        let mut pace = Pace::new(10);
        let now = 1_000_000;
        assert_eq!(pace.take(now), 0);
        assert_eq!(pace.take(now), 0);
        assert_eq!(pace.take(now), 100_000);
        assert_eq!(pace.take(now), 200_000);
        assert_eq!(pace.take(now + 300_000), 0);
    }

    #[test]
    fn no_pace_is_no_standstill() {
        let mut pace = Pace::new(0);
        assert_eq!(turns(&mut pace, 1_000_000, 3_950_000), 4);
    }
}
