//! Joining and leaving a channel.
//!
//! # The order of writes, what a half-done one leaves, and who repairs it
//!
//! *Subscribe*: (1) count up, (2) the subscriber's row, (3) the connection's own row, (4) the
//! acknowledgement. After (1) alone the count is too high, which a publication that finds nobody
//! corrects. After (2) the connection gets what is published, unacknowledged; when it goes, the
//! first post that is answered 410 removes the row. From (3) on `disconnect` finds everything.
//! A count is never below the number of rows, so nobody is silently unreachable. When (1) shows more
//! than the channel's shards are for, it is given another one before (2); whoever publishes from (2) on
//! reads of it. If a client asks again after (2) alone, and the channel has grown meanwhile, it has a
//! row in two shards and gets what is published twice, under one serial, until it goes.
//!
//! *Unsubscribe*: (1) mark the own row left, (2) delete the subscriber's row, (3) count down if
//! there was one. After (1) alone the connection still gets what is published until it goes, or
//! leaves again; the mark says which row to delete. After (2) the count is too high.
//!
//! A connection's frames may run at once and in any order. Each write carries the time of its
//! request, and an older one never undoes a newer one. On a tie the subscription wins: pusher-js
//! sends unsubscribe and subscribe in one burst.

use crate::aws::Services;
use crate::aws::table::{
    ChannelKey, Counted, Join, NewSubscriber, OwnPut, Subscriber, SubscriberPut, Written,
};
use crate::channels::leave::leave_channel;
use crate::channels::rights::may_join;
use crate::delivery::grown;
use crate::history::resume::Resuming;
use crate::model::channel::Channel;
use crate::model::error::{Error, Fault, Rejection};
use crate::model::limits::HOLD_SECS;
use crate::model::metrics::Count;
use crate::model::request::Subscribe;
use crate::model::shard;
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::model::user::User;
use crate::model::voice::{Client, Voice};
use crate::presence::lease::{self, Place};
use crate::upkeep::{count_out, operation_name};

/// Who acknowledges a subscription.
#[derive(Debug)]
pub enum Subscribed {
    /// Whoever asked for it, now.
    Acknowledge {
        /// The channel.
        of: ChannelKey,
        /// Whether it had one subscriber more, for however long.
        added: bool,
        /// What it is shown first, if it is to be shown what it has missed.
        resuming: Option<Resuming>,
    },
    /// Whoever announces on the presence channel; it is done, or will be.
    Announced {
        /// The channel.
        of: ChannelKey,
        /// What it is shown after that.
        resuming: Option<Resuming>,
    },
}

/// Joins a channel: one query and three writes (three reads and six writes on a presence channel).
/// Joining again is acknowledged again. When it returns, every publication that begins from now on
/// reaches the connection; if it is to be shown first what it has missed, once that is done.
///
/// # Errors
/// [`Rejection`]: nothing was written that is not taken back. [`Fault`]: it may or may not have
/// joined; doing it again is safe.
pub async fn subscribe(
    services: &Services,
    client: Client<'_>,
    request: Subscribe,
    at: UnixMillis,
) -> Result<Subscribed, Error> {
    let id = client.id;
    let connection = services
        .table
        .connection(id, at)
        .await?
        .ok_or(Rejection::NotConnected)?;
    let app = services
        .apps
        .by_id(&connection.app_id)
        .ok_or(Rejection::NotConnected)?;
    let admits = services.protocols.of(client.voice)?.admits;
    let signed = |auth: &str| {
        let data = request.channel_data.as_deref();
        admits(app, id, &request.channel, data, auth)
    };
    let user = may_join(app, &connection, signed, &request)?;

    let of = ChannelKey::new(app.id(), &request.channel);
    let op = operation_name()?;
    let owner = user.as_ref().map(|_| op.as_str());
    let Counted {
        subscribers,
        shards,
        members,
        occupied_at,
        lease,
        tip,
    } = services.table.count_up(&of, at, owner).await?;
    services.occupied(&of, occupied_at);
    let max_members = app.settings().max_presence_members;
    if let Some(user) = user.as_ref().filter(|_| members >= max_members) {
        let room = lease::has_room(services, &of, user.id(), max_members, at).await;
        if let Err(refused) = room {
            count_out(services, &of, None).await;
            lease::give_up(services, &of, lease, at).await;
            return Err(refused);
        }
    }
    let shard = match connection.joined(&request.channel) {
        // Joining again must meet its own row, however many shards there are by now.
        Some(own) => own.shard,
        None => shard::of(id, grown(services, &of, subscribers, shards).await),
    };
    let subscription = Subscription {
        subscriber: Subscriber { of: &of, shard, id },
        user_id: user.as_ref().map(User::id),
        at,
        expires_at: connection.expires_at,
        op: &op,
        held_until: request.after.map(|_| at.plus_secs(HOLD_SECS)),
        voice: client.voice,
    };
    let RowsPut { place, added } = match put_rows(services, subscription).await {
        Ok(put) => put,
        Err(fault) => {
            lease::give_up(services, &of, lease, at).await;
            return Err(fault.into());
        }
    };
    // What a newer request has decided about, that one sees to.
    let after = request.after.filter(|_| place == Place::Taken);
    let resuming = after.map(|after| Resuming {
        shard,
        op: op.clone(),
        user_id: user.as_ref().map(|user| user.id().to_owned()),
        after,
        tip,
    });
    let Some(user) = &user else {
        return Ok(Subscribed::Acknowledge {
            of,
            added,
            resuming,
        });
    };
    let join = Join {
        of: &of,
        user,
        client,
        at,
        expires_at: connection.expires_at,
        op: &op,
        resumes: resuming.is_some(),
    };
    lease::join(services, join, place, lease).await?;
    Ok(Subscribed::Announced { of, resuming })
}

/// A subscription that is being written.
struct Subscription<'a> {
    subscriber: Subscriber<'a>,
    user_id: Option<&'a str>,
    at: UnixMillis,
    expires_at: UnixMillis,
    op: &'a str,
    /// Until when it is kept from publications, if it reads the log first.
    held_until: Option<UnixMillis>,
    voice: Voice,
}

/// What came of it.
struct RowsPut {
    place: Place,
    /// Whether the channel had one subscriber more, for however long.
    added: bool,
}

/// Puts the two rows of a subscription that has been counted, unless a newer request of the
/// connection has decided otherwise; then what is too much is counted out again.
async fn put_rows(services: &Services, subscription: Subscription<'_>) -> Result<RowsPut, Fault> {
    let Subscription {
        subscriber,
        user_id,
        at,
        expires_at,
        op,
        held_until,
        voice,
    } = subscription;
    let new = NewSubscriber {
        at,
        expires_at,
        op,
        held_until,
        voice,
    };
    let put = services.table.put_subscriber(subscriber, new).await?;
    let added = put == SubscriberPut::Added;
    let subscribes = u64::from(added);
    services.metrics.add(Count::Subscribes, subscribes);
    let rows_put = |place| RowsPut { place, added };
    match put {
        SubscriberPut::Added => {}
        // It was counted when it joined first.
        SubscriberPut::Replaced => {
            count_out(services, subscriber.of, None).await;
        }
        SubscriberPut::Outrun => {
            count_out(services, subscriber.of, None).await;
            return Ok(rows_put(Place::Decided));
        }
    }
    let put = services
        .table
        .put_own(subscriber, user_id, at, expires_at)
        .await?;
    let (place, too_much) = match put {
        OwnPut::Put {
            moved_from,
            was_user,
        } => {
            if let Some(was_user) = was_user {
                // Whoever announces next sees that the other user has gone.
                let (of, id) = (subscriber.of, subscriber.id);
                let table = &services.table;
                table
                    .leave_member(of, &was_user, id, Written::UpTo(at))
                    .await?;
            }
            (Place::Taken, moved_from)
        }
        // It has left since.
        OwnPut::Outrun => (Place::Decided, Some(subscriber.shard)),
    };
    if let Some(shard) = too_much {
        let too_much = Subscriber {
            shard,
            ..subscriber
        };
        let written = Written::UpTo(at);
        if services.table.delete_subscriber(too_much, written).await? {
            count_out(services, subscriber.of, None).await;
        }
    }
    Ok(rows_put(place))
}

/// Leaves a channel: one write, and two more if it was on it (six and a query on a presence
/// channel). Leaving a channel that it is not on changes nothing but an invisible mark, which stops
/// a subscribe that was sent before and comes after. Answers the channel, if it has one subscriber
/// less.
///
/// # Errors
/// [`Fault`]: it may or may not have left; doing it again is safe.
pub async fn unsubscribe(
    services: &Services,
    id: &ConnectionId,
    channel: &Channel,
    at: UnixMillis,
) -> Result<Option<ChannelKey>, Fault> {
    let op = operation_name()?;
    let Some(own) = services.table.mark_left(id, channel, at, &op).await? else {
        return Ok(None);
    };
    let of = ChannelKey {
        app_id: own.app_id,
        channel: channel.clone(),
    };
    let subscriber = Subscriber {
        of: &of,
        shard: own.shard,
        id,
    };
    let user_id = own.user_id.as_deref();
    let left = leave_channel(services, subscriber, user_id, Written::Before(at), at).await?;
    Ok(left.then_some(of))
}
