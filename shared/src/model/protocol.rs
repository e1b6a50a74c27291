//! What the core asks of a protocol. The core says what happened (`said.rs`); a protocol writes it in its own
//! words.

use bytes::Bytes;

use crate::model::app::App;
use crate::model::channel::Channel;
use crate::model::error::{Fault, Rejection};
use crate::model::request::{BadRequest, Request};
use crate::model::said::Said;
use crate::model::socket_id::ConnectionId;
use crate::model::voice::Voice;

/// One protocol: pure functions over the core's types.
#[derive(Debug)]
pub struct Protocol {
    /// Reads what a client asks for.
    pub parse: fn(&str) -> Result<Request, BadRequest>,
    /// Writes a frame.
    pub print: fn(&Said<'_>) -> Bytes,
    /// Whether the proof that a client has brought lets it join a channel. What is signed along with it is
    /// the fourth argument.
    pub admits: fn(&App, &ConnectionId, &Channel, Option<&str>, &str) -> bool,
    /// Whether the proof that a client has brought signs it in as the user in the third argument.
    pub signs_in: fn(&App, &ConnectionId, &str, &str) -> bool,
    /// The code with which a connection is closed, for a reason or for none.
    pub close_code: fn(Option<&Rejection>) -> u16,
}

/// All protocols that are spoken, each at the place of its voice. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct Protocols(&'static [Protocol]);

impl Protocols {
    /// These: the first one is that of rows that name none.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub const fn new(protocols: &'static [Protocol]) -> Self {
        assert!(!protocols.is_empty(), "a protocol is spoken");
        Self(protocols)
    }

    /// The protocol of a voice.
    ///
    /// # Errors
    /// [`Fault::Voice`]: a newer version has written the row.
    pub fn of(self, voice: Voice) -> Result<&'static Protocol, Fault> {
        self.0.get(usize::from(voice.0)).ok_or(Fault::Voice)
    }

    /// The first one.
    #[must_use]
    pub fn first(self) -> &'static Protocol {
        &self.0[0]
    }

    /// All of them.
    pub fn all(self) -> impl Iterator<Item = (Voice, &'static Protocol)> {
        let voice = |place: usize| Voice(u8::try_from(place).unwrap_or(u8::MAX));
        let protocols = self.0.iter().enumerate();
        protocols.map(move |(place, protocol)| (voice(place), protocol))
    }
}
