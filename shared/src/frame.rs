//! Frames of the socket, both ways: what a client may say, and every frame a server says.
//!
//! A frame to a client always has a string `event` (pusher-js throws on one without), and the
//! `data` of everything on a channel is a string that holds JSON.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::channel::Channel;
use crate::error::{FAULT_MESSAGE, Rejection};
use crate::event::{CLIENT_EVENT_PREFIX, EventData, EventName};
use crate::limits::{ACTIVITY_TIMEOUT_SECS, ECHOED_NAME_MAX_BYTES, FRAME_MAX_BYTES};
use crate::socket_id::SocketId;

const PING: &str = "pusher:ping";
const PONG: &str = "pusher:pong";
const SUBSCRIBE: &str = "pusher:subscribe";
const UNSUBSCRIBE: &str = "pusher:unsubscribe";
const SIGNIN: &str = "pusher:signin";
const ESTABLISHED: &str = "pusher:connection_established";
const ERROR: &str = "pusher:error";
const SUBSCRIPTION_SUCCEEDED: &str = "pusher_internal:subscription_succeeded";
const SUBSCRIPTION_ERROR: &str = "pusher:subscription_error";

/// What a client's frame asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientFrame {
    /// Answer with [`pong`].
    Ping,
    /// An answer to a ping; nothing to do.
    Pong,
    /// Join a channel.
    Subscribe {
        /// Which.
        channel: Channel,
        /// `KEY:HEX`, when there is one.
        auth: Option<String>,
        /// What the signature covers besides the socket and the channel.
        channel_data: Option<String>,
    },
    /// Leave a channel.
    Unsubscribe {
        /// Which.
        channel: Channel,
    },
}

/// A frame that cannot be followed, and the channel it was about when the client must be told on
/// that channel.
#[derive(Debug, PartialEq, Eq)]
pub struct BadFrame {
    /// The rule it breaks.
    pub rejection: Rejection,
    /// The name of the channel that was to be joined, as the client wrote it.
    pub subscribing_to: Option<String>,
}

impl From<Rejection> for BadFrame {
    fn from(rejection: Rejection) -> Self {
        Self {
            rejection,
            subscribing_to: None,
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    event: String,
    #[serde(default)]
    data: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct SubscribeData {
    channel: String,
    #[serde(default)]
    auth: Option<String>,
    #[serde(default)]
    channel_data: Option<String>,
}

#[derive(Deserialize)]
struct UnsubscribeData {
    channel: String,
}

impl ClientFrame {
    /// Reads a text frame.
    ///
    /// # Errors
    /// What is wrong with it, for the client. Depth is bounded by the JSON parser (128), length
    /// by [`FRAME_MAX_BYTES`].
    pub fn parse(text: &str) -> Result<Self, BadFrame> {
        if text.len() > FRAME_MAX_BYTES {
            return Err(Rejection::FrameTooLong.into());
        }
        // A list would also be read as the fields in their order.
        if !text.trim_start().starts_with('{') {
            return Err(Rejection::Frame("this is no object".to_owned()).into());
        }
        let Envelope { event, data } =
            serde_json::from_str(text).map_err(|error| Rejection::Frame(error.to_string()))?;
        match event.as_str() {
            PING => Ok(Self::Ping),
            PONG => Ok(Self::Pong),
            SUBSCRIBE => {
                let SubscribeData {
                    channel: name,
                    auth,
                    channel_data,
                } = read_data(SUBSCRIBE, data.as_deref())?;
                match Channel::parse(&name) {
                    Ok(channel) => Ok(Self::Subscribe {
                        channel,
                        auth: auth.filter(|auth| !auth.is_empty()),
                        channel_data,
                    }),
                    Err(rejection) => Err(BadFrame {
                        rejection,
                        subscribing_to: (name.len() <= ECHOED_NAME_MAX_BYTES).then_some(name),
                    }),
                }
            }
            UNSUBSCRIBE => {
                let UnsubscribeData { channel } = read_data(UNSUBSCRIBE, data.as_deref())?;
                Ok(Self::Unsubscribe {
                    channel: Channel::parse(&channel)?,
                })
            }
            SIGNIN => Err(Rejection::SigninUnavailable.into()),
            other if other.starts_with(CLIENT_EVENT_PREFIX) => {
                Err(Rejection::ClientEventsDisabled.into())
            }
            other => Err(Rejection::EventUnknown(other.chars().take(64).collect()).into()),
        }
    }
}

/// `data` as an object, or as a string that holds one: clients send both.
fn read_data<'de, T: Deserialize<'de>>(
    event: &'static str,
    data: Option<&'de RawValue>,
) -> Result<T, Rejection> {
    let refused = |problem: String| Rejection::FrameData { event, problem };
    let raw = data.map_or("null", RawValue::get);
    let value: Value = serde_json::from_str(raw).map_err(|error| refused(error.to_string()))?;
    let value = match value {
        Value::String(inner) => {
            serde_json::from_str(&inner).map_err(|error| refused(error.to_string()))?
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value
        }
    };
    if !value.is_object() {
        return Err(refused("this is no object".to_owned()));
    }
    T::deserialize(value).map_err(|error| refused(error.to_string()))
}

/// A frame to a client.
#[derive(Serialize)]
struct ServerFrame<'a, D: Serialize> {
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    data: D,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<u64>,
}

impl<D: Serialize> ServerFrame<'_, D> {
    fn print(&self) -> Bytes {
        serde_json::to_vec(self)
            .expect("strings and numbers always print")
            .into()
    }
}

/// The greeting of an admitted connection. Its `data` is a string, and `activity_timeout` is
/// never absent: pusher-js gives up for good otherwise.
#[must_use]
pub fn established(socket_id: &SocketId) -> Bytes {
    #[derive(Serialize)]
    struct Data<'a> {
        socket_id: &'a str,
        activity_timeout: u64,
    }
    let data = Data {
        socket_id: socket_id.as_str(),
        activity_timeout: ACTIVITY_TIMEOUT_SECS,
    };
    let data = serde_json::to_string(&data).expect("strings and numbers always print");
    ServerFrame {
        event: ESTABLISHED,
        channel: None,
        data,
        serial: None,
    }
    .print()
}

/// `code` is `null` where the protocol gives none.
#[derive(Serialize)]
struct ErrorData<'a> {
    code: Option<u16>,
    message: &'a str,
}

/// A notice about a broken rule; as the first frame, a refusal.
#[must_use]
pub fn error(rejection: &Rejection) -> Bytes {
    let data = ErrorData {
        code: rejection.code(),
        message: &rejection.to_string(),
    };
    ServerFrame {
        event: ERROR,
        channel: None,
        data,
        serial: None,
    }
    .print()
}

/// A notice that something failed on our side.
#[must_use]
pub fn failure() -> Bytes {
    let data = ErrorData {
        code: None,
        message: FAULT_MESSAGE,
    };
    ServerFrame {
        event: ERROR,
        channel: None,
        data,
        serial: None,
    }
    .print()
}

/// The answer to a ping.
#[must_use]
pub fn pong() -> Bytes {
    #[derive(Serialize)]
    struct Data {}
    ServerFrame {
        event: PONG,
        channel: None,
        data: Data {},
        serial: None,
    }
    .print()
}

/// The acknowledgement of a subscription.
#[must_use]
pub fn subscription_succeeded(channel: &Channel) -> Bytes {
    ServerFrame {
        event: SUBSCRIPTION_SUCCEEDED,
        channel: Some(channel.as_str()),
        data: "{}",
        serial: None,
    }
    .print()
}

#[derive(Serialize)]
struct SubscriptionErrorData<'a> {
    r#type: &'a str,
    error: &'a str,
    status: u16,
}

/// A refused subscription, in the form that pusher-js hands to the channel object.
#[must_use]
pub fn subscription_error(channel: &str, rejection: &Rejection) -> Bytes {
    let status = rejection.status();
    let r#type = if status == 401 {
        "AuthError"
    } else {
        "SubscriptionError"
    };
    let data = SubscriptionErrorData {
        r#type,
        error: &rejection.to_string(),
        status,
    };
    ServerFrame {
        event: SUBSCRIPTION_ERROR,
        channel: Some(channel),
        data,
        serial: None,
    }
    .print()
}

/// A subscription that failed on our side.
#[must_use]
pub fn subscription_failure(channel: &Channel) -> Bytes {
    let data = SubscriptionErrorData {
        r#type: "ServerError",
        error: FAULT_MESSAGE,
        status: 503,
    };
    ServerFrame {
        event: SUBSCRIPTION_ERROR,
        channel: Some(channel.as_str()),
        data,
        serial: None,
    }
    .print()
}

/// A publication as its subscribers get it: printed once, whoever many they are. `data` passes
/// through as the string it was published as.
#[must_use]
pub fn publication(channel: &Channel, name: &EventName, data: &EventData, serial: u64) -> Bytes {
    ServerFrame {
        event: name.as_str(),
        channel: Some(channel.as_str()),
        data: data.as_str(),
        serial: Some(serial),
    }
    .print()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket_id::ConnectionId;

    fn rejected(text: &str) -> BadFrame {
        ClientFrame::parse(text).expect_err(text)
    }

    fn printed(frame: &Bytes) -> Value {
        serde_json::from_slice(frame).expect("JSON")
    }

    #[test]
    fn data_may_be_an_object_or_a_string_that_holds_one() {
        let subscribe = |auth: Option<&str>| ClientFrame::Subscribe {
            channel: Channel::parse("a").expect("a name"),
            auth: auth.map(str::to_owned),
            channel_data: None,
        };
        for (text, auth) in [
            (
                r#"{"event":"pusher:subscribe","data":{"channel":"a","auth":""}}"#,
                None,
            ),
            (
                r#"{"event":"pusher:subscribe","data":{"channel":"a"}}"#,
                None,
            ),
            (
                r#"{"event":"pusher:subscribe","data":"{\"channel\":\"a\",\"auth\":\"k:s\"}","more":1}"#,
                Some("k:s"),
            ),
        ] {
            assert_eq!(ClientFrame::parse(text), Ok(subscribe(auth)), "{text}");
        }
        assert_eq!(
            ClientFrame::parse(r#"{"event":"pusher:ping"}"#),
            Ok(ClientFrame::Ping)
        );
        assert_eq!(
            ClientFrame::parse(r#" {"event":"pusher:ping","data":null}"#),
            Ok(ClientFrame::Ping)
        );
    }

    #[test]
    fn a_frame_that_cannot_be_followed_says_why() {
        for (text, code) in [
            ("", None),
            ("null", None),
            ("[]", None),
            (r#"["pusher:ping"]"#, None),
            ("{}", None),
            (r#"{"event":7}"#, None),
            (r#"{"event":"pusher:subscribe"}"#, None),
            (r#"{"event":"pusher:subscribe","data":[]}"#, None),
            (r#"{"event":"pusher:subscribe","data":["a"]}"#, None),
            (r#"{"event":"pusher:subscribe","data":"a"}"#, None),
            (r#"{"event":"pusher:subscribe","data":{"channel":7}}"#, None),
            (
                r#"{"event":"pusher:unsubscribe","data":{"channel":""}}"#,
                None,
            ),
            (r#"{"event":"pusher:signin","data":{}}"#, None),
            (r#"{"event":"no-such-event"}"#, None),
            (
                r#"{"event":"client-typing","channel":"a","data":{}}"#,
                Some(4301),
            ),
        ] {
            let bad = rejected(text);
            assert_eq!(bad.rejection.code(), code, "{text}");
            assert_eq!(bad.subscribing_to, None, "{text}");
        }
        assert!(ClientFrame::parse(&"[".repeat(100_000)).is_err());
        assert!(
            ClientFrame::parse(&format!(
                r#"{{"event":"pusher:subscribe","data":{}}}"#,
                "[".repeat(50_000)
            ))
            .is_err()
        );
        assert_eq!(
            rejected(&" ".repeat(FRAME_MAX_BYTES + 1)).rejection,
            Rejection::FrameTooLong
        );
    }

    #[test]
    fn a_refused_name_comes_back_on_its_channel_unless_it_is_absurd() {
        let subscribe = |name: &str| {
            rejected(&format!(
                r#"{{"event":"pusher:subscribe","data":{{"channel":"{name}"}}}}"#
            ))
        };
        assert_eq!(subscribe("a b").subscribing_to.as_deref(), Some("a b"));
        assert_eq!(
            subscribe("#server-to-user-1").rejection,
            Rejection::ChannelReserved
        );
        assert_eq!(subscribe(&"a".repeat(2_000)).subscribing_to, None);
    }

    #[test]
    fn the_greeting_is_a_string_inside_a_frame() {
        let socket_id = SocketId::of(&ConnectionId::new("L0SM9cOFvHcCIhw=".to_owned()));
        let frame = printed(&established(&socket_id));
        assert_eq!(frame["event"], "pusher:connection_established");
        let data: Value =
            serde_json::from_str(frame["data"].as_str().expect("a string")).expect("JSON");
        assert_eq!(data["socket_id"], socket_id.as_str());
        assert_eq!(data["activity_timeout"], 120);
    }

    #[test]
    fn every_frame_to_a_client_has_an_event() {
        let channel = Channel::parse("a").expect("a name");
        let name = EventName::parse("e").expect("a name");
        let data = EventData::parse("{\"é\":\"\\u0001\"}".to_owned()).expect("data");
        for frame in [
            pong(),
            failure(),
            subscription_failure(&channel),
            error(&Rejection::ChannelName),
            subscription_succeeded(&channel),
            subscription_error("a", &Rejection::AuthInvalid),
            publication(&channel, &name, &data, 7),
        ] {
            assert!(printed(&frame)["event"].is_string());
        }
        let publication = printed(&publication(&channel, &name, &data, 7));
        assert_eq!(publication["data"], data.as_str());
        assert_eq!(publication["serial"], 7);
        assert_eq!(
            printed(&error(&Rejection::ChannelName))["data"]["code"],
            Value::Null
        );
        assert_eq!(
            printed(&subscription_error("a", &Rejection::AuthInvalid))["data"]["status"],
            401
        );
    }
}
