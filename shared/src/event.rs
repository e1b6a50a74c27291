//! Events: their names and data, and the request that publishes one.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::channel::Channel;
use crate::error::Rejection;
use crate::limits::{EVENT_NAME_MAX_CHARS, HTTP_BODY_MAX_BYTES, PUBLISH_CHANNELS_MAX};
use crate::settings::Settings;
use crate::socket_id::SocketId;

/// The names that only this system may use.
const RESERVED_PREFIXES: [&str; 2] = ["pusher:", "pusher_internal:"];

/// What the events that clients send each other begin with.
pub const CLIENT_EVENT_PREFIX: &str = "client-";

/// An event's name. Beyond length and the reserved prefixes nothing is asked of it: Laravel sends
/// `App\Events\X` and `.custom`.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// A request to publish one event to one or many channels.
#[derive(Debug, PartialEq, Eq)]
pub struct PublishRequest {
    /// The event's name.
    pub name: EventName,
    /// Its data.
    pub data: EventData,
    /// Where to; at least one, each once.
    pub channels: BTreeSet<Channel>,
    /// The socket that is left out.
    pub except: Option<SocketId>,
}

impl PublishRequest {
    /// Reads the body of `POST /apps/{app_id}/events`.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn parse(body: &[u8], settings: &Settings) -> Result<Self, Rejection> {
        #[derive(Deserialize)]
        struct Body {
            name: String,
            data: String,
            channel: Option<String>,
            channels: Option<Vec<String>>,
            socket_id: Option<String>,
            info: Option<String>,
        }
        let Body {
            name,
            data,
            channel,
            channels,
            socket_id,
            info,
        } = read_object(body)?;
        let names = match (channel, channels) {
            (Some(channel), None) => vec![channel],
            (None, Some(channels)) => channels,
            (None, None) | (Some(_), Some(_)) => return Err(Rejection::PublishTargets),
        };
        if names.is_empty() || names.len() > PUBLISH_CHANNELS_MAX {
            return Err(Rejection::PublishChannels);
        }
        if info.is_some_and(|info| !info.is_empty()) {
            return Err(Rejection::InfoUnavailable);
        }
        Ok(Self {
            name: EventName::parse(&name)?,
            data: EventData::parse(data, settings.max_event_bytes)?,
            channels: names
                .iter()
                .map(|name| parse_named(name))
                .collect::<Result<_, _>>()?,
            except: socket_id.as_deref().map(SocketId::parse).transpose()?,
        })
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

/// Reads a body that must be a JSON object of known length and depth.
///
/// # Errors
/// [`Rejection::BodyTooLong`], [`Rejection::Body`].
pub fn read_object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Rejection> {
    if body.len() > HTTP_BODY_MAX_BYTES {
        return Err(Rejection::BodyTooLong);
    }
    // A list would also be read as the fields in their order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Rejection::Body("this is no object".to_owned()));
    }
    serde_json::from_slice(body).map_err(|error| Rejection::Body(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &[u8]) -> Result<PublishRequest, Rejection> {
        PublishRequest::parse(body, &Settings::default())
    }

    fn rejected(body: &str) -> Rejection {
        parse(body.as_bytes()).expect_err(body)
    }

    #[test]
    fn one_channel_or_many() {
        let one = parse(br#"{"name":"e","data":"d","channel":"a"}"#).expect("one");
        assert_eq!(one.channels.len(), 1);
        assert_eq!(one.except, None);
        let many = br#"{"name":"App\\Events\\X","data":"","channels":["a","b","a"],"socket_id":"1.2","info":"","other":1}"#;
        let many = parse(many).expect("many");
        assert_eq!(
            many.channels
                .iter()
                .map(Channel::as_str)
                .collect::<Vec<_>>(),
            ["a", "b"]
        );
        assert_eq!(many.except.as_ref().map(SocketId::as_str), Some("1.2"));
    }

    #[test]
    fn a_bad_request_names_the_rule() {
        assert!(matches!(rejected(""), Rejection::Body(_)));
        for body in [
            "null",
            "[]",
            r#"["e","d","a"]"#,
            "{",
            "{}",
            r#"{"name":"e","data":{},"channel":"a"}"#,
            r#"{"name":null,"data":"","channel":"a"}"#,
        ] {
            assert!(matches!(rejected(body), Rejection::Body(_)), "{body}");
        }
        assert!(matches!(
            parse(b"{\"name\":\"\xff\"}"),
            Err(Rejection::Body(_))
        ));
        assert!(matches!(
            rejected(&format!("{{\"name\":{}", "[".repeat(100_000))),
            Rejection::Body(_)
        ));
        assert_eq!(
            rejected(r#"{"name":"e","data":""}"#),
            Rejection::PublishTargets
        );
        assert_eq!(
            rejected(r#"{"name":"e","data":"","channel":"a","channels":["b"]}"#),
            Rejection::PublishTargets
        );
        assert_eq!(
            rejected(r#"{"name":"e","data":"","channels":[]}"#),
            Rejection::PublishChannels
        );
        assert_eq!(
            rejected(r#"{"name":"","data":"","channel":"a"}"#),
            Rejection::EventName
        );
        assert_eq!(
            rejected(r#"{"name":"pusher:x","data":"","channel":"a"}"#),
            Rejection::EventReserved
        );
        assert_eq!(
            rejected(r#"{"name":"e","data":"","channel":"a","socket_id":"7"}"#),
            Rejection::SocketId
        );
        assert!(
            rejected(r#"{"name":"e","data":"","channels":["a","b c"]}"#)
                .to_string()
                .contains("b c")
        );
    }

    #[test]
    fn each_limit_is_met_exactly() {
        let body = |name: usize, data: usize, channels: usize| {
            let channels: Vec<String> = (0..channels).map(|n| format!("c{n}")).collect();
            serde_json::json!({"name": "é".repeat(name), "data": "d".repeat(data), "channels": channels}).to_string()
        };
        assert!(parse(body(200, 10_240, 100).as_bytes()).is_ok());
        assert_eq!(rejected(&body(201, 1, 1)), Rejection::EventName);
        assert_eq!(
            rejected(&body(1, 10_241, 1)),
            Rejection::EventDataTooLong { max_bytes: 10_240 }
        );
        assert_eq!(rejected(&body(1, 1, 101)), Rejection::PublishChannels);
        assert_eq!(
            rejected(&" ".repeat(HTTP_BODY_MAX_BYTES + 1)),
            Rejection::BodyTooLong
        );
    }
}
