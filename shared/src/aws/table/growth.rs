//! How a channel becomes a large one: its shards, and that it goes through the queue. Both end when the
//! last subscriber is counted out.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::channel::{ChannelRow, QUEUED};
use super::client::Table;
use super::item::{conditional, fault, number, read};
use super::keys::ChannelKey;
use crate::model::error::Fault;

impl Table {
    /// Gives a channel one shard more than `shards`, unless it has another number by now. Answers how
    /// many it has. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not have one more. [`Fault::Row`].
    pub async fn add_shard(&self, of: &ChannelKey, shards: u32) -> Result<u32, Fault> {
        const OPERATION: &str = "add shard";
        let more = shards.saturating_add(1);
        let first = if shards <= 1 {
            "attribute_not_exists(shards) OR "
        } else {
            ""
        };
        let update = self
            .update_channel(of)
            .update_expression("SET shards = :more")
            .condition_expression(format!("attribute_exists(pk) AND ({first}shards = :now)"))
            .expression_attribute_values(":more", number(more))
            .expression_attribute_values(":now", number(shards))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = update.send().await else {
            return Ok(more);
        };
        let Some(UpdateItemError::ConditionalCheckFailedException(failed)) =
            error.as_service_error()
        else {
            return Err(fault(OPERATION, error));
        };
        let row: ChannelRow = read(OPERATION, failed.item.clone().unwrap_or_default())?;
        Ok(row.shards())
    }

    /// Has a channel go through the queue from now on, if anybody is counted on it. One write; may be
    /// repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not go through the queue.
    pub async fn go_through_queue(&self, of: &ChannelKey) -> Result<bool, Fault> {
        let update = self
            .update_channel(of)
            .update_expression(format!("SET {QUEUED} = :yes"))
            .condition_expression("subscribers > :none")
            .expression_attribute_values(":yes", AttributeValue::Bool(true))
            .expression_attribute_values(":none", number(0));
        let gone = conditional("go through the queue", update.send().await)?;
        Ok(gone.is_some())
    }
}
