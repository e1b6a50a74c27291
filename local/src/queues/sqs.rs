//! SQS, the sending side: `SendMessage` and `SendMessageBatch` in the AWS JSON 1.0 protocol. The
//! receiving side is [`crate::triggers::mapping`], as on AWS it is Lambda's.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use super::fifo::Sent;
use super::live::{Destination, Queues, When};
use super::refusal::Refusal;
use super::standard::Ordered;
use crate::events::{body_digest, sequence_number};
use crate::host::settings::ACCOUNT_ID;
use crate::serving::listening;

/// SQS's limit for a message, and for a batch of them.
pub(super) const MESSAGE_MAX_BYTES: usize = 1_048_576;
/// SQS's limit for a delay.
pub(super) const DELAY_MAX_SECS: u64 = 900;
/// SQS's limit for the entries of a batch.
pub(super) const ENTRIES_MAX: usize = 10;
/// SQS's limit for an entry's id.
pub(super) const ENTRY_ID_MAX_CHARS: usize = 80;
/// SQS's limit for the names of a group and of a message.
pub(super) const ORDER_MAX_CHARS: usize = 128;
/// More than any valid request has: a byte of a message may be escaped as six.
pub(crate) const REQUEST_MAX_BYTES: usize = 6 * MESSAGE_MAX_BYTES + 65_536;

/// What is not named here (attributes) is refused rather than lost.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SendMessage {
    queue_url: String,
    message_body: String,
    delay_seconds: Option<i64>,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SendMessageBatch {
    queue_url: String,
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Entry {
    id: String,
    message_body: String,
    delay_seconds: Option<i64>,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
}

/// When a message is to be handed out, as the request says it.
struct Place {
    delay_secs: Option<i64>,
    group: Option<String>,
    deduplication: Option<String>,
}

impl Place {
    /// What it comes to in a queue of this kind.
    fn when(self, is_fifo: bool) -> Result<When, Refusal> {
        if is_fifo {
            if let Some(secs) = self.delay_secs.filter(|secs| *secs != 0) {
                return Err(Refusal::Delay(secs));
            }
            let named = |parameter, name: String| {
                let allowed = (1..=ORDER_MAX_CHARS).contains(&name.len())
                    && name.bytes().all(|byte| byte.is_ascii_graphic());
                allowed.then_some(name).ok_or(Refusal::OrderName(parameter))
            };
            let group = named("MessageGroupId", self.group.ok_or(Refusal::NoGroup)?)?;
            let deduplication = self.deduplication.ok_or(Refusal::NoDeduplication)?;
            let deduplication = named("MessageDeduplicationId", deduplication)?;
            return Ok(When::InOrder(Ordered::new(group, deduplication)));
        }
        for (parameter, name) in [
            ("MessageGroupId", &self.group),
            ("MessageDeduplicationId", &self.deduplication),
        ] {
            if name.is_some() {
                return Err(Refusal::NoFifo(parameter));
            }
        }
        let secs = self.delay_secs.unwrap_or(0);
        u64::try_from(secs)
            .ok()
            .filter(|secs| *secs <= DELAY_MAX_SECS)
            .map(|secs| When::After(Duration::from_secs(secs)))
            .ok_or(Refusal::Delay(secs))
    }
}

/// Answers a request of SQS's API.
pub(crate) async fn call(
    State(queues): State<Queues>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let target = headers.get("x-amz-target");
    let operation = target.and_then(|target| target.to_str().ok()?.strip_prefix("AmazonSQS."));
    let answer = match (operation, body) {
        (_, Err(_)) => Err(Refusal::TooLong),
        (Some("SendMessage"), Ok(body)) => send(&queues, &body),
        (Some("SendMessageBatch"), Ok(body)) => send_batch(&queues, &body),
        (Some(_) | None, Ok(_)) => Err(Refusal::NoSuchOperation),
    };
    match answer {
        Ok(answer) => listening::json(StatusCode::OK, &answer),
        Err(refusal) => refusal.into_response(),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|problem| Refusal::Unreadable(problem.to_string()))
}

/// The queue of a URL, which ends with the account and the queue's name.
fn queue_of<'a>(queues: &'a Queues, url: &str) -> Result<Destination<'a>, Refusal> {
    let mut from_the_end = url.rsplit('/');
    match (from_the_end.next(), from_the_end.next()) {
        (Some(name), Some(ACCOUNT_ID)) => queues.get(name).ok_or(Refusal::NoSuchQueue),
        _ => Err(Refusal::NoSuchQueue),
    }
}

fn send(queues: &Queues, body: &[u8]) -> Result<Value, Refusal> {
    let SendMessage {
        queue_url,
        message_body,
        delay_seconds,
        message_group_id,
        message_deduplication_id,
    } = read(body)?;
    let place = Place {
        delay_secs: delay_seconds,
        group: message_group_id,
        deduplication: message_deduplication_id,
    };
    enqueue(queue_of(queues, &queue_url)?, message_body, place)
}

fn send_batch(queues: &Queues, body: &[u8]) -> Result<Value, Refusal> {
    let SendMessageBatch { queue_url, entries } = read(body)?;
    let queue = queue_of(queues, &queue_url)?;
    check_batch(&entries)?;
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in entries {
        let place = Place {
            delay_secs: entry.delay_seconds,
            group: entry.message_group_id,
            deduplication: entry.message_deduplication_id,
        };
        match enqueue(queue, entry.message_body, place) {
            Ok(mut sent) => {
                sent["Id"] = json!(entry.id);
                successful.push(sent);
            }
            Err(refusal) => failed.push(json!({
                "Id": entry.id,
                "SenderFault": true,
                "Code": refusal.names().1,
                "Message": refusal.message(),
            })),
        }
    }
    Ok(json!({ "Successful": successful, "Failed": failed }))
}

/// What makes a batch fail as a whole.
fn check_batch(entries: &[Entry]) -> Result<(), Refusal> {
    if entries.is_empty() {
        return Err(Refusal::BatchEmpty);
    }
    if entries.len() > ENTRIES_MAX {
        return Err(Refusal::BatchTooMany(entries.len()));
    }
    for (n, Entry { id, .. }) in entries.iter().enumerate() {
        let allowed = |char: char| char.is_ascii_alphanumeric() || char == '-' || char == '_';
        if id.is_empty() || id.len() > ENTRY_ID_MAX_CHARS || !id.chars().all(allowed) {
            return Err(Refusal::EntryId);
        }
        if entries[..n].iter().any(|other| other.id == *id) {
            return Err(Refusal::EntryIdTwice(id.clone()));
        }
    }
    let bytes = entries.iter().map(|entry| entry.message_body.len()).sum();
    if bytes > MESSAGE_MAX_BYTES {
        return Err(Refusal::BatchTooLong(bytes));
    }
    Ok(())
}

fn enqueue(queue: Destination<'_>, body: String, place: Place) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Err(Refusal::NoBody);
    }
    if body.len() > MESSAGE_MAX_BYTES {
        return Err(Refusal::TooLong);
    }
    if !body.chars().all(is_allowed) {
        return Err(Refusal::Character);
    }
    let when = place.when(queue.is_fifo())?;
    let id = Uuid::now_v7().to_string();
    let mut sent = json!({ "MessageId": id, "MD5OfMessageBody": body_digest(&body) });
    let number = match queue.send(id, body, when) {
        Sent::Taken(number) => number,
        Sent::Known(id, number) => {
            sent["MessageId"] = json!(id);
            number
        }
        Sent::NoRoom => return Err(Refusal::NoRoom),
    };
    if queue.is_fifo() {
        sent["SequenceNumber"] = json!(sequence_number(number));
    }
    Ok(sent)
}

/// XML's characters, for SQS has spoken XML once.
fn is_allowed(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://127.0.0.1:1/fanout/e/123456789012/later";

    fn sent(request: &Value) -> Result<Value, Refusal> {
        send(&Queues::new(), request.to_string().as_bytes())
    }

    fn batch(entries: &Value) -> Result<Value, Refusal> {
        let request = json!({ "QueueUrl": URL, "Entries": entries });
        send_batch(&Queues::new(), request.to_string().as_bytes())
    }

    #[test]
    fn a_message_is_answered_with_the_digest_of_its_body() {
        let queues = Queues::new();
        let request = json!({ "QueueUrl": URL, "MessageBody": "hello", "DelaySeconds": 900 });
        let answer = send(&queues, request.to_string().as_bytes()).expect("taken");
        assert_eq!(
            answer["MD5OfMessageBody"],
            "5d41402abc4b2a76b9719d911017c592"
        );
        assert!(answer["MessageId"].is_string());
        assert_eq!(queues.shown()[0]["waiting"], 1);

        let url = format!("{URL}-dead");
        let request = json!({ "QueueUrl": url, "MessageBody": "hello" });
        assert!(send(&queues, request.to_string().as_bytes()).is_ok());
        let shown = &queues.shown()[0];
        assert_eq!(
            (&shown["waiting"], &shown["dead"][0]["body"]),
            (&json!(1), &json!("hello"))
        );
    }

    #[test]
    fn a_message_in_an_order_is_taken_once() {
        let queues = Queues::new();
        let url = URL.replace("later", "fanout.fifo");
        let send_in = |deduplication: &str| {
            let request = json!({ "QueueUrl": url, "MessageBody": "b", "MessageGroupId": "g",
                "MessageDeduplicationId": deduplication });
            send(&queues, request.to_string().as_bytes()).expect("taken")
        };
        let (first, again, other) = (send_in("a"), send_in("a"), send_in("b"));
        assert_eq!(first["SequenceNumber"], "00000000000000000001");
        assert_eq!(first, again);
        assert_ne!(first["MessageId"], other["MessageId"]);
        assert_eq!(queues.shown()[2]["waiting"], 2);
    }

    #[test]
    fn what_sqs_refuses_is_refused() {
        let of = |url: &str, body: &str, delay: i64| json!({ "QueueUrl": url, "MessageBody": body, "DelaySeconds": delay });
        let longest = "x".repeat(MESSAGE_MAX_BYTES);
        assert!(sent(&of(URL, &longest, 0)).is_ok());
        for (request, refusal) in [
            (of("http://h/123456789012/l", "b", 0), Refusal::NoSuchQueue),
            (of("http://h/2/later", "b", 0), Refusal::NoSuchQueue),
            (of("later", "b", 0), Refusal::NoSuchQueue),
            (of(URL, "", 0), Refusal::NoBody),
            (of(URL, &format!("{longest}x"), 0), Refusal::TooLong),
            (of(URL, "b", 901), Refusal::Delay(901)),
            (of(URL, "b", -1), Refusal::Delay(-1)),
            (of(URL, "\u{1}", 0), Refusal::Character),
            (of(URL, "\u{FFFF}", 0), Refusal::Character),
        ] {
            assert_eq!(sent(&request), Err(refusal));
        }
        let fifo = |request: Value, more: Value| {
            let mut request = request;
            request["QueueUrl"] = json!(URL.replace("later", "fanout.fifo"));
            let fields = more.as_object().expect("an object").clone();
            request.as_object_mut().expect("an object").extend(fields);
            request
        };
        let plain = || json!({ "MessageBody": "b" });
        let long = "x".repeat(129);
        for (more, refusal) in [
            (json!({}), Refusal::NoGroup),
            (json!({ "MessageGroupId": "g" }), Refusal::NoDeduplication),
            (
                json!({ "MessageGroupId": long, "MessageDeduplicationId": "d" }),
                Refusal::OrderName("MessageGroupId"),
            ),
            (
                json!({ "MessageGroupId": "g", "MessageDeduplicationId": "a b" }),
                Refusal::OrderName("MessageDeduplicationId"),
            ),
            (
                json!({ "MessageGroupId": "g", "MessageDeduplicationId": "d", "DelaySeconds": 1 }),
                Refusal::Delay(1),
            ),
        ] {
            assert_eq!(sent(&fifo(plain(), more)), Err(refusal));
        }
        let grouped = json!({ "QueueUrl": URL, "MessageBody": "b", "MessageGroupId": "g" });
        assert_eq!(sent(&grouped), Err(Refusal::NoFifo("MessageGroupId")));
        let with_attributes =
            json!({ "QueueUrl": URL, "MessageBody": "b", "MessageAttributes": {} });
        for request in [with_attributes, json!({ "QueueUrl": URL }), json!("b")] {
            assert!(
                matches!(sent(&request), Err(Refusal::Unreadable(_))),
                "{request}"
            );
        }
    }

    #[test]
    fn of_a_batch_each_entry_is_taken_or_refused() {
        let entries = json!([
            { "Id": "a", "MessageBody": "hello" },
            { "Id": "b", "MessageBody": "hello", "DelaySeconds": 901 },
        ]);
        let answer = batch(&entries).expect("taken");
        let successful = &answer["Successful"][0];
        assert_eq!(
            (&successful["Id"], &successful["MD5OfMessageBody"]),
            (&json!("a"), &json!("5d41402abc4b2a76b9719d911017c592"))
        );
        let failed = &answer["Failed"][0];
        assert_eq!(
            (&failed["Id"], &failed["Code"], &failed["SenderFault"]),
            (&json!("b"), &json!("InvalidParameterValue"), &json!(true))
        );
    }

    #[test]
    fn a_batch_that_breaks_a_rule_is_refused_as_a_whole() {
        let entry = |id: &str, body: &str| json!({ "Id": id, "MessageBody": body });
        let many: Vec<Value> = (0..11).map(|n| entry(&n.to_string(), "b")).collect();
        let half = "x".repeat(MESSAGE_MAX_BYTES / 2);
        for (entries, refusal) in [
            (json!([]), Refusal::BatchEmpty),
            (json!(many), Refusal::BatchTooMany(11)),
            (json!([entry("", "b")]), Refusal::EntryId),
            (json!([entry("a b", "b")]), Refusal::EntryId),
            (json!([entry(&"a".repeat(81), "b")]), Refusal::EntryId),
            (
                json!([entry("a", "b"), entry("a", "c")]),
                Refusal::EntryIdTwice("a".to_owned()),
            ),
            (
                json!([entry("a", &half), entry("b", &half), entry("c", "x")]),
                Refusal::BatchTooLong(MESSAGE_MAX_BYTES + 1),
            ),
        ] {
            assert_eq!(batch(&entries), Err(refusal));
        }
    }
}
