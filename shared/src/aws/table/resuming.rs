//! How a subscriber that was shown what it has missed comes to be delivered the rest.

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{ConditionCheck, TransactWriteItem, Update};

use super::channel::{ChannelRow, Tip};
use super::client::Table;
use super::item::{conditional, fault, number, read, string};
use super::keys::ChannelKey;
use super::subscription::Subscriber;
use super::subscription::{HELD_UNTIL, LIVE_FROM};
use super::{conflict, partition};
use crate::aws::schema::{PARTITION_KEY, SORT_KEY};
use crate::model::error::Fault;

/// What came of an attempt to go live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switched {
    /// It is live: whatever takes a serial from now on is delivered to it.
    Yes,
    /// Something was published meanwhile: it is still held.
    Published,
    /// The channel's item is being written: it is still held.
    Busy,
    /// The row is not this request's any more: the connection has left or joined again.
    Replaced,
}

/// That a row is still the one that the request has written.
const OWN: &str = "#op = :op";

/// What makes it live.
fn live() -> String {
    format!("SET {LIVE_FROM} = :live_from REMOVE {HELD_UNTIL}")
}

/// Why an item's part in a transaction failed.
const CONDITION_FAILED: &str = "ConditionalCheckFailed";
const CONFLICT: &str = "TransactionConflict";

impl Table {
    /// Makes a subscriber live if the last serial of its channel is still `tip`: 0 when none was ever
    /// taken. One transaction of two items, four units; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be live.
    pub async fn go_live_at(
        &self,
        subscriber: Subscriber<'_>,
        op: &str,
        tip: u64,
    ) -> Result<Switched, Fault> {
        const OPERATION: &str = "go live at the tip";
        let check = ConditionCheck::builder()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::channel(subscriber.of)))
            .key(SORT_KEY, string(partition::CHANNEL));
        let check = if tip == 0 {
            check.condition_expression("attribute_not_exists(serial)")
        } else {
            check
                .condition_expression("serial = :tip")
                .expression_attribute_values(":tip", number(tip))
        };
        let update = Update::builder()
            .table_name(&self.name)
            .key(
                PARTITION_KEY,
                string(partition::subscribers(subscriber.of, subscriber.shard)),
            )
            .key(SORT_KEY, string(subscriber.id.as_str()))
            .update_expression(live())
            .condition_expression(OWN)
            .expression_attribute_names("#op", "op")
            .expression_attribute_values(":op", string(op))
            .expression_attribute_values(":live_from", number(tip + 1));
        let (check, update) = (check.build(), update.build());
        let check = TransactWriteItem::builder()
            .condition_check(check.expect("it has a table, a key and a condition"));
        let update = TransactWriteItem::builder()
            .update(update.expect("it has a table, a key and an expression"));
        let switched = self
            .client
            .transact_write_items()
            .transact_items(check.build())
            .transact_items(update.build())
            .send()
            .await;
        let Err(error) = switched else {
            return Ok(Switched::Yes);
        };
        if error.as_service_error().and_then(|error| error.code()) == Some(conflict::CODE) {
            return Ok(Switched::Busy);
        }
        let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) =
            error.as_service_error()
        else {
            return Err(fault(OPERATION, error));
        };
        // One for each item, in their order.
        let reasons = canceled.cancellation_reasons();
        let failed =
            |item: usize, code| reasons.get(item).and_then(|reason| reason.code()) == Some(code);
        if failed(1, CONDITION_FAILED) {
            Ok(Switched::Replaced)
        } else if failed(0, CONDITION_FAILED) {
            Ok(Switched::Published)
        } else if failed(0, CONFLICT) || failed(1, CONFLICT) {
            Ok(Switched::Busy)
        } else {
            Err(fault(OPERATION, error))
        }
    }

    /// Makes a subscriber live from a serial on, whatever is published meanwhile; 0 is from any.
    /// `false`: the row is not this request's any more. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be live.
    pub async fn go_live_from(
        &self,
        subscriber: Subscriber<'_>,
        op: &str,
        serial: u64,
    ) -> Result<bool, Fault> {
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(
                PARTITION_KEY,
                string(partition::subscribers(subscriber.of, subscriber.shard)),
            )
            .key(SORT_KEY, string(subscriber.id.as_str()))
            .update_expression(live())
            .condition_expression(OWN)
            .expression_attribute_names("#op", "op")
            .expression_attribute_values(":op", string(op))
            .expression_attribute_values(":live_from", number(serial));
        let live = conditional("go live", update.send().await)?;
        Ok(live.is_some())
    }

    /// Reads what was last published on a channel: one consistent read.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn tip(&self, of: &ChannelKey) -> Result<Tip, Fault> {
        const OPERATION: &str = "read tip";
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::channel(of)))
            .key(SORT_KEY, string(partition::CHANNEL))
            .consistent_read(true);
        let found = get.send().await.map_err(|error| fault(OPERATION, error))?;
        let row = found
            .item
            .map(|item| read::<ChannelRow>(OPERATION, item))
            .transpose()?;
        Ok(row.unwrap_or_default().tip())
    }
}
