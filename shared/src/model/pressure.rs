//! Whether it is API Gateway that refuses posts, or one client that takes nothing in. A 429 says either: the
//! account's quota is used up, or one client's buffer is full. Only what happens to many at once is the account's.

use crate::model::time::UnixMillis;

/// Milliseconds of one count; the one before is looked at, too.
const WINDOW_MILLIS: u64 = 1_000;
/// Connections that must be refused at once before it counts as the account's.
const MANY: u64 = 2;
/// Posts delivered for each one refused, from which on the refused ones stand for themselves.
const DELIVERED_FOR_EACH: u64 = 4;

/// What became of posts in one window.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    delivered: u64,
    refused: u64,
    /// Posts that were refused at least once.
    began_to_wait: u64,
}

/// What became of this process's posts lately.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pressure {
    window: u64,
    current: Counts,
    previous: Counts,
    /// Connections whose posts are refused and being repeated.
    waiting: u64,
}

impl Pressure {
    /// A post was delivered.
    pub fn delivered(&mut self, now: UnixMillis) {
        self.turn(now);
        self.current.delivered += 1;
    }

    /// A post was refused or failed.
    pub fn refused(&mut self, now: UnixMillis) {
        self.turn(now);
        self.current.refused += 1;
    }

    /// A connection's post is being repeated from now on.
    pub fn waits(&mut self, now: UnixMillis) {
        self.turn(now);
        self.waiting += 1;
        self.current.began_to_wait += 1;
    }

    /// It is repeated no more.
    pub const fn waits_no_more(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// Whether many connections are refused at once, and not only some among many that are served.
    #[must_use]
    pub fn is_widespread(&mut self, now: UnixMillis) -> bool {
        self.turn(now);
        let delivered = self.current.delivered + self.previous.delivered;
        let refused = self.current.refused + self.previous.refused;
        // Posts, not attempts: one client alone is refused six times within two seconds.
        let began_to_wait = self.current.began_to_wait + self.previous.began_to_wait;
        let many = self.waiting >= MANY || began_to_wait >= 2 * MANY;
        many && refused * DELIVERED_FOR_EACH >= delivered
    }

    fn turn(&mut self, now: UnixMillis) {
        let window = now.0 / WINDOW_MILLIS;
        if window == self.window {
            return;
        }
        self.previous = if window == self.window + 1 {
            self.current
        } else {
            Counts::default()
        };
        self.current = Counts::default();
        self.window = window;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_500);

    #[test]
    fn one_slow_client_among_many_stands_for_itself() {
        let mut pressure = Pressure::default();
        for _ in 0..100 {
            pressure.delivered(NOW);
        }
        pressure.waits(NOW);
        for _ in 0..6 {
            pressure.refused(NOW);
        }
        assert!(!pressure.is_widespread(NOW));
    }

    #[test]
    fn one_client_alone_is_not_the_account() {
        let mut pressure = Pressure::default();
        pressure.waits(NOW);
        for _ in 0..6 {
            pressure.refused(NOW);
        }
        assert!(!pressure.is_widespread(NOW));
    }

    #[test]
    fn many_at_once_are_the_accounts_even_if_some_get_through() {
        let mut pressure = Pressure::default();
        for _ in 0..20 {
            pressure.waits(NOW);
            pressure.refused(NOW);
        }
        for _ in 0..15 {
            pressure.delivered(NOW);
        }
        assert!(pressure.is_widespread(NOW));
        // What was so a while ago is not so for ever.
        for _ in 0..20 {
            pressure.waits_no_more();
        }
        assert!(!pressure.is_widespread(UnixMillis(NOW.0 + 3_000)));
    }
}
