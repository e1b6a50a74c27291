//! Which protocol a client speaks, as its rows name it.

use serde::{Deserialize, Serialize};

use crate::model::socket_id::ConnectionId;

/// The protocol of a client, as its rows name it. Rows that name none are of the first one, Pusher's.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Voice(pub(super) u8);

impl Voice {
    /// Reads the number in a row; one that is no voice is kept, and nothing can be said in it.
    #[must_use]
    pub fn of(number: Option<u64>) -> Self {
        Self(number.map_or(0, |number| u8::try_from(number).unwrap_or(u8::MAX)))
    }

    /// The number that a row has; the first one is not written.
    #[must_use]
    pub fn number(self) -> Option<u64> {
        (self != Self::default()).then_some(u64::from(self.0))
    }
}

/// A client, as frames are said to it.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// Its connection.
    pub id: &'a ConnectionId,
    /// What it speaks.
    pub voice: Voice,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_voice_is_not_written() {
        assert_eq!(Voice::of(None), Voice::default());
        assert_eq!(Voice::default().number(), None);
        assert_eq!(Voice::of(Some(3)).number(), Some(3));
        assert_eq!(Voice::of(Some(u64::MAX)).number(), Some(255));
    }
}
