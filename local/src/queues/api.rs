//! SQS's API for those who send: `SendMessage` and `SendMessageBatch` in the AWS JSON 1.0 protocol.
//! Lambda alone receives: [`crate::triggers::mapping`].

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, post};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::fifo::Sent;
use super::limits::REQUEST_MAX_BYTES;
use super::live::{Destination, Queues};
use super::message::{body_digest, sequence_number};
use super::refusal::Refusal;
use super::request::{Place, SendMessage, SendMessageBatch, check_batch, check_body, read};
use crate::account::ACCOUNT_ID;
use crate::serving::responses;

/// The API's one path: a header names the operation.
pub(crate) fn methods(queues: Queues) -> MethodRouter {
    post(call)
        .layer(DefaultBodyLimit::max(REQUEST_MAX_BYTES))
        .with_state(queues)
}

async fn call(
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
        Ok(answer) => responses::json(StatusCode::OK, &answer),
        Err(refusal) => refusal.into_response(),
    }
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

fn enqueue(queue: Destination<'_>, body: String, place: Place) -> Result<Value, Refusal> {
    check_body(&body)?;
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

#[cfg(test)]
mod tests {
    use super::super::limits::MESSAGE_MAX_BYTES;
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
