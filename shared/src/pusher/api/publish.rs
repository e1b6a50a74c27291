//! The request to publish one event.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{attributes, idempotency};
use crate::model::call::{Idempotency, PublishRequest};
use crate::model::channel::Channel;
use crate::model::error::Rejection;
use crate::model::event::{EventData, EventName, parse_named, read_object};
use crate::model::limits::{HTTP_BODY_MAX_BYTES, PUBLISH_CHANNELS_MAX};
use crate::model::settings::Settings;
use crate::model::socket_id::SocketId;

/// What the request is, to its idempotency key.
const EVENTS: &[u8] = b"events";
const CHANNEL_EVENTS: &[u8] = b"channel events";

/// Reads the body of `POST /apps/{app_id}/events`.
///
/// # Errors
/// The first rule that it breaks.
pub fn parse(body: &[u8], settings: &Settings) -> Result<PublishRequest, Rejection> {
    of_call(body, None, settings)
}

/// The same for a call whose header may name an idempotency key, too.
///
/// # Errors
/// The first rule that it breaks.
pub(super) fn of_call(
    body: &[u8],
    header_key: Option<&str>,
    settings: &Settings,
) -> Result<PublishRequest, Rejection> {
    read(body, settings, |key| {
        idempotency::of_call(key, header_key, &[EVENTS, body])
    })
}

/// The same for what came in an event, whose id is its key unless it names one.
///
/// # Errors
/// The first rule that it breaks.
pub(super) fn of_event(
    body: &[u8],
    event_id: Option<&str>,
    settings: &Settings,
) -> Result<PublishRequest, Rejection> {
    read(body, settings, |key| {
        idempotency::of_call(key.or(event_id), None, &[EVENTS, body])
    })
}

fn read(
    body: &[u8],
    settings: &Settings,
    known_by: impl FnOnce(Option<&str>) -> Result<Option<Idempotency>, Rejection>,
) -> Result<PublishRequest, Rejection> {
    #[derive(Deserialize)]
    struct Body {
        name: String,
        data: String,
        channel: Option<String>,
        channels: Option<Vec<String>>,
        socket_id: Option<String>,
        info: Option<String>,
        idempotency_key: Option<String>,
    }
    let Body {
        name,
        data,
        channel,
        channels,
        socket_id,
        info,
        idempotency_key,
    } = read_object(body, HTTP_BODY_MAX_BYTES)?;
    let names = match (channel, channels) {
        (Some(channel), None) => vec![channel],
        (None, Some(channels)) => channels,
        (None, None) | (Some(_), Some(_)) => return Err(Rejection::PublishTargets),
    };
    if names.is_empty() || names.len() > PUBLISH_CHANNELS_MAX {
        return Err(Rejection::PublishChannels);
    }
    Ok(PublishRequest {
        name: EventName::parse(&name)?,
        data: EventData::parse(data, settings.max_event_bytes)?,
        channels: names
            .iter()
            .map(|name| parse_named(name))
            .collect::<Result<_, _>>()?,
        except: socket_id.as_deref().map(SocketId::parse).transpose()?,
        info: attributes::asked(info.as_deref()),
        idempotency: known_by(idempotency_key.as_deref())?,
    })
}

/// Takes the parts of `POST /apps/{app_id}/channels/{channel}/events?name=…`, whose body is the
/// data.
///
/// # Errors
/// The first rule that it breaks.
pub(super) fn raw(
    channel: &str,
    name: Option<&str>,
    except: Option<&str>,
    data: &[u8],
    header_key: Option<&str>,
    settings: &Settings,
) -> Result<PublishRequest, Rejection> {
    let request = [
        CHANNEL_EVENTS,
        channel.as_bytes(),
        name.unwrap_or_default().as_bytes(),
        except.unwrap_or_default().as_bytes(),
        data,
    ];
    let idempotency = idempotency::of_call(None, header_key, &request)?;
    let data = std::str::from_utf8(data).map_err(|_| Rejection::EventDataUtf8)?;
    Ok(PublishRequest {
        name: EventName::parse(name.unwrap_or_default())?,
        data: EventData::parse(data.to_owned(), settings.max_event_bytes)?,
        channels: BTreeSet::from([Channel::parse(channel)?]),
        except: except.map(SocketId::parse).transpose()?,
        info: None,
        idempotency,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &[u8]) -> Result<PublishRequest, Rejection> {
        super::parse(body, &Settings::default())
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
        assert_eq!((many.info, many.idempotency), (None, None));
        let asked = br#"{"name":"e","data":"","channel":"a","info":"cache"}"#;
        let asked = parse(asked).expect("one");
        assert_eq!(asked.info, Some(attributes::parse("cache")));
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
            Rejection::BodyTooLong {
                max_bytes: HTTP_BODY_MAX_BYTES
            }
        );
    }
}
