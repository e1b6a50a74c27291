//! The two names of a connection: the [`ConnectionId`] that its rows lie under and the protocol's
//! [`SocketId`].

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::error::Rejection;

/// What the id of a session over HTTP begins with. API Gateway's ids have no slash.
const SESSION: &str = "http/";

/// How a connection is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// API Gateway holds its socket.
    Socket,
    /// It comes for its frames itself.
    Http,
}

/// API Gateway's name for a connection, or that of a session over HTTP: opaque, so only bounded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConnectionId(String);

impl ConnectionId {
    /// Takes the id as an event or a row carries it.
    #[must_use]
    pub const fn new(id: String) -> Self {
        Self(id)
    }

    /// The id of a session over HTTP, from a digest that is its own.
    #[must_use]
    pub fn of_session(digest: &str) -> Self {
        Self(format!("{SESSION}{digest}"))
    }

    /// How it is reached.
    #[must_use]
    pub fn transport(&self) -> Transport {
        if self.0.starts_with(SESSION) {
            Transport::Http
        } else {
            Transport::Socket
        }
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The protocol's name for a connection: two decimal numbers joined by a dot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SocketId(String);

/// Each half is below this, as in the servers people have.
const HALF: u64 = 10_000_000_000;

impl SocketId {
    /// The socket id of a connection: a pure function of its id, so that excluding a sender needs
    /// no lookup. 66 bits of SHA-256, so that nobody can guess one or make two meet.
    #[must_use]
    pub fn of(connection_id: &ConnectionId) -> Self {
        let digest = Sha256::digest(connection_id.as_str().as_bytes());
        let half = |from: usize| {
            let bytes = digest[from..from + 8]
                .iter()
                .fold(0_u64, |value, byte| (value << 8) | u64::from(*byte));
            bytes % HALF
        };
        Self(format!("{}.{}", half(0), half(8)))
    }

    /// Reads what a server SDK sends: `digits.digits`.
    ///
    /// # Errors
    /// [`Rejection::SocketId`].
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        let is_number = |half: &str| {
            (1..=20).contains(&half.len()) && half.bytes().all(|byte| byte.is_ascii_digit())
        };
        match text.split_once('.') {
            Some((left, right)) if is_number(left) && is_number(right) => Ok(Self(text.to_owned())),
            Some(_) | None => Err(Rejection::SocketId),
        }
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SocketId {
    type Error = Rejection;

    fn try_from(text: String) -> Result<Self, Rejection> {
        Self::parse(&text)
    }
}

impl From<SocketId> for String {
    fn from(socket_id: SocketId) -> Self {
        socket_id.0
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_has_one_socket_id_that_every_sdk_accepts() {
        let id = ConnectionId::new("L0SM9cOFvHcCIhw=".to_owned());
        let socket_id = SocketId::of(&id);
        assert_eq!(socket_id, SocketId::of(&id));
        assert_eq!(SocketId::parse(socket_id.as_str()), Ok(socket_id.clone()));
        assert_ne!(
            socket_id,
            SocketId::of(&ConnectionId::new("L0SM9cOFvHcCIhx=".to_owned()))
        );
    }

    #[test]
    fn an_id_says_how_its_connection_is_reached() {
        let socket = ConnectionId::new("L0SM9cOFvHcCIhw=".to_owned());
        assert_eq!(socket.transport(), Transport::Socket);
        let session = ConnectionId::of_session("00");
        assert_eq!(session.transport(), Transport::Http);
        // As its rows carry it.
        let read = ConnectionId::new(session.as_str().to_owned());
        assert_eq!(read.transport(), Transport::Http);
    }

    #[test]
    fn only_two_numbers_make_a_socket_id() {
        assert!(SocketId::parse("1234.1234").is_ok());
        for text in [
            "",
            ".",
            "1.",
            ".1",
            "1.2.3",
            "1,2",
            "a.1",
            "1.1\n",
            " 1.1",
            "1.-1",
            "111111111111111111111.1",
            "１.1",
        ] {
            assert_eq!(SocketId::parse(text), Err(Rejection::SocketId), "{text:?}");
        }
    }
}
