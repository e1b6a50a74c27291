//! A session over HTTP: a connection without a socket, whose client asks for its frames.

use serde::{Deserialize, Serialize};

use crate::model::app::App;
use crate::model::secret::OwnKey;
use crate::model::socket_id::ConnectionId;

/// What a request of a session wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// To be answered once there is something.
    Poll,
    /// To be answered bit by bit.
    Stream,
    /// To say something.
    Send,
}

/// A request of a session. No `Debug`: it holds the name and the token.
pub struct SessionRequest {
    /// The app's key.
    pub app_key: String,
    /// What it wants.
    pub call: Call,
    /// Which of the client's requests it is: each has a higher number than those before.
    pub number: u64,
    /// The protocol's version.
    pub protocol: Option<String>,
    /// A token, when it brought one.
    pub token: Option<String>,
    /// The session's name, which its client made up. Whoever knows the name has the session.
    pub name: String,
}

impl SessionRequest {
    /// What the session is known by. Nobody can find out the name from it, or choose another's.
    #[must_use]
    pub fn connection_id(&self, app: &App, key: &OwnKey) -> ConnectionId {
        let named = format!("session/{}/{}", app.id(), self.name);
        // Not an app's secret: with a new one every session would be another.
        ConnectionId::of_session(&key.secrets().current().sign(named.as_bytes()))
    }
}

/// How a session was closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parting {
    /// The protocol's code: it says what the client will do.
    pub code: u16,
    /// For whoever reads the client's log.
    pub reason: String,
}

/// How a protocol writes what a session is sent.
#[derive(Debug)]
pub struct Lines {
    /// Says that the session is open.
    pub open: &'static str,
    /// Says that there is nothing to say.
    pub heartbeat: &'static str,
    /// Prints frames.
    pub frames: fn(&[&str]) -> String,
    /// Prints how the session was closed.
    pub parting: fn(&Parting) -> String,
    /// Reads the frames that a client sends.
    pub parse: fn(&[u8]) -> Result<Vec<String>, crate::model::error::Rejection>,
    /// UTF-16 units after which the client opens a stream anew, and what follows that line is lost.
    pub reopened_units: usize,
    /// Prints a line without frames that is so many units long, at least.
    pub filler: fn(usize) -> String,
}
