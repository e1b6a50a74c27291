//! What there is in a storm: apps, channels, users; and where random numbers come from.

use crate::storm::wire::App;

/// The apps. The first has every feature; the second is plain, so that what an action costs there is what it costs.
pub(crate) const APPS: [App; 2] = [
    App {
        id: "1001",
        key: "storm-key",
        secret: "storm-secret-of-the-first-app",
    },
    App {
        id: "1002",
        key: "plain-key",
        secret: "storm-secret-of-the-second-app",
    },
];

/// The channels, in each app.
pub(crate) const CHANNELS: [&str; 9] = [
    "orders",
    "big",
    "cache-quotes",
    "private-a",
    "private-b",
    "private-cache-c",
    "presence-room",
    "presence-hall",
    "presence-cache-desk",
];

/// The channel that most are on.
pub(crate) const BIG: usize = 1;

/// The client that stays for as long as it is let, in the second app.
pub(crate) const CLIENT_THAT_STAYS: u32 = 16;

/// Users of each app.
pub(crate) const USERS: usize = 6;

/// A user's id.
pub(crate) fn user(number: usize) -> String {
    format!("u{number}")
}

/// The channel that only a user may join.
pub(crate) fn channel_of_user(number: usize) -> String {
    format!("#server-to-user-u{number}")
}

/// Whether a channel takes a signature.
pub(crate) fn needs_auth(channel: &str) -> bool {
    channel.starts_with("private-") || channel.starts_with("presence-")
}

/// Random numbers for one part of a plan, whatever the others take.
pub(super) fn random(seed: u64, part: u64) -> fastrand::Rng {
    fastrand::Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ part)
}
