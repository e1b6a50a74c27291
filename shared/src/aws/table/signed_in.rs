//! As whom a connection has signed in: what its own row says of it.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use serde::Deserialize;

use super::client::Table;
use super::item::{Item, fault, read, string};
use super::keys::UserKey;
use super::partition;
use crate::aws::schema::{PARTITION_KEY, SORT_KEY};
use crate::model::error::Fault;
use crate::model::socket_id::ConnectionId;
use crate::model::user::User;

/// As whom a connection has signed in, and what follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The app.
    pub app_id: String,
    /// The user.
    pub user: User,
    /// Whether those who watch the user are told that it comes and goes.
    pub announces: bool,
    /// Whether it watches others, or did.
    pub watches: bool,
}

impl SignedIn {
    /// What the user's rows are keyed by.
    #[must_use]
    pub fn key(&self) -> UserKey {
        UserKey::new(&self.app_id, self.user.id())
    }
}

/// Whether a connection could be bound to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identified {
    /// It is.
    Yes,
    /// It is bound to another one.
    Otherwise,
    /// It is over.
    Over,
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    app: Option<String>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    announces: bool,
    #[serde(default)]
    watches: bool,
    #[serde(default)]
    closed: bool,
}

/// What a connection's own row says, whether the connection is over or not.
pub(super) fn read_from(operation: &'static str, row: &Item) -> Result<Option<SignedIn>, Fault> {
    let row: Row = read(operation, row.clone())?;
    let (Some(app_id), Some(user)) = (row.app, row.user) else {
        return Ok(None);
    };
    let user = serde_json::from_str(&user).map_err(|source| Fault::Row {
        operation,
        source: source.into(),
    })?;
    Ok(Some(SignedIn {
        app_id,
        user,
        announces: row.announces,
        watches: row.watches,
    }))
}

impl Table {
    /// Binds a live connection to a user, for good: it may be bound to the same one again, and to
    /// no other. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be bound. [`Fault::Row`].
    pub async fn identify(
        &self,
        id: &ConnectionId,
        signed_in: &SignedIn,
    ) -> Result<Identified, Fault> {
        const OPERATION: &str = "sign connection in";
        let user = serde_json::to_string(&signed_in.user).expect("a user always prints");
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::connection(id)))
            .key(SORT_KEY, string(partition::CONNECTION))
            .update_expression(
                "SET user_id = :user_id, #user = :user, announces = :announces, watches = :watches",
            )
            .condition_expression(
                "attribute_exists(app) AND attribute_not_exists(closed) \
                 AND (attribute_not_exists(user_id) OR user_id = :user_id)",
            )
            .expression_attribute_names("#user", "user")
            .expression_attribute_values(":user_id", string(signed_in.user.id()))
            .expression_attribute_values(":user", string(user))
            .expression_attribute_values(":announces", AttributeValue::Bool(signed_in.announces))
            .expression_attribute_values(":watches", AttributeValue::Bool(signed_in.watches))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = update.send().await else {
            return Ok(Identified::Yes);
        };
        let Some(UpdateItemError::ConditionalCheckFailedException(failed)) =
            error.as_service_error()
        else {
            return Err(fault(OPERATION, error));
        };
        let found: Row = read(OPERATION, failed.item.clone().unwrap_or_default())?;
        Ok(if found.app.is_some() && !found.closed {
            Identified::Otherwise
        } else {
            Identified::Over
        })
    }
}
