//! Clocks: this machine's, and that of work which was begun at an event's time and must end.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::model::time::UnixMillis;

/// The time by this machine's clock: for what is no event's, a signature and a lease.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixMillis(u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX))
}

/// The clock of some work: the time by the event's clock, and when nothing more is to be begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    event_at: UnixMillis,
    began: Instant,
    ends_at: Instant,
}

impl Clock {
    /// Work that begins now, for an event of `event_at`, and has so long.
    pub(crate) fn start(event_at: UnixMillis, patience: Duration) -> Self {
        let began = Instant::now();
        Self {
            event_at,
            began,
            ends_at: began + patience,
        }
    }

    /// The time: the event's, and what has passed since the work began.
    pub(crate) fn now(&self) -> UnixMillis {
        let millis = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        UnixMillis(self.event_at.0.saturating_add(millis))
    }

    /// Whether nothing more is to be begun.
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.ends_at
    }

    /// How long the work has taken so far.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_goes_on_from_the_events_time_and_ends() {
        let clock = Clock::start(UnixMillis(1_000), Duration::from_secs(2));
        assert_eq!((clock.now(), clock.is_over()), (UnixMillis(1_000), false));
        tokio::time::advance(Duration::from_millis(1_999)).await;
        assert_eq!((clock.now(), clock.is_over()), (UnixMillis(2_999), false));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(clock.is_over());
        assert_eq!(clock.elapsed(), Duration::from_secs(2));
    }
}
