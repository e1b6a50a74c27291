//! Forgetting a connection: undoing all that hangs on it. Only `disconnect`, the reaper and the worker do this.
//! Whoever else meets a connection that is gone marks it (see `upkeep.rs`).
//!
//! # The order of writes, what is left if it dies there, and who repairs it
//!
//! | step | what is left if it dies after it |
//! | --- | --- |
//! | 1. mark the connection closed, and due in a minute | all of it; the reaper does it again |
//! | 2. close it, if it may be open or is a session over HTTP | the same |
//! | 3. for each channel: delete the subscriber's row | a count that is too high |
//! | 4. count it out; leave presence (see `presence/lease.rs`) | the connection's own row, so it is repeated |
//! | 5. delete the connection's own row of that channel | the other channels, so it is repeated |
//! | 6. sign it out (see `users/`) | the mark, so it is repeated |
//! | 7. it is due no more | nothing |
//!
//! The connection's own rows say what is left to be done and go last, so repeating it finishes what a crash
//! left. A subscriber's row that no own row names was written by a subscribe that died; the mark names its
//! shard once a delivery has met it.

use futures_util::{StreamExt as _, stream};

use crate::aws::Services;
use crate::aws::table::{ChannelKey, Mark, OwnRows, OwnSubscription, Subscriber, Written};
use crate::channels::counts;
use crate::channels::leave::leave_channel;
use crate::model::error::Fault;
use crate::model::limits::CLOSING_SECS;
use crate::model::socket_id::{ConnectionId, Transport};
use crate::model::time::UnixMillis;
use crate::transport::reach;
use crate::upkeep::count_out;
use crate::users::sign_out;

/// Channels that are left at once for one connection.
const LEAVE_CONCURRENCY: usize = 8;

/// Forgets a connection whose socket API Gateway has closed. See [`forget`].
///
/// # Errors
/// [`Fault`]: the rest stays due.
pub async fn disconnected(
    services: &Services,
    id: &ConnectionId,
    now: UnixMillis,
) -> Result<(), Fault> {
    forget_as(services, id, Mark::CLOSED, now).await
}

/// Forgets a connection and all its subscriptions: two writes, one query, and three writes a
/// channel (six and a query for a presence channel); one that was signed in costs what
/// `sign_out::leave` does besides. Then those who are still on its channels are told how many they
/// are. A connection that may be open is closed first. May be repeated.
///
/// # Errors
/// [`Fault`]: the rest stays due.
pub async fn forget(services: &Services, id: &ConnectionId, now: UnixMillis) -> Result<(), Fault> {
    forget_as(services, id, Mark::AS_MARKED, now).await
}

async fn forget_as(
    services: &Services,
    id: &ConnectionId,
    mark: Mark<'_>,
    now: UnixMillis,
) -> Result<(), Fault> {
    let table = &services.table;
    let due_at = now.plus_secs(CLOSING_SECS);
    table.mark_closed(id, mark, now, due_at).await?;
    let own = table.own_rows(id).await?;
    // A client that comes for its frames is to know; if it was closed for a reason, that stands.
    if own.may_be_open || id.transport() == Transport::Http {
        reach::close(services, id, None).await?;
    }
    let left_channels = leave_all(services, id, &own, now).await;
    let signed_out = match &own.signed_in {
        Some(signed_in) => sign_out::leave(services, id, signed_in, now).await,
        None => Ok(()),
    };
    left_channels.and(signed_out)?;
    table.finish_closed(id, now).await
}

/// Leaves every channel that the connection was ever on.
async fn leave_all(
    services: &Services,
    id: &ConnectionId,
    own: &OwnRows,
    now: UnixMillis,
) -> Result<(), Fault> {
    let named = own.subscriptions.iter().map(|own| async move {
        let of = ChannelKey::new(&own.app_id, &own.channel);
        match leave(services, id, &of, own, now).await {
            Ok(left) => {
                let deleted = services.table.delete_own(id, &of.channel).await;
                (left.then_some(of), deleted)
            }
            Err(fault) => (None, Err(fault)),
        }
    });
    let (mut lost, mut outcomes): (Vec<Option<ChannelKey>>, Vec<Result<(), Fault>>) =
        stream::iter(named)
            .buffer_unordered(LEAVE_CONCURRENCY)
            .unzip()
            .await;
    for (of, shard) in unnamed(own) {
        let subscriber = Subscriber {
            of,
            shard: *shard,
            id,
        };
        let deleted = services
            .table
            .delete_subscriber(subscriber, Written::Ever)
            .await;
        if matches!(deleted, Ok(true)) {
            count_out(services, of, None).await;
            lost.push(Some(of.clone()));
        }
        outcomes.push(deleted.map(drop));
    }
    counts::lost(services, lost.into_iter().flatten().collect(), now).await;
    outcomes.into_iter().collect()
}

/// The subscriber's rows that a delivery has met and that no own row names.
fn unnamed(own: &OwnRows) -> impl Iterator<Item = &(ChannelKey, u32)> {
    let is_named = |of: &ChannelKey, shard: u32| {
        let mut subscriptions = own.subscriptions.iter();
        subscriptions
            .any(|own| own.app_id == of.app_id && own.channel == of.channel && own.shard == shard)
    };
    own.met
        .iter()
        .filter(move |(of, shard)| !is_named(of, *shard))
}

async fn leave(
    services: &Services,
    id: &ConnectionId,
    of: &ChannelKey,
    own: &OwnSubscription,
    now: UnixMillis,
) -> Result<bool, Fault> {
    let subscriber = Subscriber {
        of,
        shard: own.shard,
        id,
    };
    let user_id = own.user_id.as_deref();
    leave_channel(services, subscriber, user_id, Written::Ever, now).await
}
