//! The request to publish several events.

use serde::Deserialize;

use super::attributes::Attributes;
use super::idempotency::Idempotency;
use crate::model::channel::Channel;
use crate::model::error::Rejection;
use crate::model::event::{EventData, EventName, parse_named, read_object};
use crate::model::limits::{BATCH_BODY_MAX_BYTES, BATCH_EVENTS_MAX};
use crate::model::settings::Settings;
use crate::model::socket_id::SocketId;

/// A request to publish 1 to 10 events, each to a channel of its own.
#[derive(Debug, PartialEq, Eq)]
pub struct BatchRequest {
    /// The events, in the order in which they are published.
    pub events: Vec<BatchEvent>,
    /// What makes a retry known as one.
    pub idempotency: Option<Idempotency>,
}

/// What the request is, to its idempotency key.
const BATCH_EVENTS: &[u8] = b"batch events";

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub struct BatchEvent {
    /// Where to.
    pub channel: Channel,
    /// The event's name.
    pub name: EventName,
    /// Its data.
    pub data: EventData,
    /// The socket that is left out.
    pub except: Option<SocketId>,
    /// What to tell of the channel, if anything.
    pub info: Option<Attributes>,
}

#[derive(Deserialize)]
struct Item {
    name: String,
    channel: String,
    data: String,
    socket_id: Option<String>,
    info: Option<String>,
}

impl BatchRequest {
    /// Reads the body of `POST /apps/{app_id}/batch_events`: all of it, so that nothing is published
    /// of a batch that breaks a rule.
    ///
    /// # Errors
    /// The first rule that it breaks; [`Rejection::BatchEvent`] says in which event.
    pub fn parse(body: &[u8], settings: &Settings) -> Result<Self, Rejection> {
        Self::of_call(body, None, settings)
    }

    /// The same for a call whose header may name an idempotency key, too.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub(crate) fn of_call(
        body: &[u8],
        header_key: Option<&str>,
        settings: &Settings,
    ) -> Result<Self, Rejection> {
        #[derive(Deserialize)]
        struct Body {
            batch: Vec<Item>,
            idempotency_key: Option<String>,
        }
        let Body {
            batch,
            idempotency_key,
        } = read_object(body, BATCH_BODY_MAX_BYTES)?;
        if batch.is_empty() || batch.len() > BATCH_EVENTS_MAX {
            return Err(Rejection::BatchSize);
        }
        let events = batch.into_iter().enumerate().map(|(place, item)| {
            BatchEvent::new(item, settings).map_err(|problem| Rejection::BatchEvent {
                number: place + 1,
                problem: Box::new(problem),
            })
        });
        Ok(Self {
            events: events.collect::<Result<_, _>>()?,
            idempotency: Idempotency::of_call(
                idempotency_key.as_deref(),
                header_key,
                &[BATCH_EVENTS, body],
            )?,
        })
    }
}

impl BatchEvent {
    fn new(item: Item, settings: &Settings) -> Result<Self, Rejection> {
        Ok(Self {
            channel: parse_named(&item.channel)?,
            name: EventName::parse(&item.name)?,
            data: EventData::parse(item.data, settings.max_event_bytes)?,
            except: item.socket_id.as_deref().map(SocketId::parse).transpose()?,
            info: Attributes::asked(item.info.as_deref()),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(events: &Value) -> Result<BatchRequest, Rejection> {
        let body = json!({ "batch": events }).to_string();
        BatchRequest::parse(body.as_bytes(), &Settings::default())
    }

    #[test]
    fn a_batch_keeps_its_order() {
        let batch = parse(&json!([
            {"name": "e", "channel": "b", "data": "1", "socket_id": "1.2", "info": "user_count"},
            {"name": "f", "channel": "a", "data": "2", "socket_id": null},
            {"name": "e", "channel": "b", "data": "3"},
        ]));
        let batch = batch.expect("three");
        let data: Vec<_> = batch
            .events
            .iter()
            .map(|event| (event.channel.as_str(), event.data.as_str()))
            .collect();
        assert_eq!(data, [("b", "1"), ("a", "2"), ("b", "3")]);
        assert_eq!(batch.events[0].except, SocketId::parse("1.2").ok());
        let asked = batch.events.iter().map(|event| event.info.is_some());
        assert_eq!(asked.collect::<Vec<_>>(), [true, false, false]);
    }

    #[test]
    fn a_batch_is_read_to_its_end_and_a_refusal_says_where() {
        let event = |data: &str| json!({"name": "e", "channel": "a", "data": data});
        let events = |count: usize| Value::from(vec![event(""); count]);
        assert_eq!(parse(&events(0)), Err(Rejection::BatchSize));
        assert!(parse(&events(10)).is_ok());
        assert_eq!(parse(&events(11)), Err(Rejection::BatchSize));
        let long = parse(&json!([event(""), event(&"d".repeat(10_241))])).expect_err("too long");
        assert_eq!(long.status(), 413);
        assert!(
            long.to_string().starts_with("event 2 of the batch: "),
            "{long}"
        );
        let mut unnamed = event("");
        unnamed["channel"] = json!("a b");
        let unnamed = parse(&json!([event(""), event(""), unnamed])).expect_err("no name");
        assert_eq!(unnamed.status(), 400);
        assert!(unnamed.to_string().contains("event 3") && unnamed.to_string().contains("a b"));
        for body in [
            "{}",
            "[]",
            r#"{"batch":{}}"#,
            r#"{"batch":[[]]}"#,
            r#"{"batch":[{"name":"e"}]}"#,
        ] {
            let parsed = BatchRequest::parse(body.as_bytes(), &Settings::default());
            assert!(matches!(parsed, Err(Rejection::Body(_))), "{body}");
        }
        // Room for ten events of 10 KB, every byte escaped.
        let escaped = parse(&Value::from(vec![event(&"\u{1}".repeat(10_240)); 10]));
        assert!(escaped.is_ok());
    }
}
