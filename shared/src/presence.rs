//! Who is on a presence channel, and telling the others. One function at a time announces on a channel.

pub(crate) mod announce;
pub(crate) mod lease;
