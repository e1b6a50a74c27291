//! What a channel's item says about its subscribers to those who have no publication for them, and
//! when those were last told how many they are.

use aws_sdk_dynamodb::types::ReturnValue;
use serde::Deserialize;

use super::client::Table;
use super::item::{Item, conditional, fault, number, read, string};
use super::keys::ChannelKey;
use super::partition;
use crate::aws::now;
use crate::aws::schema::{PARTITION_KEY, SORT_KEY};
use crate::model::error::Fault;
use crate::model::time::UnixMillis;

/// A channel's subscribers, as its item counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// How many they are: perhaps too many, never too few.
    pub subscribers: u64,
    /// How many shards they are in, at least 1.
    pub shards: u32,
    /// Whether what is published goes through the queue, until the last of them has left.
    pub is_queued: bool,
    /// The serial that was last taken; 0 before the first.
    pub serial: u64,
    /// How many users are on a presence channel; `None` while somebody announces who comes and
    /// goes, and what was last noted need not be so any more.
    pub users: Option<u64>,
    /// When one was last counted out.
    pub vacated_at: Option<UnixMillis>,
    /// When they were last told how many they are, if that was ever limited.
    pub told_at: Option<UnixMillis>,
    /// Whether telling them is put off.
    pub is_put_off: bool,
}

/// A telling that has begun.
#[derive(Clone, Copy, Debug)]
pub struct Telling {
    /// How many shards the channel's subscribers are in, at least 1.
    pub shards: u32,
    turn: u64,
}

#[derive(Default, Deserialize)]
pub(super) struct AudienceRow {
    #[serde(default)]
    subscribers: i64,
    #[serde(default)]
    shards: Option<u32>,
    #[serde(default)]
    queued: bool,
    #[serde(default)]
    serial: u64,
    #[serde(default)]
    members: u64,
    /// There from when somebody begins to announce until all is told, whoever tells it.
    #[serde(default)]
    due_at: Option<UnixMillis>,
    #[serde(default)]
    vacated_at: Option<UnixMillis>,
    #[serde(default)]
    count_told_at: Option<UnixMillis>,
    #[serde(default)]
    count_put_off: Option<String>,
    #[serde(default)]
    count_turn: u64,
    #[serde(default)]
    count_turn_at: UnixMillis,
}

impl AudienceRow {
    fn shards(&self) -> u32 {
        self.shards.unwrap_or(1)
    }
}

impl From<AudienceRow> for Audience {
    fn from(row: AudienceRow) -> Self {
        Self {
            subscribers: u64::try_from(row.subscribers).unwrap_or(0),
            shards: row.shards(),
            is_queued: row.queued,
            serial: row.serial,
            users: row.due_at.is_none().then_some(row.members),
            vacated_at: row.vacated_at,
            told_at: row.count_told_at,
            is_put_off: row.count_put_off.is_some(),
        }
    }
}

/// What a channel's item says of its subscribers.
pub(super) fn read_from(operation: &'static str, item: Item) -> Result<Audience, Fault> {
    read::<AudienceRow>(operation, item).map(Audience::from)
}

impl Table {
    /// Reads how many subscribe to a channel: one consistent read, since a shard that is missed is
    /// a subscriber that is missed.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn audience(&self, of: &ChannelKey) -> Result<Audience, Fault> {
        self.audience_row(of).await.map(Audience::from)
    }

    async fn audience_row(&self, of: &ChannelKey) -> Result<AudienceRow, Fault> {
        const OPERATION: &str = "read channel";
        let get = self
            .client
            .get_item()
            .table_name(&self.name)
            .key(PARTITION_KEY, string(partition::channel(of)))
            .key(SORT_KEY, string(partition::CHANNEL))
            .consistent_read(true);
        let found = get.send().await.map_err(|error| fault(OPERATION, error))?;
        match found.item {
            Some(item) => read(OPERATION, item),
            None => Ok(AudienceRow::default()),
        }
    }

    /// Begins to tell a channel's subscribers how many they are: whoever reads them after this reads
    /// every change that another telling, begun before, has read. `None`: there is no such channel.
    /// One write; a repeated attempt begins twice, which is as good.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn begin_telling(&self, of: &ChannelKey) -> Result<Option<Telling>, Fault> {
        const OPERATION: &str = "begin to tell subscription count";
        let update = self
            .update_channel(of)
            .update_expression("SET count_turn_at = :clock ADD count_turn :one")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":clock", number(now().0))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew);
        let Some(begun) = conditional(OPERATION, update.send().await)? else {
            return Ok(None);
        };
        let row: AudienceRow = read(OPERATION, begun.attributes.unwrap_or_default())?;
        Ok(Some(Telling {
            shards: row.shards(),
            turn: row.count_turn,
        }))
    }

    /// Whether the last telling to begin began while this one, done by now, was under way: then it
    /// is not known whose number came last. One that began later has the last word anyhow. One
    /// consistent read.
    ///
    /// # Errors
    /// [`Fault::Table`], [`Fault::Row`].
    pub async fn is_overtaken(&self, of: &ChannelKey, telling: Telling) -> Result<bool, Fault> {
        let done_at = now();
        let row = self.audience_row(of).await?;
        Ok(row.count_turn > telling.turn && row.count_turn_at <= done_at)
    }

    /// Claims to tell a channel's subscribers now how many they are, unless that was claimed after
    /// `last`. What was put off is not needed any more. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be claimed.
    pub async fn claim_count(
        &self,
        of: &ChannelKey,
        last: UnixMillis,
        now: UnixMillis,
    ) -> Result<bool, Fault> {
        let update = self
            .update_channel(of)
            .update_expression("SET count_told_at = :now REMOVE count_put_off")
            // Its own time is that of an attempt whose answer was lost.
            .condition_expression(
                "attribute_exists(pk) AND (attribute_not_exists(count_told_at) \
                 OR count_told_at <= :last OR count_told_at = :now)",
            )
            .expression_attribute_values(":last", number(last.0))
            .expression_attribute_values(":now", number(now.0));
        let claimed = conditional("claim subscription count", update.send().await)?;
        Ok(claimed.is_some())
    }

    /// Puts off telling a channel's subscribers under a name, unless that is put off already or was
    /// claimed after `told_at`. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be put off.
    pub async fn put_off_count(
        &self,
        of: &ChannelKey,
        told_at: UnixMillis,
        name: &str,
    ) -> Result<bool, Fault> {
        let update = self
            .update_channel(of)
            .update_expression("SET count_put_off = :name")
            .condition_expression(
                "count_told_at = :told_at AND \
                 (attribute_not_exists(count_put_off) OR count_put_off = :name)",
            )
            .expression_attribute_values(":told_at", number(told_at.0))
            .expression_attribute_values(":name", string(name));
        let put_off = conditional("put off subscription count", update.send().await)?;
        Ok(put_off.is_some())
    }

    /// Claims to tell them what was put off under a name, unless that was claimed by others
    /// meanwhile. Under that name it can be claimed again: a message is handed out again when its
    /// function has died. One write; may be repeated.
    ///
    /// # Errors
    /// [`Fault::Table`]: it may or may not be claimed.
    pub async fn claim_put_off_count(
        &self,
        of: &ChannelKey,
        name: &str,
        now: UnixMillis,
    ) -> Result<bool, Fault> {
        let update = self
            .update_channel(of)
            .update_expression(
                "SET count_told_at = :now, count_telling = :name REMOVE count_put_off",
            )
            .condition_expression("count_put_off = :name OR count_telling = :name")
            .expression_attribute_values(":name", string(name))
            .expression_attribute_values(":now", number(now.0));
        let claimed = conditional("claim put off subscription count", update.send().await)?;
        Ok(claimed.is_some())
    }
}
