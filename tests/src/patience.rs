//! How long a test waits.

use std::time::Duration;

/// How long anything awaited may take. It is long because machines are shared. Only a failing test
/// waits this long.
pub const PATIENCE: Duration = Duration::from_secs(20);
