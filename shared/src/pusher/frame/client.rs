//! What a client may say.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::names::{PING, PONG, SIGNIN, SUBSCRIBE, UNSUBSCRIBE};
use crate::model::channel::Channel;
use crate::model::error::Rejection;
use crate::model::event::{CLIENT_EVENT_PREFIX, EventName};
use crate::model::limits::{ECHOED_NAME_MAX_BYTES, FRAME_MAX_BYTES, SERIAL_MAX};
use crate::model::request::{BadRequest, ClientEvent, Request, SignIn, Subscribe};

#[derive(Deserialize)]
struct Envelope {
    event: String,
    #[serde(default)]
    channel: Option<Value>,
    #[serde(default)]
    data: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct SigninData {
    auth: String,
    user_data: String,
}

#[derive(Deserialize)]
struct SubscribeData {
    channel: String,
    #[serde(default)]
    auth: Option<String>,
    #[serde(default)]
    channel_data: Option<String>,
    #[serde(default)]
    after: Option<Value>,
}

#[derive(Deserialize)]
struct UnsubscribeData {
    channel: String,
}

/// Reads a text frame.
///
/// # Errors
/// What is wrong with it, for the client. Depth is bounded by the JSON parser (128), length
/// by [`FRAME_MAX_BYTES`].
pub fn parse(text: &str) -> Result<Request, BadRequest> {
    if text.len() > FRAME_MAX_BYTES {
        return Err(Rejection::FrameTooLong.into());
    }
    // A list would also be read as the fields in their order.
    if !text.trim_start().starts_with('{') {
        return Err(Rejection::Frame("this is no object".to_owned()).into());
    }
    let Envelope {
        event,
        channel,
        data,
    } = serde_json::from_str(text).map_err(|error| Rejection::Frame(error.to_string()))?;
    match event.as_str() {
        PING => Ok(Request::Ping),
        PONG => Ok(Request::Pong),
        SUBSCRIBE => {
            let SubscribeData {
                channel: name,
                auth,
                channel_data,
                after,
            } = read_data(SUBSCRIBE, data.as_deref())?;
            let parsed = Channel::parse(&name).and_then(|channel| {
                let after = after.as_ref().map(serial).transpose()?;
                Ok((channel, after))
            });
            match parsed {
                Ok((channel, after)) => Ok(Request::Subscribe(Subscribe {
                    channel,
                    auth: auth.filter(|auth| !auth.is_empty()),
                    channel_data,
                    after,
                })),
                Err(rejection) => Err(BadRequest {
                    rejection,
                    subscribing_to: (name.len() <= ECHOED_NAME_MAX_BYTES).then_some(name),
                }),
            }
        }
        UNSUBSCRIBE => {
            let UnsubscribeData { channel } = read_data(UNSUBSCRIBE, data.as_deref())?;
            Ok(Request::Unsubscribe {
                channel: Channel::parse(&channel)?,
            })
        }
        SIGNIN => {
            let SigninData { auth, user_data } = read_data(SIGNIN, data.as_deref())?;
            Ok(Request::SignIn(SignIn { auth, user_data }))
        }
        other => client_event(other, channel.as_ref(), data)
            .unwrap_or_else(|| Err(Rejection::EventUnknown(shortened(other))))
            .map_err(BadRequest::from),
    }
}

/// An event that clients may send; `None` for any other.
fn client_event(
    event: &str,
    channel: Option<&Value>,
    data: Option<Box<RawValue>>,
) -> Option<Result<Request, Rejection>> {
    let refused = |rejection| Rejection::ClientEvent(Box::new(rejection));
    let name = match EventName::parse(event) {
        Ok(name) if name.is_client_event() => name,
        // Only too long a name is both.
        Err(rejection) if event.starts_with(CLIENT_EVENT_PREFIX) => {
            return Some(Err(refused(rejection)));
        }
        Ok(_) | Err(_) => return None,
    };
    let channel = Channel::parse(channel.and_then(Value::as_str).unwrap_or_default());
    Some(match channel {
        Ok(channel) => Ok(Request::ClientEvent(ClientEvent {
            name,
            channel,
            data: data.map_or_else(|| "null".to_owned(), |data| Box::<str>::from(data).into()),
        })),
        Err(rejection) => Err(refused(rejection)),
    })
}

/// A serial that a client names.
fn serial(value: &Value) -> Result<u64, Rejection> {
    value
        .as_u64()
        .filter(|&serial| serial <= SERIAL_MAX)
        .ok_or(Rejection::SubscribeAfter)
}

/// A client's own words, short enough to be repeated to it.
fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(text: &str) -> BadRequest {
        parse(text).expect_err(text)
    }

    #[test]
    fn data_may_be_an_object_or_a_string_that_holds_one() {
        let subscribe = |auth: Option<&str>| {
            Request::Subscribe(Subscribe {
                channel: Channel::parse("a").expect("a name"),
                auth: auth.map(str::to_owned),
                channel_data: None,
                after: None,
            })
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
            assert_eq!(parse(text), Ok(subscribe(auth)), "{text}");
        }
        assert_eq!(parse(r#"{"event":"pusher:ping"}"#), Ok(Request::Ping));
        assert_eq!(
            parse(r#" {"event":"pusher:ping","data":null}"#),
            Ok(Request::Ping)
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
            (
                r#"{"event":"pusher:signin","data":{"auth":"k:s","user_data":{}}}"#,
                None,
            ),
            (r#"{"event":"no-such-event"}"#, None),
            (r#"{"event":"client-typing","data":{}}"#, Some(4301)),
            (r#"{"event":"client-typing","channel":7}"#, Some(4301)),
            (r#"{"event":"client-typing","channel":"a b"}"#, Some(4301)),
        ] {
            let bad = rejected(text);
            assert_eq!(bad.rejection.code(), code, "{text}");
            assert_eq!(bad.subscribing_to, None, "{text}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(
            parse(&format!(
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
        assert_eq!(subscribe("#orders").rejection, Rejection::ChannelReserved);
        assert_eq!(subscribe(&"a".repeat(2_000)).subscribing_to, None);
    }

    #[test]
    fn a_subscription_may_go_on_after_a_serial() {
        let subscribe = |after: &str| {
            let text = format!(
                r#"{{"event":"pusher:subscribe","data":{{"channel":"a","after":{after}}}}}"#
            );
            parse(&text).map(|frame| {
                let Request::Subscribe(Subscribe { after, .. }) = frame else {
                    panic!("{frame:?}");
                };
                after
            })
        };
        for (text, after) in [
            ("null", None),
            ("0", Some(0)),
            ("999999999999999", Some(999_999_999_999_999)),
        ] {
            assert_eq!(subscribe(text), Ok(after), "{text}");
        }
        for text in [
            "1000000000000000",
            "99999999999999999999999",
            "-1",
            "1.5",
            "\"7\"",
            "{}",
            "true",
        ] {
            let bad = subscribe(text).expect_err(text);
            assert_eq!(bad.rejection, Rejection::SubscribeAfter, "{text}");
            assert_eq!(bad.subscribing_to.as_deref(), Some("a"), "{text}");
        }
    }

    #[test]
    fn a_client_event_passes_its_data_on_as_it_is() {
        let event = |data: &str| {
            Request::ClientEvent(ClientEvent {
                name: EventName::parse("client-typing").expect("a name"),
                channel: Channel::parse("private-a").expect("a name"),
                data: data.to_owned(),
            })
        };
        for (text, data) in [
            (r#"{"event":"client-typing","channel":"private-a"}"#, "null"),
            (
                r#"{"data": {"b": 1.0, "a":"\u00e9"},"channel":"private-a","event":"client-typing","user_id":"forged"}"#,
                r#"{"b": 1.0, "a":"\u00e9"}"#,
            ),
        ] {
            assert_eq!(parse(text), Ok(event(data)), "{text}");
        }
        let long = format!(
            r#"{{"event":"client-{}","channel":"private-a"}}"#,
            "x".repeat(200)
        );
        assert_eq!(rejected(&long).rejection.code(), Some(4301));
    }
}
