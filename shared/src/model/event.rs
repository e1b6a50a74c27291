//! Events: their names and data, and the requests that publish them.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::model::channel::Channel;
use crate::model::error::Rejection;
use crate::model::limits::EVENT_NAME_MAX_CHARS;

/// The names that only this system may use.
const RESERVED_PREFIXES: [&str; 2] = ["pusher:", "pusher_internal:"];

/// What the events that clients send each other begin with.
pub const CLIENT_EVENT_PREFIX: &str = "client-";

/// An event's name. Beyond length and the reserved prefixes nothing is asked of it: Laravel sends
/// `App\Events\X` and `.custom`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventName(String);

impl EventName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`Rejection::EventName`], [`Rejection::EventReserved`].
    pub fn parse(name: &str) -> Result<Self, Rejection> {
        if name.is_empty() || name.chars().count() > EVENT_NAME_MAX_CHARS {
            return Err(Rejection::EventName);
        }
        if RESERVED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
        {
            return Err(Rejection::EventReserved);
        }
        Ok(Self(name.to_owned()))
    }

    /// Whether it is one that clients send each other.
    #[must_use]
    pub fn is_client_event(&self) -> bool {
        self.0.starts_with(CLIENT_EVENT_PREFIX)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An event's data: any string, usually JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventData(String);

impl EventData {
    /// Takes data of at most so many bytes: an app's own limit.
    ///
    /// # Errors
    /// [`Rejection::EventDataTooLong`].
    pub fn parse(data: String, max_bytes: usize) -> Result<Self, Rejection> {
        if data.len() > max_bytes {
            return Err(Rejection::EventDataTooLong { max_bytes });
        }
        Ok(Self(data))
    }

    /// The data.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reads one name of several, so that a refusal says which.
///
/// # Errors
/// [`Rejection::ChannelNamed`].
pub fn parse_named(name: &str) -> Result<Channel, Rejection> {
    Channel::parse(name).map_err(|problem| Rejection::ChannelNamed {
        channel: name.chars().take(64).collect(),
        problem: Box::new(problem),
    })
}

/// Whether a body is short enough to be looked at.
///
/// # Errors
/// [`Rejection::BodyTooLong`].
pub fn check_length(body: &[u8], max_bytes: usize) -> Result<(), Rejection> {
    if body.len() > max_bytes {
        return Err(Rejection::BodyTooLong { max_bytes });
    }
    Ok(())
}

/// Reads a body that must be a JSON object of known length and depth.
///
/// # Errors
/// [`Rejection::BodyTooLong`], [`Rejection::Body`].
pub fn read_object<T: DeserializeOwned>(body: &[u8], max_bytes: usize) -> Result<T, Rejection> {
    check_length(body, max_bytes)?;
    // A list would also be read as the fields in their order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Rejection::Body("this is no object".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| Rejection::Body(error.to_string()))
}
