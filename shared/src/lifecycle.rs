//! A connection's beginning and end: admit, greet, forget.
//!
//! # The order of writes, what a half-done one leaves, and who repairs it
//!
//! *Admit*: (1) use the token, (2) record the connection. After (1) alone the token is spent for a
//! connection that API Gateway then refuses: its bearer asks for another one. After (2) without an
//! answer there is a row of a connection that never was: nothing hangs on it, and it goes by its
//! TTL.
//!
//! *Displace*, when a token admits again: close each connection that it admitted before, forget it,
//! and (last) take it off the token. Until then the token names it, and its next use does all of it
//! again.
//!
//! *Forget*: (1) mark the connection closed, and due in a minute; then for each channel (2) delete
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
use serde::{Deserialize, Serialize};

use crate::app::Apps;
use crate::attend::{self, Leave};
use crate::aws::Services;
use crate::aws::connections::{Payload, Posted};
use crate::aws::table::{
    ChannelKey, CountedOut, Lease, NewConnection, OwnSubscription, Recorded, Subscriber, Written,
};
use crate::error::{Fault, Rejection, chain};
use crate::frame;
use crate::limits::{CLOSING_SECS, GREETING_PATIENCE, GREETING_PAUSES};
use crate::socket_id::{ConnectionId, SocketId};
use crate::subscription_count;
use crate::time::UnixMillis;
use crate::token::{Grant, Token};
use crate::users;

/// The protocol versions that are spoken. Clients of 5 and 6 (Pysher) read the frames of 7.
const PROTOCOLS: [&str; 3] = ["5", "6", "7"];
/// Channels that are tidied up at once for one connection.
const FORGET_CONCURRENCY: usize = 8;

/// A client at the door. No `Debug`: it holds the token.
pub struct Upgrade {
    /// API Gateway's name for the connection.
    pub id: ConnectionId,
    /// When API Gateway took it.
    pub connected_at: UnixMillis,
    /// The app's key, from the path.
    pub app_key: Option<String>,
    /// The protocol's version, from the query.
    pub protocol: Option<String>,
    /// A token, when it brought one.
    pub token: Option<String>,
    /// Where its page is from, when it is one.
    pub origin: Option<String>,
}

/// What is still to be said to a connection once API Gateway has let it in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    id: ConnectionId,
    /// The first frame.
    frame: String,
    /// Whether the connection is refused.
    then_close: bool,
    /// The connections whose place this one takes, and the digest of the token that says so.
    displaced: Vec<ConnectionId>,
    token_digest: Option<String>,
}

impl Greeting {
    fn new(id: ConnectionId, frame: &[u8], then_close: bool) -> Self {
        let frame = String::from_utf8_lossy(frame).into_owned();
        Self {
            id,
            frame,
            then_close,
            displaced: Vec::new(),
            token_digest: None,
        }
    }

    fn refuse(id: ConnectionId, rejection: &Rejection) -> Self {
        Self::new(id, &frame::error(rejection), true)
    }
}

/// Admits a client, or decides how to refuse it: either way the upgrade is answered with success,
/// since a client whose upgrade fails learns nothing and comes back for ever. A refused client
/// leaves no row. One write, and one more for a token. `None`: it has left already.
///
/// # Errors
/// [`Fault`]: the upgrade must fail, since nothing is known of the connection.
pub async fn admit(
    services: &Services,
    apps: &Apps,
    upgrade: Upgrade,
    now: UnixMillis,
) -> Result<Option<Greeting>, Fault> {
    let Upgrade {
        id,
        connected_at,
        app_key,
        protocol,
        token,
        origin,
    } = upgrade;
    let Some(app) = app_key.and_then(|key| apps.by_key(&key)) else {
        return Ok(Some(Greeting::refuse(id, &Rejection::UnknownKey)));
    };
    match protocol.as_deref() {
        None | Some("") => return Ok(Some(Greeting::refuse(id, &Rejection::ProtocolMissing))),
        Some(version) if PROTOCOLS.contains(&version) => {}
        Some(_) => return Ok(Some(Greeting::refuse(id, &Rejection::ProtocolUnsupported))),
    }
    if !app.settings().admits_origin(origin.as_deref()) {
        return Ok(Some(Greeting::refuse(id, &Rejection::OriginRefused)));
    }
    let mut grant = Grant::default();
    let mut greeting = Greeting::new(id, &[], false);
    if let Some(token) = token {
        let digest = match Token::parse(&token) {
            Ok(token) => token.digest(),
            Err(rejection) => return Ok(Some(Greeting::refuse(greeting.id, &rejection))),
        };
        let Some(used) = services
            .table
            .use_token(&digest, app.id(), &greeting.id, now)
            .await?
        else {
            return Ok(Some(Greeting::refuse(
                greeting.id,
                &Rejection::TokenRefused,
            )));
        };
        grant = used.grant;
        greeting.displaced = used.displaced;
        greeting.token_digest = Some(digest);
    }
    let expires_at = connected_at.plus_secs(services.lives.connection_secs);
    let new = NewConnection {
        id: &greeting.id,
        app_id: app.id(),
        connected_at,
        expires_at,
        due_at: services
            .lives
            .first_due(app.settings(), connected_at, expires_at),
        grant: &grant,
    };
    match services.table.record_connection(new).await? {
        Recorded::Overtaken => Ok(None),
        Recorded::Yes => {
            let established = frame::established(&SocketId::of(&greeting.id));
            greeting.frame = String::from_utf8_lossy(&established).into_owned();
            Ok(Some(greeting))
        }
    }
}

/// Says to a connection what its admission came to: after its `$connect` was answered, because
/// API Gateway has no such connection until then. Repeats a 410 for some seconds; a 410 here
/// never removes anything, because the connection may be about to appear.
pub async fn greet(services: &Services, greeting: Greeting, now: UnixMillis) {
    let Greeting {
        id,
        frame,
        then_close,
        displaced,
        token_digest,
    } = greeting;
    let payload = Payload::from(bytes::Bytes::from(frame));
    let (mut pause, longest) = GREETING_PAUSES;
    let started = tokio::time::Instant::now();
    loop {
        match services.connections.post(&id, &payload).await {
            Posted::Delivered => break,
            Posted::Gone | Posted::Throttled if started.elapsed() < GREETING_PATIENCE => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(longest);
            }
            Posted::Gone => {
                tracing::info!(connection_id = %id, "left before it was greeted");
                break;
            }
            Posted::Throttled => {
                tracing::warn!(connection_id = %id, "not greeted: throttled");
                break;
            }
            Posted::Failed(fault) => {
                tracing::error!(connection_id = %id, error = chain(&fault), "not greeted");
                break;
            }
        }
    }
    if then_close {
        close(services, &id).await;
    }
    displace(services, displaced, token_digest, now).await;
    services.tell_webhooks().await;
}

/// Closes the connections whose place another one takes. The token forgets them last, so that
/// what fails here is done by the next use.
async fn displace(
    services: &Services,
    displaced: Vec<ConnectionId>,
    token_digest: Option<String>,
    now: UnixMillis,
) {
    let Some(digest) = token_digest.filter(|_| !displaced.is_empty()) else {
        return;
    };
    for id in &displaced {
        if !close(services, id).await {
            return;
        }
        if let Err(fault) = forget(services, id, now).await {
            tracing::error!(connection_id = %id, error = chain(&fault), "displaced connection not forgotten");
            return;
        }
    }
    if let Err(fault) = services.table.release_token(&digest, &displaced).await {
        tracing::error!(error = chain(&fault), "token not released");
    }
}

/// Closes a connection. `false`: it may still be open, which is logged.
pub(crate) async fn close(services: &Services, id: &ConnectionId) -> bool {
    let closed = services.connections.close(id).await;
    if let Err(fault) = &closed {
        tracing::error!(connection_id = %id, error = chain(fault), "not closed");
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
    now: UnixMillis,
) -> Result<(), Fault> {
    close(services, id).await;
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
/// [`users::leave`] does besides. Then those who are still on its channels are told how many they
/// are. May be repeated, and finishes what an earlier one left.
///
/// # Errors
/// [`Fault`]: some of it may be left; what is left is expired, and a fan-out that meets it forgets
/// it again.
pub async fn forget(services: &Services, id: &ConnectionId, now: UnixMillis) -> Result<(), Fault> {
    let due_at = now.plus_secs(CLOSING_SECS);
    services.table.mark_closed(id, now, due_at).await?;
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
    subscription_count::lost(services, lost.into_iter().flatten().collect(), now).await;
    let left = match &own.signed_in {
        Some(signed_in) => users::leave(services, id, signed_in, now).await,
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
    attend::leave(services, leave, lease, now).await?;
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
        subscription_count::lost(services, vec![subscriber.of.clone()], now).await;
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
            tracing::warn!(channel = %of.channel, error = chain(&fault), "count left too high");
            None
        }
    }
}

/// A name for one request's writes, unique among those on the same row. Short, since it is in
/// every subscriber's row.
pub(crate) fn operation_name() -> Result<String, Fault> {
    Ok(format!("{:016x}", getrandom::u64().map_err(Fault::Random)?))
}
