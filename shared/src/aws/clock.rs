//! This machine's clock.

use std::time::SystemTime;

use crate::model::time::UnixMillis;

/// The time by this machine's clock: for what is no event's, a signature and a lease.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixMillis(u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX))
}
