//! Items as they are written and read, and what DynamoDB's errors mean.

use std::collections::HashMap;
use std::error::Error as StdError;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::DeserializeOwned;

use super::conflict;
use crate::model::error::Fault;
use crate::model::voice::Voice;

pub(super) type Item = HashMap<String, AttributeValue>;

pub(super) fn string(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// The attribute that says what a client speaks; absent for the first voice.
pub(super) const VOICE: &str = "voice";

pub(super) fn put_voice(row: &mut Item, voice: Voice) {
    if let Some(voice) = voice.number() {
        row.insert(VOICE.to_owned(), number(voice));
    }
}

/// An item that is being written.
pub(super) fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

pub(super) fn read<T: DeserializeOwned>(operation: &'static str, item: Item) -> Result<T, Fault> {
    serde_dynamo::from_item(item).map_err(|source| Fault::Row {
        operation,
        source: source.into(),
    })
}

/// What a conditional write gave; `None`: its condition did not hold, and nothing was written.
pub(super) fn conditional<T, E>(
    operation: &'static str,
    written: Result<T, SdkError<E>>,
) -> Result<Option<T>, Fault>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    match written {
        Ok(output) => Ok(Some(output)),
        Err(error) => match error
            .as_service_error()
            .and_then(ProvideErrorMetadata::code)
        {
            Some("ConditionalCheckFailedException") => Ok(None),
            Some(_) | None => Err(fault(operation, error)),
        },
    }
}

/// What an SDK error means to the log and to the caller.
pub(super) fn fault<E>(operation: &'static str, error: SdkError<E>) -> Fault
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let throttled = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
        .is_some_and(|code| {
            [
                "ProvisionedThroughputExceededException",
                "ThrottlingException",
                "RequestLimitExceeded",
                conflict::CODE,
            ]
            .contains(&code)
        });
    Fault::Table {
        operation,
        source: error.into(),
        throttled,
    }
}
