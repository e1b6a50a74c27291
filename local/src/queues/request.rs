//! Requests to SQS, and the rules that they must keep.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::limits::{
    DELAY_MAX_SECS, ENTRIES_MAX, ENTRY_ID_MAX_CHARS, MESSAGE_MAX_BYTES, ORDER_MAX_CHARS,
};
use super::live::When;
use super::message::Ordered;
use super::refusal::Refusal;

/// A field that is not listed here (attributes) makes the request fail: nothing is lost in silence.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct SendMessage {
    pub(super) queue_url: String,
    pub(super) message_body: String,
    pub(super) delay_seconds: Option<i64>,
    pub(super) message_group_id: Option<String>,
    pub(super) message_deduplication_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct SendMessageBatch {
    pub(super) queue_url: String,
    pub(super) entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) message_body: String,
    pub(super) delay_seconds: Option<i64>,
    pub(super) message_group_id: Option<String>,
    pub(super) message_deduplication_id: Option<String>,
}

/// When a message is to be delivered, as the request says it.
pub(super) struct Place {
    pub(super) delay_secs: Option<i64>,
    pub(super) group: Option<String>,
    pub(super) deduplication: Option<String>,
}

impl Place {
    /// Checks it against the kind of the queue.
    pub(super) fn when(self, is_fifo: bool) -> Result<When, Refusal> {
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

/// Reads a request.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|problem| Refusal::Unreadable(problem.to_string()))
}

/// Checks the rules whose breach makes a whole batch fail.
pub(super) fn check_batch(entries: &[Entry]) -> Result<(), Refusal> {
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

/// Checks the body of one message.
pub(super) fn check_body(body: &str) -> Result<(), Refusal> {
    if body.is_empty() {
        return Err(Refusal::NoBody);
    }
    if body.len() > MESSAGE_MAX_BYTES {
        return Err(Refusal::TooLong);
    }
    if !body.chars().all(is_allowed) {
        return Err(Refusal::Character);
    }
    Ok(())
}

/// The characters of XML, which SQS used to speak.
fn is_allowed(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}
