//! The errors of SQS, in its words.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::limits::{
    DELAY_MAX_SECS, ENTRIES_MAX, ENTRY_ID_MAX_CHARS, MESSAGE_MAX_BYTES, ORDER_MAX_CHARS,
};
use crate::serving::responses;

/// An error of SQS.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NoSuchOperation,
    Unreadable(String),
    NoSuchQueue,
    NoRoom,
    NoBody,
    TooLong,
    Delay(i64),
    Character,
    BatchEmpty,
    BatchTooMany(usize),
    BatchTooLong(usize),
    EntryId,
    EntryIdTwice(String),
    NoGroup,
    NoDeduplication,
    OrderName(&'static str),
    NoFifo(&'static str),
}

impl Refusal {
    /// The error's shape, and its code in the older query protocol.
    pub(super) fn names(&self) -> (&'static str, &'static str) {
        match self {
            Self::NoSuchOperation => (
                "com.amazon.coral.service#UnknownOperationException",
                "InvalidAction",
            ),
            Self::Unreadable(_) => (
                "com.amazon.coral.service#SerializationException",
                "MalformedInput",
            ),
            Self::NoSuchQueue => (
                "com.amazonaws.sqs#QueueDoesNotExist",
                "AWS.SimpleQueueService.NonExistentQueue",
            ),
            Self::NoRoom => ("com.amazonaws.sqs#RequestThrottled", "RequestThrottled"),
            Self::NoBody | Self::NoGroup => (
                "com.amazon.coral.service#MissingRequiredParameterException",
                "MissingParameter",
            ),
            Self::TooLong
            | Self::Delay(_)
            | Self::NoDeduplication
            | Self::OrderName(_)
            | Self::NoFifo(_) => (
                "com.amazon.coral.service#InvalidParameterValueException",
                "InvalidParameterValue",
            ),
            Self::Character => (
                "com.amazonaws.sqs#InvalidMessageContents",
                "InvalidMessageContents",
            ),
            Self::BatchEmpty => (
                "com.amazonaws.sqs#EmptyBatchRequest",
                "AWS.SimpleQueueService.EmptyBatchRequest",
            ),
            Self::BatchTooMany(_) => (
                "com.amazonaws.sqs#TooManyEntriesInBatchRequest",
                "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            ),
            Self::BatchTooLong(_) => (
                "com.amazonaws.sqs#BatchRequestTooLong",
                "AWS.SimpleQueueService.BatchRequestTooLong",
            ),
            Self::EntryId => (
                "com.amazonaws.sqs#InvalidBatchEntryId",
                "AWS.SimpleQueueService.InvalidBatchEntryId",
            ),
            Self::EntryIdTwice(_) => (
                "com.amazonaws.sqs#BatchEntryIdsNotDistinct",
                "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
            ),
        }
    }

    pub(super) fn message(&self) -> String {
        match self {
            Self::NoSuchOperation => {
                "only SendMessage and SendMessageBatch are available here".to_owned()
            }
            Self::Unreadable(problem) => problem.clone(),
            Self::NoSuchQueue => "The specified queue does not exist.".to_owned(),
            Self::NoRoom => "the queue is full".to_owned(),
            Self::NoBody => "The request must contain the parameter MessageBody.".to_owned(),
            Self::TooLong => format!(
                "One or more parameters are invalid. Reason: Message must be shorter than {MESSAGE_MAX_BYTES} bytes."
            ),
            Self::Delay(secs) => format!(
                "Value {secs} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= {DELAY_MAX_SECS}."
            ),
            Self::Character => {
                "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF".to_owned()
            }
            Self::BatchEmpty => "There should be at least one SendMessageBatchRequestEntry in the request.".to_owned(),
            Self::BatchTooMany(entries) => format!(
                "Maximum number of entries per request are {ENTRIES_MAX}. You have sent {entries}."
            ),
            Self::BatchTooLong(bytes) => format!(
                "Batch requests cannot be longer than {MESSAGE_MAX_BYTES} bytes. You have sent {bytes} bytes."
            ),
            Self::EntryId => format!(
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most {ENTRY_ID_MAX_CHARS} letters long."
            ),
            Self::EntryIdTwice(id) => format!("Id {id} repeated."),
            Self::NoGroup => {
                "The request must contain the parameter MessageGroupId.".to_owned()
            }
            Self::NoDeduplication => "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly".to_owned(),
            Self::OrderName(parameter) => format!(
                "Value for parameter {parameter} is invalid. Reason: {parameter} can only include alphanumeric and punctuation characters. 1 to {ORDER_MAX_CHARS} in length."
            ),
            Self::NoFifo(parameter) => format!(
                "The request include parameter {parameter} which is not valid for this queue type"
            ),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (shape, code) = self.names();
        let body = json!({ "__type": shape, "message": self.message() });
        let mut answer = responses::json(StatusCode::BAD_REQUEST, &body);
        if let Ok(code) = HeaderValue::from_str(&format!("{code};Sender")) {
            answer.headers_mut().insert("x-amzn-query-error", code);
        }
        answer
    }
}
