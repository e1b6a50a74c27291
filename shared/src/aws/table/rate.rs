//! A connection's turns: when each was last taken. One item of some ten numbers, apart from the
//! connection's own row, which every subscribe reads.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};

use super::client::Table;
use super::item::{Item, fault, number, string};
use super::partition;
use crate::aws::schema::{PARTITION_KEY, SORT_KEY, TTL};
use crate::model::error::Fault;
use crate::model::limits::TURNS_KEPT_SECS;
use crate::model::rate::Turns;
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;

impl Table {
    /// Takes one of a connection's turns, if it is free by now; otherwise answers what is known of
    /// all of them. One write; a repeated attempt meets its own and is refused, which costs the
    /// connection a turn for a second.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be taken.
    pub async fn take_turn(
        &self,
        id: &ConnectionId,
        turn: u64,
        now: UnixMillis,
    ) -> Result<Result<(), Turns>, Fault> {
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::rate(id)))
            .key(SORT_KEY, string(partition::RATE))
            .update_expression("SET #turn = :now, #ttl = :ttl")
            .condition_expression("attribute_not_exists(#turn) OR #turn <= :free_since")
            .expression_attribute_names("#turn", turn.to_string())
            .expression_attribute_names("#ttl", TTL)
            .expression_attribute_values(":now", number(now.0))
            .expression_attribute_values(":free_since", number(Turns::free_since(now).0))
            .expression_attribute_values(":ttl", number(now.plus_secs(TURNS_KEPT_SECS).secs()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = update.send().await else {
            return Ok(Ok(()));
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                Ok(Err(turns(failed.item().cloned().unwrap_or_default())))
            }
            Some(_) | None => Err(fault("take turn", error)),
        }
    }
}

/// The attributes that are named by a number are turns.
fn turns(item: Item) -> Turns {
    let turn = |(name, value): (String, AttributeValue)| {
        let taken_at = value.as_n().ok()?.parse().ok()?;
        Some((name.parse().ok()?, UnixMillis(taken_at)))
    };
    item.into_iter().filter_map(turn).collect()
}
