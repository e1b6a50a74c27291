//! Who is where: the channels that somebody is on, how many are on one, and which users.
//!
//! It only reads, so there is no half of it. The index of occupied channels may lag behind their items
//! for a moment; what is told of one channel, and who is on it, is the latest.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::aws::Services;
use crate::aws::schema::OCCUPIED_SHARDS;
use crate::aws::table::{Audience, ChannelKey, READ_ROWS_MAX};
use crate::model::call::{Attributes, CallResult, Counts, KeptEvent};
use crate::model::channel::{Channel, ChannelPrefix, Kind};
use crate::model::error::{Error, Fault, Rejection};
use crate::model::limits::{LISTED_CHANNEL_BYTES, LISTED_MAX_BYTES, TABLE_CONCURRENCY};
use crate::model::time::UnixMillis;

/// Counts who is on a channel, as far as it was asked for: from what its item says, at no cost. While
/// somebody announces who comes and goes there, the item does not say how many users there are, and
/// one query counts them.
///
/// # Errors
/// [`Fault`].
pub(crate) async fn count(
    services: &Services,
    of: &ChannelKey,
    audience: &Audience,
    attributes: Attributes,
    now: UnixMillis,
) -> Result<Counts, Fault> {
    let mut counts = Counts::default();
    if attributes.subscription_count {
        counts.subscription_count = Some(audience.subscribers);
    }
    if attributes.user_count && of.channel.kind() == Kind::Presence {
        counts.user_count = Some(match audience.users {
            Some(users) => users,
            None => {
                let users = services.table.users_there(of, now).await?;
                u64::try_from(users.len()).unwrap_or(u64::MAX)
            }
        });
    }
    Ok(counts)
}

/// Lists the channels that somebody is on. It costs a query for each of the index's partitions, half a
/// read unit for some 40 channels, and with attributes one more for each channel: what is occupied now,
/// not what ever was.
///
/// # Errors
/// [`Rejection::ListTooLong`], [`Fault`].
pub async fn list(
    services: &Services,
    app_id: &str,
    prefix: &ChannelPrefix,
    attributes: Attributes,
    now: UnixMillis,
) -> Result<BTreeMap<Channel, Counts>, Error> {
    let shards = stream::iter(0..OCCUPIED_SHARDS)
        .map(|shard| occupied_in(services, app_id, shard, prefix))
        .buffer_unordered(TABLE_CONCURRENCY);
    let names: Vec<Channel> = shards
        .try_fold(Vec::new(), |mut all, some| async move {
            all.extend(some);
            check_size(&all).map(|()| all)
        })
        .await?;
    if !attributes.user_count && !attributes.subscription_count {
        let unasked = |channel| (channel, Counts::default());
        return Ok(names.into_iter().map(unasked).collect());
    }
    let of: Vec<ChannelKey> = names
        .iter()
        .map(|channel| ChannelKey::new(app_id, channel))
        .collect();
    let chunks: Vec<_> = of
        .chunks(READ_ROWS_MAX)
        .map(|some| count_some(services, some, attributes, now))
        .collect();
    let counted: Vec<Vec<(Channel, Counts)>> = stream::iter(chunks)
        .buffer_unordered(TABLE_CONCURRENCY)
        .try_collect()
        .await?;
    Ok(counted.into_iter().flatten().collect())
}

/// All occupied channels in one of the index's partitions.
async fn occupied_in(
    services: &Services,
    app_id: &str,
    shard: u32,
    prefix: &ChannelPrefix,
) -> Result<Vec<Channel>, Error> {
    let mut channels = Vec::new();
    let mut start = None;
    loop {
        let page = services
            .table
            .occupied(app_id, shard, prefix, start)
            .await?;
        channels.extend(page.channels);
        check_size(&channels)?;
        start = page.next;
        if start.is_none() {
            return Ok(channels);
        }
    }
}

fn check_size(channels: &[Channel]) -> Result<(), Error> {
    let bytes = |channel: &Channel| channel.as_str().len() + LISTED_CHANNEL_BYTES;
    if channels.iter().map(bytes).sum::<usize>() > LISTED_MAX_BYTES {
        return Err(Rejection::ListTooLong.into());
    }
    Ok(())
}

async fn count_some(
    services: &Services,
    of: &[ChannelKey],
    attributes: Attributes,
    now: UnixMillis,
) -> Result<Vec<(Channel, Counts)>, Fault> {
    let app_id = of.first().map_or("", |of| &of.app_id);
    let mut counted = Vec::with_capacity(of.len());
    for (channel, audience) in services.table.audiences(of).await? {
        // The index may not have followed yet.
        if audience.subscribers > 0 {
            let of = ChannelKey::new(app_id, &channel);
            let counts = count(services, &of, &audience, attributes, now).await?;
            counted.push((channel, counts));
        }
    }
    Ok(counted)
}

/// Tells of one channel: one read, and one for the event that it keeps.
///
/// # Errors
/// [`Fault`].
pub async fn show(
    services: &Services,
    of: &ChannelKey,
    attributes: Attributes,
    now: UnixMillis,
) -> Result<CallResult<'static>, Fault> {
    let audience = services.table.audience(of).await?;
    let counts = count(services, of, &audience, attributes, now).await?;
    let kept = if attributes.cache {
        Some(kept_event(services, of, now).await?)
    } else {
        None
    };
    Ok(CallResult::Channel {
        occupied: audience.subscribers > 0,
        counts,
        kept,
    })
}

async fn kept_event(
    services: &Services,
    of: &ChannelKey,
    now: UnixMillis,
) -> Result<Option<KeptEvent>, Fault> {
    if !of.channel.keeps_last() {
        return Ok(None);
    }
    let cached = services.table.cached(of, now).await?;
    Ok(cached.map(|cached| KeptEvent {
        data: cached.data,
        ttl_secs: cached.expires_at.millis_since(now).div_ceil(1_000),
    }))
}

/// Tells which users are on a presence channel, by their ids: one query for each megabyte of their
/// rows.
///
/// # Errors
/// [`Fault`].
pub async fn users(
    services: &Services,
    of: &ChannelKey,
    now: UnixMillis,
) -> Result<Vec<String>, Fault> {
    services.table.users_there(of, now).await
}
