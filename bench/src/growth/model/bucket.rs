//! API Gateway's token bucket: what it accepts of an account.

use super::assumptions::Account;
use crate::figures::wide;

/// API Gateway's tokens.
pub(crate) struct Bucket {
    account: Account,
    tokens: f64,
    /// When they were last counted.
    at: u64,
}

impl Bucket {
    /// A full one, at time 0.
    pub(crate) const fn new(account: Account) -> Self {
        Self {
            account,
            tokens: account.burst,
            at: 0,
        }
    }

    /// Takes a token for a post, if there is one. The time is in microseconds, and never earlier than the last.
    pub(crate) fn takes(&mut self, now: u64) -> bool {
        let left = self.account.requests_per_second - self.account.inbound_per_second;
        let more = wide(now - self.at) / 1e6 * left;
        self.tokens = (self.tokens + more).min(self.account.burst);
        self.at = now;
        let takes = self.tokens >= 1.0;
        if takes {
            self.tokens -= 1.0;
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_at_once_and_then_what_clients_leave() {
        let account = Account {
            requests_per_second: 10_000.0,
            burst: 5_000.0,
            inbound_per_second: 2_000.0,
        };
        let mut bucket = Bucket::new(account);
        let mut taken = |at| (0..100_000).take_while(|_| bucket.takes(at)).count();
        assert_eq!(taken(0), 5_000);
        assert_eq!(taken(100_000), 800);
        // It is never fuller than full.
        assert_eq!(taken(60_000_000), 5_000);
    }
}
