//! The event that carries messages of a queue, and the response to it, which names the failed ones.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::account::{ACCOUNT_ID, REGION};
use crate::queues::message::{Message, body_digest, sequence_number};

/// The sender. On AWS it is a role's id and a function's name.
const SENDER_ID: &str = "AROALOCALLOCALLOCALXX:local";

/// The event of some messages of a queue.
#[must_use]
pub fn event(name: &str, messages: &[Message]) -> Value {
    let record = |message: &Message| {
        // A message has a new receipt each time.
        let receipt = STANDARD.encode(format!("{} {}", message.id, message.receives));
        let first_received_ms = message.first_received_ms.unwrap_or(message.sent_ms);
        let mut record = json!({
            "messageId": message.id,
            "receiptHandle": receipt,
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": message.receives.to_string(),
                "SentTimestamp": message.sent_ms.to_string(),
                "SenderId": SENDER_ID,
                "ApproximateFirstReceiveTimestamp": first_received_ms.to_string(),
            },
            "messageAttributes": {},
            "md5OfBody": body_digest(&message.body),
            "eventSource": "aws:sqs",
            "eventSourceARN": format!("arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{name}"),
            "awsRegion": REGION,
        });
        if let Some(ordered) = &message.ordered {
            let attributes = &mut record["attributes"];
            attributes["MessageGroupId"] = json!(ordered.group);
            attributes["MessageDeduplicationId"] = json!(ordered.deduplication);
            attributes["SequenceNumber"] = json!(sequence_number(ordered.number));
        }
        record
    };
    json!({ "Records": messages.iter().map(record).collect::<Vec<_>>() })
}

/// The ids of the failed messages, from the function's response: those in its `batchItemFailures`;
/// none without such a list; all when the list cannot be read.
#[must_use]
pub fn failed<'a>(response: &[u8], messages: &'a [Message]) -> Vec<&'a str> {
    let ids = || messages.iter().map(|message| message.id.as_str());
    let all = || ids().collect();
    let response: Value = match serde_json::from_slice(response) {
        Ok(response) => response,
        Err(_) => return all(),
    };
    let failures = match &response {
        Value::Null => return Vec::new(),
        Value::Object(response) => response.get("batchItemFailures"),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => return all(),
    };
    let failures = match failures {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(failures)) => failures,
        Some(_) => return all(),
    };
    let id_of = |failure: &Value| {
        let id = failure.get("itemIdentifier")?.as_str()?;
        ids().find(|of_message| *of_message == id)
    };
    failures
        .iter()
        .map(id_of)
        .collect::<Option<_>>()
        .unwrap_or_else(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queues::message::Ordered;

    fn messages() -> Vec<Message> {
        let message = |id: &str| Message {
            receives: 2,
            first_received_ms: Some(1_700_000_000_002),
            ..Message::new(id.to_owned(), "hello".to_owned(), 1_700_000_000_001)
        };
        ["a", "b"].map(message).into()
    }

    #[test]
    fn an_event_has_all_that_sqs_says_of_a_message() {
        let mut event = event("later", &messages());
        let record = event["Records"][1].take();
        let expected = json!({
            "messageId": "b",
            "receiptHandle": "YiAy",
            "body": "hello",
            "attributes": {
                "ApproximateReceiveCount": "2",
                "SentTimestamp": "1700000000001",
                "SenderId": SENDER_ID,
                "ApproximateFirstReceiveTimestamp": "1700000000002",
            },
            "messageAttributes": {},
            "md5OfBody": "5d41402abc4b2a76b9719d911017c592",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:later",
            "awsRegion": "us-east-1",
        });
        assert_eq!(record, expected);
    }

    #[test]
    fn an_event_says_where_a_message_stands_in_its_order() {
        let ordered = Ordered {
            group: "g".to_owned(),
            deduplication: "d".to_owned(),
            number: 7,
        };
        let mut messages = messages();
        messages[1].ordered = Some(ordered);
        let event = event("fanout.fifo", &messages);
        let attributes = |n: usize| &event["Records"][n]["attributes"];
        assert_eq!(attributes(0).get("MessageGroupId"), None);
        assert_eq!(attributes(1)["MessageGroupId"], "g");
        assert_eq!(attributes(1)["MessageDeduplicationId"], "d");
        assert_eq!(attributes(1)["SequenceNumber"], "00000000000000000007");
    }

    #[test]
    fn a_response_says_which_messages_have_failed() {
        let (none, all): ([&str; 0], _) = ([], ["a", "b"]);
        for success in [
            "null",
            "{}",
            r#"{"batchItemFailures":null}"#,
            r#"{"batchItemFailures":[]}"#,
        ] {
            assert_eq!(failed(success.as_bytes(), &messages()), none, "{success}");
        }
        let one = r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#;
        assert_eq!(failed(one.as_bytes(), &messages()), ["b"]);
        for failure in [
            "",
            "oops",
            "[]",
            r#"{"batchItemFailures":"b"}"#,
            r#"{"batchItemFailures":["b"]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"messageId":"b"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"of another batch"}]}"#,
        ] {
            assert_eq!(failed(failure.as_bytes(), &messages()), all, "{failure}");
        }
    }
}
