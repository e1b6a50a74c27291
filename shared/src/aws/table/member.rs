//! The members of a presence channel: a row for each user, in which each of its connections has an
//! attribute of its own. Setting and removing one is idempotent, and who is there follows from what
//! is set and not expired, whatever was repeated or lost.
//!
//! | attribute | holds |
//! | --- | --- |
//! | `c/{connection_id}` | `e`: when the connection expires, in unix seconds; `a`: when it asked to join, in unix ms; `voice`: what its client speaks |
//! | `j/{connection_id}/{op}` | a subscribe that is still to be acknowledged: whether it is shown what it has missed |
//! | `k/{connection_id}` | the round that acknowledged it before the others were told |
//! | `shown` | the round since which rosters have the user, until the others are told |
//! | `user` | the user, as JSON: that of the first of its connections |
//! | `announced` | whether the others were last told that the user is there |
//! | `gone_at` | when the user last went, where a webhook wants to know |
//! | `v` | counts the changes of the row |
//! | `noted` | what `v` was when `announced` was last noted |

use std::collections::BTreeSet;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use super::client::Table;
use super::item::{conditional, fault, item, number, put_voice, string};
use super::keys::ChannelKey;
use super::member_row::{ACKNOWLEDGED, ASKED, CONNECTION, MemberRow};
use super::partition;
use super::subscription::Written;
use crate::aws::schema::{PARTITION_KEY, SORT_KEY, TTL};
use crate::model::error::Fault;
use crate::model::limits::{CONNECTION_LIFE_SECS, GONE_ROW_SECS};
use crate::model::presence::Asked;
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::model::user::User;
use crate::model::voice::Client;

/// Names in one expression: DynamoDB takes 4,096 bytes of one ("Expression size limits"), and each name takes
/// six.
const NAMES_AT_ONCE: usize = 200;

/// Seconds that a row is kept after the last join: longer than any connection in it can live.
const ROW_SECS: u64 = 2 * CONNECTION_LIFE_SECS;

/// A connection that joins as a user.
#[derive(Clone, Copy, Debug)]
pub struct Join<'a> {
    /// The channel.
    pub of: &'a ChannelKey,
    /// The user.
    pub user: &'a User,
    /// The client.
    pub client: Client<'a>,
    /// When it asked to.
    pub at: UnixMillis,
    /// When it expires.
    pub expires_at: UnixMillis,
    /// The request's name: it is acknowledged once.
    pub op: &'a str,
    /// Whether it is shown what it has missed, instead of the last event.
    pub resumes: bool,
}

impl Table {
    fn update_member(&self, of: &ChannelKey, user_id: &str) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::members(of)))
            .key(SORT_KEY, string(user_id))
    }

    /// Adds a connection to a user's row, unless a newer request has, and asks for its
    /// acknowledgement. One write (two when it is outrun); may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be there.
    pub async fn join_member(&self, join: Join<'_>) -> Result<(), Fault> {
        let mut connection = item([
            ("e", number(join.expires_at.secs())),
            ("a", number(join.at.0)),
        ]);
        put_voice(&mut connection, join.client.voice);
        let connection = AttributeValue::M(connection);
        let update = asking(
            self.update_member(join.of, join.user.id()),
            join,
            "#c = :c, ",
        )
        .condition_expression("attribute_not_exists(#c) OR #c.a <= :at")
        .expression_attribute_names("#c", format!("{CONNECTION}{}", join.client.id))
        .expression_attribute_values(":c", connection)
        .expression_attribute_values(":at", number(join.at.0));
        match conditional("join as a member", update.send().await)? {
            Some(_) => Ok(()),
            None => self.ask_member(join).await,
        }
    }

    /// Asks for the acknowledgement of a subscribe that has been outrun: the connection's place is
    /// left as it is. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be asked for.
    pub async fn ask_member(&self, join: Join<'_>) -> Result<(), Fault> {
        asking(self.update_member(join.of, join.user.id()), join, "")
            .send()
            .await
            .map(|_| ())
            .map_err(|error| fault("ask for an acknowledgement", error))
    }

    /// Takes a connection off a user's row, if it joined when `written` says. One write; may be
    /// repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be off.
    pub async fn leave_member(
        &self,
        of: &ChannelKey,
        user_id: &str,
        id: &ConnectionId,
        written: Written,
    ) -> Result<(), Fault> {
        let update = self
            .update_member(of, user_id)
            .update_expression("REMOVE #c, #k ADD v :one")
            .expression_attribute_names("#c", format!("{CONNECTION}{id}"))
            .expression_attribute_names("#k", format!("{ACKNOWLEDGED}{id}"))
            .expression_attribute_values(":one", number(1));
        let update = match written {
            Written::Ever => update.condition_expression("attribute_exists(#c)"),
            Written::UpTo(at) => update
                .condition_expression("#c.a <= :at")
                .expression_attribute_values(":at", number(at.0)),
            Written::Before(at) => update
                .condition_expression("#c.a < :at")
                .expression_attribute_values(":at", number(at.0)),
        };
        conditional("leave as a member", update.send().await).map(drop)
    }

    /// Reads all rows of a channel's members: one consistent query for each megabyte.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn members(&self, of: &ChannelKey) -> Result<Vec<MemberRow>, Fault> {
        let mut rows = Vec::new();
        self.each_member(of, |row| rows.push(row)).await?;
        Ok(rows)
    }

    /// Reads the ids of the users who are there, in their order. It costs what [`Table::members`]
    /// does, but holds no more than a page of rows.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn users_there(
        &self,
        of: &ChannelKey,
        now: UnixMillis,
    ) -> Result<Vec<String>, Fault> {
        let mut user_ids = Vec::new();
        let mut note = |row: MemberRow| {
            if row.member.is_there(now) {
                user_ids.push(row.member.user.id().to_owned());
            }
        };
        self.each_member(of, &mut note).await?;
        Ok(user_ids)
    }

    async fn each_member(
        &self,
        of: &ChannelKey,
        mut see: impl FnMut(MemberRow),
    ) -> Result<(), Fault> {
        const OPERATION: &str = "read members";
        let mut start = None;
        loop {
            let query = self
                .client
                .query()
                .table_name(&self.name)
                .consistent_read(true)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", string(partition::members(of)))
                .set_exclusive_start_key(start);
            let page = query
                .send()
                .await
                .map_err(|error| fault(OPERATION, error))?;
            for row in page.items.unwrap_or_default() {
                see(MemberRow::read(OPERATION, row)?);
            }
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(());
            }
        }
    }

    /// Reads what is known of a user on a channel: one consistent read.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn member(&self, of: &ChannelKey, user_id: &str) -> Result<Option<MemberRow>, Fault> {
        const OPERATION: &str = "read member";
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::members(of)))
            .key(SORT_KEY, string(user_id))
            .consistent_read(true);
        let found = get.send().await.map_err(|error| fault(OPERATION, error))?;
        found
            .item
            .map(|row| MemberRow::read(OPERATION, row))
            .transpose()
    }

    /// Notes what the others were told of a user and which of its subscribes were acknowledged; a
    /// row that says nothing any more is deleted. Only the holder of the channel's lease does
    /// this. One write (two when the row has changed meanwhile), and one for each further 200 subscribes;
    /// may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be noted.
    pub async fn note_told(
        &self,
        of: &ChannelKey,
        row: &MemberRow,
        told: Told,
    ) -> Result<(), Fault> {
        const OPERATION: &str = "note what was told";
        let (first, others) = row
            .member
            .asked
            .split_at(row.member.asked.len().min(NAMES_AT_ONCE));
        for some in others.chunks(NAMES_AT_ONCE) {
            let (removal, update) = removing(self.update_member(of, row.member.user.id()), some);
            let update = update
                .update_expression(removal)
                .condition_expression("attribute_exists(pk)");
            conditional(OPERATION, update.send().await)?;
        }
        let unchanged = match told {
            Told::There => None,
            Told::Gone => {
                let delete = self
                    .client
                    .delete_item()
                    .table_name(&self.name)
                    .key(PARTITION_KEY, string(partition::members(of)))
                    .key(SORT_KEY, string(row.member.user.id()))
                    .condition_expression("v = :v")
                    .expression_attribute_values(":v", number(row.version));
                conditional(OPERATION, delete.send().await)?.map(drop)
            }
            Told::GoneAt(at) => {
                // Who comes again puts it off again.
                let ttl = number(at.plus_secs(GONE_ROW_SECS).secs());
                let keep = self
                    .noting(of, row, first, told, ", #ttl = :ttl")
                    .condition_expression("v = :v")
                    .expression_attribute_names("#ttl", TTL)
                    .expression_attribute_values(":ttl", ttl);
                conditional(OPERATION, keep.send().await)?.map(drop)
            }
        };
        if unchanged.is_some() {
            return Ok(());
        }
        // A repeated attempt may have deleted the row: it must not be born again.
        let update = self
            .noting(of, row, first, told, "")
            .condition_expression("attribute_exists(pk)");
        conditional(OPERATION, update.send().await).map(drop)
    }

    fn noting(
        &self,
        of: &ChannelKey,
        row: &MemberRow,
        asked: &[Asked],
        told: Told,
        and: &str,
    ) -> UpdateItemFluentBuilder {
        let announced = AttributeValue::Bool(told == Told::There);
        let mut update = self
            .update_member(of, row.member.user.id())
            .expression_attribute_values(":announced", announced)
            .expression_attribute_values(":v", number(row.version));
        let mut set = format!("SET announced = :announced, noted = :v{and}");
        if let Told::GoneAt(at) = told {
            set.push_str(", gone_at = :gone_at");
            update = update.expression_attribute_values(":gone_at", number(at.0));
        }
        let (removal, update) = removing(update, asked);
        let removal = if removal.is_empty() {
            " REMOVE shown".to_owned()
        } else {
            format!("{removal}, shown")
        };
        update.update_expression(set + &removal)
    }

    /// Notes that a user's subscribes were acknowledged in a round, before the others are told. Only the
    /// holder of the channel's lease does this. One write for each hundred; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: some may or may not be noted.
    pub async fn note_acknowledged(
        &self,
        of: &ChannelKey,
        row: &MemberRow,
        round: u64,
    ) -> Result<(), Fault> {
        const OPERATION: &str = "note what was acknowledged";
        for some in row.member.asked.chunks(NAMES_AT_ONCE / 2) {
            let mut set = "SET shown = if_not_exists(shown, :round)".to_owned();
            let mut update = self.update_member(of, row.member.user.id());
            let ids: BTreeSet<&ConnectionId> = some.iter().map(|asked| &asked.id).collect();
            for (n, id) in ids.into_iter().enumerate() {
                set.push_str(&format!(", #k{n} = :round"));
                let name = format!("{ACKNOWLEDGED}{id}");
                update = update.expression_attribute_names(format!("#k{n}"), name);
            }
            let (removal, update) = removing(update, some);
            let update = update
                .update_expression(set + &removal)
                .condition_expression("attribute_exists(pk)")
                .expression_attribute_values(":round", number(round));
            conditional(OPERATION, update.send().await)?;
        }
        Ok(())
    }
}

/// What takes acknowledged subscribes off a row: the expression, and the update with their names.
fn removing(
    mut update: UpdateItemFluentBuilder,
    asked: &[Asked],
) -> (String, UpdateItemFluentBuilder) {
    let mut removal = String::new();
    for (n, asked) in asked.iter().enumerate() {
        let name = format!("{ASKED}{}/{}", asked.id, asked.op);
        update = update.expression_attribute_names(format!("#j{n}"), name);
        removal.push_str(if n == 0 { " REMOVE " } else { ", " });
        removal.push_str(&format!("#j{n}"));
    }
    (removal, update)
}

/// What the others were told of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is there.
    There,
    /// It is gone, or was never there.
    Gone,
    /// It went at this time, which is kept for a while.
    GoneAt(UnixMillis),
}

/// What every subscribe writes into its user's row.
fn asking(update: UpdateItemFluentBuilder, join: Join<'_>, and: &str) -> UpdateItemFluentBuilder {
    let user = serde_json::to_string(join.user).expect("a user always prints");
    update
        .update_expression(format!(
            "SET {and}#j = :resumes, #user = if_not_exists(#user, :user), #ttl = :ttl ADD v :one"
        ))
        .expression_attribute_names("#j", format!("{ASKED}{}/{}", join.client.id, join.op))
        .expression_attribute_names("#user", "user")
        .expression_attribute_names("#ttl", TTL)
        .expression_attribute_values(":resumes", AttributeValue::Bool(join.resumes))
        .expression_attribute_values(":user", string(user))
        .expression_attribute_values(":ttl", number(join.at.plus_secs(ROW_SECS).secs()))
        .expression_attribute_values(":one", number(1))
}
