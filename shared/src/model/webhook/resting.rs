//! Receivers that are left alone for a while.

use std::collections::HashMap;

use crate::model::time::UnixMillis;

/// Receivers that have let a request wait until its time was up, and until when they are asked
/// nothing more: whoever waits for one of them serves nobody else. In memory: each environment finds
/// out for itself.
#[derive(Debug, Default)]
pub struct Resting {
    /// By their URLs. As many at most as apps have webhooks.
    until: HashMap<String, UnixMillis>,
}

impl Resting {
    /// Leaves one alone until a time.
    pub fn rest(&mut self, url: &str, until: UnixMillis) {
        self.until.insert(url.to_owned(), until);
    }

    /// Whether one is left alone.
    pub fn is_resting(&mut self, url: &str, now: UnixMillis) -> bool {
        self.until.retain(|_, until| *until > now);
        self.until.contains_key(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_rests_until_its_time_and_no_other_one_does() {
        let mut resting = Resting::default();
        resting.rest("https://a", UnixMillis(10));
        for (url, now, expected) in [
            ("https://a", 9, true),
            ("https://b", 9, false),
            ("https://a", 10, false),
            ("https://a", 9, false),
        ] {
            assert_eq!(resting.is_resting(url, UnixMillis(now)), expected);
        }
    }
}
