//! The request to publish several events.

use serde::Deserialize;

use super::{attributes, idempotency};
use crate::model::call::{BatchEvent, BatchRequest};
use crate::model::error::Rejection;
use crate::model::event::{EventData, EventName, parse_named, read_object};
use crate::model::limits::{BATCH_BODY_MAX_BYTES, BATCH_EVENTS_MAX};
use crate::model::settings::Settings;
use crate::model::socket_id::SocketId;

/// What the request is, to its idempotency key.
const BATCH_EVENTS: &[u8] = b"batch events";

#[derive(Deserialize)]
struct Item {
    name: String,
    channel: String,
    data: String,
    socket_id: Option<String>,
    info: Option<String>,
}

/// Reads the body of `POST /apps/{app_id}/batch_events`: all of it, so that nothing is published
/// of a batch that breaks a rule.
///
/// # Errors
/// The first rule that it breaks; [`Rejection::BatchEvent`] says in which event.
pub fn parse(body: &[u8], settings: &Settings) -> Result<BatchRequest, Rejection> {
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
) -> Result<BatchRequest, Rejection> {
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
        event(item, settings).map_err(|problem| Rejection::BatchEvent {
            number: place + 1,
            problem: Box::new(problem),
        })
    });
    Ok(BatchRequest {
        events: events.collect::<Result<_, _>>()?,
        idempotency: idempotency::of_call(
            idempotency_key.as_deref(),
            header_key,
            &[BATCH_EVENTS, body],
        )?,
    })
}

fn event(item: Item, settings: &Settings) -> Result<BatchEvent, Rejection> {
    Ok(BatchEvent {
        channel: parse_named(&item.channel)?,
        name: EventName::parse(&item.name)?,
        data: EventData::parse(item.data, settings.max_event_bytes)?,
        except: item.socket_id.as_deref().map(SocketId::parse).transpose()?,
        info: attributes::asked(item.info.as_deref()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(events: &Value) -> Result<BatchRequest, Rejection> {
        let body = json!({ "batch": events }).to_string();
        super::parse(body.as_bytes(), &Settings::default())
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
            let parsed = super::parse(body.as_bytes(), &Settings::default());
            assert!(matches!(parsed, Err(Rejection::Body(_))), "{body}");
        }
        // Room for ten events of 10 KB, every byte escaped.
        let escaped = parse(&Value::from(vec![event(&"\u{1}".repeat(10_240)); 10]));
        assert!(escaped.is_ok());
    }
}
