//! A token's row: what it grants, how long, and which connections it has admitted.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use serde::Deserialize;

use super::client::Table;
use super::item::{conditional, fault, item, number, read, string};
use super::partition;
use crate::aws::schema::{PARTITION_KEY, SORT_KEY, TTL};
use crate::model::error::Fault;
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::model::token::Grant;

/// A token that is being issued.
#[derive(Debug)]
pub struct NewToken<'a> {
    /// What the table knows it by.
    pub digest: &'a str,
    /// The app that it is good for.
    pub app_id: &'a str,
    /// What it grants.
    pub grant: &'a Grant,
    /// Until when it can be used for the first time.
    pub expires_at: UnixMillis,
    /// Until when it admits again, if it does at all.
    pub reconnect_until: Option<UnixMillis>,
}

/// What the use of a token gives.
#[derive(Debug)]
pub struct Used {
    /// What the connection may do.
    pub grant: Grant,
    /// The connections that the token admitted before: this one takes their place.
    pub displaced: Vec<ConnectionId>,
}

#[derive(Deserialize)]
struct TokenRow {
    app: String,
    grant: String,
}

/// A grant as its row has it.
pub(super) fn parse_grant(operation: &'static str, text: &str) -> Result<Grant, Fault> {
    serde_json::from_str(text).map_err(|source| Fault::Row {
        operation,
        source: source.into(),
    })
}

impl Table {
    /// Stores a token. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be there.
    pub async fn put_token(&self, new: NewToken<'_>) -> Result<(), Fault> {
        let until = new.reconnect_until.unwrap_or(new.expires_at);
        let mut row = item([
            (PARTITION_KEY, string(partition::token(new.digest))),
            (SORT_KEY, string(partition::TOKEN)),
            // One more, since DynamoDB counts in whole seconds.
            (TTL, number(until.secs() + 1)),
            ("app", string(new.app_id)),
            (
                "grant",
                string(serde_json::to_string(new.grant).expect("names always print")),
            ),
            ("expires_at", number(new.expires_at.0)),
        ]);
        if let Some(until) = new.reconnect_until {
            row.insert("reconnect_until".to_owned(), number(until.0));
        }
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(row));
        put.send()
            .await
            .map(|_| ())
            .map_err(|error| fault("put token", error))
    }

    /// What a token of an app grants, whether it may still be used or not: one consistent read.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn token_grant(&self, digest: &str, app_id: &str) -> Result<Option<Grant>, Fault> {
        const OPERATION: &str = "read token";
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::token(digest)))
            .key(SORT_KEY, string(partition::TOKEN))
            .consistent_read(true);
        let found = get.send().await.map_err(|error| fault(OPERATION, error))?;
        let Some(row) = found.item else {
            return Ok(None);
        };
        let TokenRow { app, grant } = read(OPERATION, row)?;
        let grant = parse_grant(OPERATION, &grant)?;
        Ok((app == app_id).then_some(grant))
    }

    /// Uses a token for a connection, once: of any number of simultaneous uses one succeeds (with
    /// a reconnect window, each takes the place of the one before). `None`: it is unknown, spent,
    /// expired, or another app's. One write; may be repeated, since a use by the same connection
    /// succeeds again.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be spent. [`Fault::Row`].
    pub async fn use_token(
        &self,
        digest: &str,
        app_id: &str,
        id: &ConnectionId,
        now: UnixMillis,
    ) -> Result<Option<Used>, Fault> {
        const OPERATION: &str = "use token";
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::token(digest)))
            .key(SORT_KEY, string(partition::TOKEN))
            .update_expression("ADD used_by :ids")
            .condition_expression(
                "app = :app AND (contains(used_by, :id) \
                 OR (attribute_not_exists(used_by) AND expires_at > :now) \
                 OR (attribute_exists(used_by) AND reconnect_until > :now))",
            )
            .expression_attribute_values(":ids", AttributeValue::Ss(vec![id.as_str().to_owned()]))
            .expression_attribute_values(":id", string(id.as_str()))
            .expression_attribute_values(":app", string(app_id))
            .expression_attribute_values(":now", number(now.0))
            .return_values(ReturnValue::AllOld);
        let Some(used) = conditional(OPERATION, update.send().await)? else {
            return Ok(None);
        };
        let mut old = used.attributes.unwrap_or_default();
        let used_by = old
            .remove("used_by")
            .and_then(|set| set.as_ss().ok().cloned())
            .unwrap_or_default();
        let displaced = used_by
            .into_iter()
            .map(ConnectionId::new)
            .filter(|other| other != id)
            .collect();
        let TokenRow { grant, .. } = read(OPERATION, old)?;
        Ok(Some(Used {
            grant: parse_grant(OPERATION, &grant)?,
            displaced,
        }))
    }

    /// Forgets that a token admitted connections which are closed by now. One write; may be
    /// repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: then the next use closes them once more.
    pub async fn release_token(&self, digest: &str, closed: &[ConnectionId]) -> Result<(), Fault> {
        let closed = closed.iter().map(|id| id.as_str().to_owned()).collect();
        let update = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::token(digest)))
            .key(SORT_KEY, string(partition::TOKEN))
            .update_expression("DELETE used_by :closed")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":closed", AttributeValue::Ss(closed));
        // Or it went by itself.
        conditional("release token", update.send().await).map(drop)
    }
}
