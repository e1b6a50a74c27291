//! The event of EventBridge's schedule.

use serde_json::{Value, json};

use crate::account::{ACCOUNT_ID, REGION};
use crate::time::Time;

/// The rule that the schedule belongs to.
const RULE: &str = "reap";

/// The event that is due at a time.
#[must_use]
pub fn scheduled(id: &str, at: Time) -> Value {
    json!({
        "version": "0",
        "id": id,
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT_ID,
        "time": at.iso8601_secs(),
        "region": REGION,
        "resources": [format!("arn:aws:events:{REGION}:{ACCOUNT_ID}:rule/{RULE}")],
        "detail": {},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_all_that_eventbridge_says() {
        let at = Time {
            epoch_ms: 1_795_482_123_456,
        };
        let expected = json!({
            "version": "0",
            "id": "i",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "123456789012",
            "time": "2026-11-24T01:02:03Z",
            "region": "us-east-1",
            "resources": ["arn:aws:events:us-east-1:123456789012:rule/reap"],
            "detail": {},
        });
        assert_eq!(scheduled("i", at), expected);
    }
}
