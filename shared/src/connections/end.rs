//! A connection's end: close, forget, reap. How it begins, `admission.rs` says.
//!
//! # The order of writes, what a half-done one leaves, and who repairs it
//!
//! *Forget*: (1) mark the connection closed, and due in a minute, and close it if it is a session over
//! HTTP, which nobody else would; then for each channel (2) delete
//! the subscriber's row, (3) count it out if there was one, (on a presence channel, leave it: see
//! `attend.rs`,) (4) delete the connection's own row; then what `users.rs` says of one that was signed
//! in, as the marked row still tells; at last (5) it is due no more. Own rows say what is left to be done and go last, so that repeating it finishes what a crash left: the reaper
//! does, and so does whoever posts to the connection next and finds it gone. After (2) alone the
//! count is too high, which a publication that finds nobody corrects.
//!
//! *Reap*: forget, then (6) the subscriber's row that led there and (7) its count. That row is all
//! there is when a subscribe died before it wrote the connection's own: it is removed by the first
//! publication that meets it.

use futures_util::StreamExt as _;
use futures_util::stream;

use crate::aws::Services;
use crate::aws::table::{ChannelKey, CountedOut, Lease, OwnSubscription, Subscriber, Written};
use crate::channels::counts;
use crate::model::error::{Fault, Rejection, chain};
use crate::model::limits::CLOSING_SECS;
use crate::model::socket_id::{ConnectionId, Transport};
use crate::model::time::UnixMillis;
use crate::presence::lease::{self, Leave};
use crate::transport::reach;
use crate::users::sign_in;

/// Channels that are tidied up at once for one connection.
const FORGET_CONCURRENCY: usize = 8;

/// Closes a connection: see [`reach::close`]. `false`: it may still be open, which is logged.
pub(crate) async fn close(
    services: &Services,
    id: &ConnectionId,
    reason: Option<&Rejection>,
) -> bool {
    let closed = reach::close(services, id, reason).await;
    if let Err(fault) = &closed {
        tracing::error!(connection_id = %id, error_type = fault.error_type(), error = chain(fault), "not closed");
    }
    closed.is_ok()
}

/// Closes a connection that is not served any longer, and forgets it.
///
/// # Errors
/// [`Fault`] of the table; a close that fails is only logged.
pub async fn drop_connection(
    services: &Services,
    id: &ConnectionId,
    reason: Option<&Rejection>,
    now: UnixMillis,
) -> Result<(), Fault> {
    close(services, id, reason).await;
    forget(services, id, now).await
}

/// Leaves the end of a connection that was found gone to the reaper, and keeps it from doing
/// anything more. One write: what finds many of them must not do for each what [`forget`] does.
///
/// # Errors
/// [`Fault`]: then whoever meets it next finds it gone again.
pub(crate) async fn abandon(
    services: &Services,
    id: &ConnectionId,
    now: UnixMillis,
) -> Result<(), Fault> {
    services.table.mark_closed(id, now, now).await
}

/// Forgets a connection and all its subscriptions: two writes, one query, and three writes a
/// channel (six and a query for a presence channel); one that was signed in costs what
/// [`sign_in::leave`] does besides. Then those who are still on its channels are told how many they
/// are. May be repeated, and finishes what an earlier one left.
///
/// # Errors
/// [`Fault`]: some of it may be left; what is left is expired, and a fan-out that meets it forgets
/// it again.
pub async fn forget(services: &Services, id: &ConnectionId, now: UnixMillis) -> Result<(), Fault> {
    let due_at = now.plus_secs(CLOSING_SECS);
    services.table.mark_closed(id, now, due_at).await?;
    if id.transport() == Transport::Http {
        // Whoever comes for its frames is to know; if it was closed for a reason, that stands.
        reach::close(services, id, None).await?;
    }
    let own = services.table.own_rows(id).await?;
    let removals = own.subscriptions.into_iter().map(|own| async move {
        let of = ChannelKey {
            app_id: own.app_id.clone(),
            channel: own.channel.clone(),
        };
        match remove(services, id, &of, &own, now).await {
            Ok(removed) => {
                let deleted = services.table.delete_own(id, &of.channel).await;
                (removed.then_some(of), deleted)
            }
            Err(fault) => (None, Err(fault)),
        }
    });
    let (lost, outcomes): (Vec<Option<ChannelKey>>, Vec<Result<(), Fault>>) =
        stream::iter(removals)
            .buffer_unordered(FORGET_CONCURRENCY)
            .unzip()
            .await;
    counts::lost(services, lost.into_iter().flatten().collect(), now).await;
    let left = match &own.signed_in {
        Some(signed_in) => sign_in::leave(services, id, signed_in, now).await,
        None => Ok(()),
    };
    outcomes
        .into_iter()
        .collect::<Result<(), Fault>>()
        .and(left)?;
    services.table.finish_closed(id).await
}

/// Takes a subscriber off its channel, and says whether it was there: one write, and one more if so.
async fn remove(
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
    leave_channel(
        services,
        subscriber,
        own.user_id.as_deref(),
        Written::Ever,
        now,
    )
    .await
}

/// Takes a subscriber off its channel, and its connection off its user's if it is one of presence,
/// and says whether the channel has one subscriber less: one write, and one more if so; on a
/// presence channel up to six, and a query.
///
/// # Errors
/// [`Fault`]: some of it may be left; it may be repeated.
pub(crate) async fn leave_channel(
    services: &Services,
    subscriber: Subscriber<'_>,
    user_id: Option<&str>,
    written: Written,
    now: UnixMillis,
) -> Result<bool, Fault> {
    let op = operation_name()?;
    let owner = user_id.map(|_| op.as_str());
    let deleted = services
        .table
        .delete_subscriber(subscriber, written)
        .await?;
    let lease = if deleted {
        count_out(services, subscriber.of, owner).await
    } else {
        None
    };
    let Some(user_id) = user_id else {
        return Ok(deleted);
    };
    let leave = Leave {
        of: subscriber.of,
        user_id,
        id: subscriber.id,
        written,
        op: &op,
    };
    lease::leave(services, leave, lease, now).await?;
    Ok(deleted)
}

/// Forgets a connection that a fan-out found gone, and the subscriber's row that led there: after
/// a crash, nothing else may know of it.
///
/// # Errors
/// [`Fault`], as [`forget`].
pub async fn reap(
    services: &Services,
    subscriber: Subscriber<'_>,
    now: UnixMillis,
) -> Result<(), Fault> {
    forget(services, subscriber.id, now).await?;
    take_off(services, subscriber, now).await
}

/// Leaves a connection that a fan-out found gone to the reaper, all but the subscriber's row that
/// led there. Three writes.
///
/// # Errors
/// [`Fault`]: then the next fan-out finds it gone again.
pub(crate) async fn abandon_subscriber(
    services: &Services,
    subscriber: Subscriber<'_>,
    now: UnixMillis,
) -> Result<(), Fault> {
    abandon(services, subscriber.id, now).await?;
    take_off(services, subscriber, now).await
}

async fn take_off(
    services: &Services,
    subscriber: Subscriber<'_>,
    now: UnixMillis,
) -> Result<(), Fault> {
    if services
        .table
        .delete_subscriber(subscriber, Written::Ever)
        .await?
    {
        count_out(services, subscriber.of, None).await;
        counts::lost(services, vec![subscriber.of.clone()], now).await;
    }
    Ok(())
}

/// Counts a deleted subscriber out, and takes the lease on its channel's announcements for an
/// `owner`, if it is free. A failure leaves the count too high, which is allowed, and is not
/// repeated, since a second decrement could make it too low.
pub(crate) async fn count_out(
    services: &Services,
    of: &ChannelKey,
    owner: Option<&str>,
) -> Option<Lease> {
    match services.table.count_down(of, owner).await {
        Ok(CountedOut { vacated_at, lease }) => {
            services.vacated(of, vacated_at);
            lease
        }
        Err(fault) => {
            tracing::warn!(channel = %of.channel, error_type = fault.error_type(), error = chain(&fault), "count left too high");
            None
        }
    }
}

/// A name for one request's writes, unique among those on the same row. Short, since it is in
/// every subscriber's row.
pub(crate) fn operation_name() -> Result<String, Fault> {
    Ok(format!("{:016x}", getrandom::u64().map_err(Fault::Random)?))
}
