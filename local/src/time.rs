//! Points in time, as AWS writes them.

use std::time::SystemTime;

/// A point in time in the two forms of an event.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    /// Unix milliseconds.
    pub epoch_ms: u64,
}

impl Time {
    /// The time by this machine's clock.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let millis = since.unwrap_or_default().as_millis();
        Self {
            epoch_ms: u64::try_from(millis).unwrap_or(u64::MAX),
        }
    }

    /// `24/Nov/2026:01:02:03 +0000`.
    #[must_use]
    pub fn text(self) -> String {
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let (year, month, day) = civil(self.epoch_ms / 86_400_000);
        let secs = self.epoch_ms / 1_000 % 86_400;
        let month = MONTHS[month - 1];
        format!(
            "{day:02}/{month}/{year}:{:02}:{:02}:{:02} +0000",
            secs / 3_600,
            secs / 60 % 60,
            secs % 60
        )
    }

    /// `2026-11-24T01:02:03.000Z`.
    #[must_use]
    pub fn iso8601(self) -> String {
        format!("{}.{:03}Z", self.to_the_second(), self.epoch_ms % 1_000)
    }

    /// `2026-11-24T01:02:03Z`.
    #[must_use]
    pub fn iso8601_secs(self) -> String {
        format!("{}Z", self.to_the_second())
    }

    fn to_the_second(self) -> String {
        let (year, month, day) = civil(self.epoch_ms / 86_400_000);
        let secs = self.epoch_ms / 1_000 % 86_400;
        format!(
            "{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
            secs / 3_600,
            secs / 60 % 60,
            secs % 60
        )
    }
}

/// The date of a day since the epoch: year, month (from 1), day (from 1).
fn civil(days: u64) -> (u64, usize, u64) {
    let leap = |year: u64| {
        (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
    };
    let (mut year, mut left) = (1970, days);
    while left >= if leap(year) { 366 } else { 365 } {
        left -= if leap(year) { 366 } else { 365 };
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_api_gateway_writes_them() {
        for (epoch_ms, text, iso) in [
            (0, "01/Jan/1970:00:00:00 +0000", "1970-01-01T00:00:00.000Z"),
            (
                951_782_400_000,
                "29/Feb/2000:00:00:00 +0000",
                "2000-02-29T00:00:00.000Z",
            ),
            (
                1_795_482_123_456,
                "24/Nov/2026:01:02:03 +0000",
                "2026-11-24T01:02:03.456Z",
            ),
            (
                4_107_542_399_000,
                "28/Feb/2100:23:59:59 +0000",
                "2100-02-28T23:59:59.000Z",
            ),
        ] {
            let time = Time { epoch_ms };
            assert_eq!((time.text().as_str(), time.iso8601().as_str()), (text, iso));
        }
    }
}
