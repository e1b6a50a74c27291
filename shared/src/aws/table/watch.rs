//! Watchlists, from both ends: a connection's own row names whom it watches, and each of those has a
//! row for the connection, so that whoever tells of a user finds who wants to know.

use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, PutRequest, WriteRequest};
use serde::Deserialize;

use super::client::Table;
use super::item::{Item, conditional, fault, item, number, put_voice, read, string};
use super::keys::UserKey;
use super::partition;
use super::subscription::{PageStart, SubscribersPage};
use crate::aws::schema::{PARTITION_KEY, SORT_KEY, TTL};
use crate::model::error::Fault;
use crate::model::limits::ROW_SLACK_SECS;
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::model::voice::Voice;

/// A connection's watchlist, as it is being written.
#[derive(Clone, Copy, Debug)]
pub struct Watches<'a> {
    /// The app.
    pub app_id: &'a str,
    /// The connection.
    pub id: &'a ConnectionId,
    /// Whom it watches.
    pub watched: &'a [String],
    /// When it expires.
    pub expires_at: UnixMillis,
    /// What its client speaks.
    pub voice: Voice,
}

impl Watches<'_> {
    /// As a subscriber's: its rows expire with the connection, and are kept for the reaper.
    fn ttl(&self) -> AttributeValue {
        number(self.expires_at.plus_secs(ROW_SLACK_SECS).secs())
    }
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    watched: Vec<String>,
}

impl Table {
    /// Notes whom a connection watches from now on. `false`: a newer request has. One write, of up
    /// to 52 KB; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be noted.
    pub async fn note_watches(&self, watches: Watches<'_>, at: UnixMillis) -> Result<bool, Fault> {
        let watched = watches.watched.iter().map(string).collect();
        let row = item([
            (PARTITION_KEY, string(partition::watches(watches.id))),
            (SORT_KEY, string(partition::WATCHES)),
            (TTL, watches.ttl()),
            ("at", number(at.0)),
            ("watched", AttributeValue::L(watched)),
        ]);
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(pk) OR #at <= :at")
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":at", number(at.0));
        conditional("note watchlist", put.send().await).map(|put| put.is_some())
    }

    /// Whom a connection watches: one consistent read.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn watched_by(&self, id: &ConnectionId) -> Result<Vec<String>, Fault> {
        const OPERATION: &str = "read watchlist";
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::watches(id)))
            .key(SORT_KEY, string(partition::WATCHES))
            .consistent_read(true);
        let found = get.send().await.map_err(|error| fault(OPERATION, error))?;
        let row = found.item.map(|row| read::<Row>(OPERATION, row));
        Ok(row.transpose()?.map_or_else(Vec::new, |row| row.watched))
    }

    /// Deletes a connection's own note of whom it watches. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be deleted.
    pub async fn delete_watches(&self, id: &ConnectionId) -> Result<(), Fault> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::watches(id)))
            .key(SORT_KEY, string(partition::WATCHES));
        delete
            .send()
            .await
            .map(|_| ())
            .map_err(|error| fault("delete watchlist", error))
    }

    /// Has a connection found by those who tell of the users that it watches. A write a user, 25
    /// in a request; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: some may be there.
    pub async fn put_watchers(&self, watches: Watches<'_>) -> Result<(), Fault> {
        let put = |user_id: &String| {
            let mut row = watcher(&UserKey::new(watches.app_id, user_id), watches.id);
            row.insert(TTL.to_owned(), watches.ttl());
            put_voice(&mut row, watches.voice);
            let put = PutRequest::builder().set_item(Some(row)).build();
            let put = put.expect("it has an item");
            WriteRequest::builder().put_request(put).build()
        };
        let rows = watches.watched.iter().map(put).collect();
        self.write_all("put watchers", rows).await
    }

    /// Has a connection found no more by those who tell of some users. A write a user, 25 in a
    /// request; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: some may be left.
    pub async fn delete_watchers(
        &self,
        app_id: &str,
        id: &ConnectionId,
        user_ids: &[String],
    ) -> Result<(), Fault> {
        let delete = |user_id: &String| {
            let row = watcher(&UserKey::new(app_id, user_id), id);
            let delete = DeleteRequest::builder().set_key(Some(row)).build();
            let delete = delete.expect("it has a key");
            WriteRequest::builder().delete_request(delete).build()
        };
        let rows = user_ids.iter().map(delete).collect();
        self.write_all("delete watchers", rows).await
    }

    /// Reads some connections that watch a user: one consistent query of at most 1 MB.
    ///
    /// # Errors
    /// [`Fault::Table`].
    pub async fn watchers(
        &self,
        of: &UserKey,
        start: Option<PageStart>,
    ) -> Result<SubscribersPage, Fault> {
        self.connections_under("read watchers", partition::watchers(of), start, None)
            .await
    }
}

/// The key of a watcher's row.
fn watcher(of: &UserKey, id: &ConnectionId) -> Item {
    item([
        (PARTITION_KEY, string(partition::watchers(of))),
        (SORT_KEY, string(id.as_str())),
    ])
}
