//! Random numbers that are the same for the same seed.

use super::assumptions::Latency;
use crate::figures::{micros, wide};

/// Chance, by `SplitMix64`.
pub(crate) struct Chance(u64);

impl Chance {
    /// The same for the same seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0 up to 1, which it never is.
    pub(crate) fn part(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        wide((mixed ^ (mixed >> 31)) >> 11) / wide(1 << 53)
    }

    /// How long something takes this time, in microseconds.
    pub(crate) fn draw(&mut self, latency: Latency) -> u64 {
        let more = -(1.0 - self.part()).ln() * latency.more_millis;
        micros((latency.least_millis + more) / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_what_they_should_be_on_average_and_never_less_than_the_least() {
        let latency = Latency {
            least_millis: 10.0,
            more_millis: 7.0,
        };
        let mut chance = Chance::new(1);
        let drawn: Vec<u64> = (0..100_000).map(|_| chance.draw(latency)).collect();
        assert!(drawn.iter().all(|micros| *micros >= 10_000));
        let mean = wide(drawn.iter().sum()) / 1e5;
        assert!((mean - 17_000.0).abs() < 100.0, "{mean}");
    }
}
