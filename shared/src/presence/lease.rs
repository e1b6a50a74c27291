//! Presence channels: who comes and who goes is told to those who are there, in an order that all of
//! them share.
//!
//! Nothing is announced by the operation that changed it. A joining or leaving connection changes
//! its user's row; then whoever holds the lease on the channel's announcements compares what is
//! there with what was last told, tells the difference to those who have been acknowledged, and
//! acknowledges those who wait, with the roster that results. So each connection hears of each
//! change exactly once, after its own acknowledgement, and the last word is the state.
//!
//! # The order of writes, what a half-done one leaves, and who repairs it
//!
//! *Join* (after the subscriber's row and the connection's own, see `subscribe.rs`; the lease is
//! taken with the count): (4) the connection in its user's row, (5) after the others are told and
//! the subscribe is acknowledged, the note of it in that row, (6) the lease is given back.
//!
//! *Leave* (after the subscriber's row; the lease is taken with the count): (3) the connection off
//! its user's row, (4) the note, (5) the lease.
//!
//! A holder that dies leaves its lease, and with it the channel in the index of what falls due: the
//! reaper does what is left, and so does whoever comes or goes after the lease has ended. It sees
//! that the lease was never given back, and so that something may have been told and not noted: of
//! whoever has changed since the last note it is told once more how it is now. Where another holder has the lease, a crash between the
//! change and its mark leaves a change that the next one on the channel tells; if it was a join,
//! the connection's end takes it back, because the own row was there before.

use std::time::Duration;

use crate::aws::table::{ChannelKey, Join, Lease, LeaseOn, Released, Written};
use crate::aws::{Clock, Services};
use crate::log::log_fault;
use crate::model::error::{Error, Fault, Rejection};
use crate::model::limits::SETTLE_PATIENCE;
use crate::model::presence::Asked;
use crate::model::socket_id::ConnectionId;
use crate::model::task::{Announce, Task};
use crate::model::time::UnixMillis;
use crate::presence::announce::{Round, announce};
use crate::upkeep::while_renewing;

/// What is to be done with a connection's place in its user's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It takes it.
    Taken,
    /// It is left as it is, because a newer request has decided about it.
    Decided,
}

/// Joins as a user and sees to it that it is told. The acknowledgement is posted by whoever holds
/// the lease, here or elsewhere. Three writes and two reads; one write more while others announce.
///
/// # Errors
/// [`Fault`]: it is not acknowledged yet; it may have joined.
pub(crate) async fn join(
    services: &Services,
    join: Join<'_>,
    place: Place,
    lease: Option<Lease>,
) -> Result<(), Fault> {
    let placed = place_member(services, join, place).await;
    let settled = match (&placed, lease) {
        // Its author cannot go on; what it may have changed is told all the same.
        (_, Some(lease)) => settle(services, join.of, lease, join.at).await,
        (Ok(()), None) => claim_and_settle(services, join.of, join.op, join.at).await,
        (Err(_), None) => Settled::default(),
    };
    placed?;
    match settled.outcome {
        Err(fault)
            if settled
                .answered
                .iter()
                .any(|answered| answered.id == *join.client.id && answered.op == join.op) =>
        {
            log_fault!(error, fault, channel = %join.of.channel, "announced, not noted");
            Ok(())
        }
        outcome => outcome,
    }
}

async fn place_member(services: &Services, join: Join<'_>, place: Place) -> Result<(), Fault> {
    match place {
        Place::Decided => services.table.ask_member(join).await,
        Place::Taken => {
            services.table.join_member(join).await?;
            // An unsubscribe that ran between the own row and this found nothing to take off.
            let own = services
                .table
                .own_row(join.client.id, &join.of.channel)
                .await?;
            if own.is_none_or(|own| own.left_at.is_some_and(|left_at| left_at > join.at)) {
                let (of, user_id) = (join.of, join.user.id());
                let written = Written::UpTo(join.at);
                services
                    .table
                    .leave_member(of, user_id, join.client.id, written)
                    .await?;
            }
            Ok(())
        }
    }
}

/// A connection that leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leave<'a> {
    /// The channel.
    pub(crate) of: &'a ChannelKey,
    /// As whom it was there.
    pub(crate) user_id: &'a str,
    /// The connection.
    pub(crate) id: &'a ConnectionId,
    /// Which of its joins is meant.
    pub(crate) written: Written,
    /// The request's name.
    pub(crate) op: &'a str,
}

/// Leaves and sees to it that it is told. Three writes and one read; one write more while others
/// announce. May be repeated.
///
/// # Errors
/// [`Fault`]: it may or may not have left, or not be told; then repeating it helps, and so does
/// whatever happens next on the channel.
pub(crate) async fn leave(
    services: &Services,
    leave: Leave<'_>,
    lease: Option<Lease>,
    now: UnixMillis,
) -> Result<(), Fault> {
    let Leave {
        of,
        user_id,
        id,
        written,
        op,
    } = leave;
    let left = services.table.leave_member(of, user_id, id, written).await;
    let settled = match lease {
        Some(lease) => settle(services, of, lease, now).await,
        None => claim_and_settle(services, of, op, now).await,
    };
    left.and(settled.outcome)
}

/// Whether there is room for a user on a channel that was full when it was last announced on. One
/// query.
///
/// # Errors
/// [`Rejection::PresenceFull`], [`Fault`].
pub(crate) async fn has_room(
    services: &Services,
    of: &ChannelKey,
    user_id: &str,
    max_members: u64,
    now: UnixMillis,
) -> Result<(), Error> {
    let rows = services.table.members(of).await?;
    let mut there = rows.iter().filter(|row| row.member.is_there(now));
    let full = u64::try_from(there.clone().count()).unwrap_or(u64::MAX) >= max_members;
    if full && !there.any(|row| row.member.user.id() == user_id) {
        return Err(Rejection::PresenceFull { max_members }.into());
    }
    Ok(())
}

/// Gives a lease back that its owner has no use for any more: others may have relied on it, so that
/// they are seen to first. What fails here the end of the lease mends.
pub(crate) async fn give_up(
    services: &Services,
    of: &ChannelKey,
    lease: Option<Lease>,
    now: UnixMillis,
) {
    if let Some(lease) = lease
        && let Err(fault) = settle(services, of, lease, now).await.outcome
    {
        log_fault!(error, fault, channel = %of.channel, "lease not given back");
    }
}

/// Takes up what an announcer may have left, if nobody else has: the reaper's part.
///
/// # Errors
/// [`Fault`]: the channel stays due.
pub(crate) async fn take_up(
    services: &Services,
    of: &ChannelKey,
    owner: &str,
    now: UnixMillis,
) -> Result<(), Fault> {
    claim_and_settle(services, of, owner, now).await.outcome
}

/// What a holder has done by the time it stopped.
#[derive(Debug)]
pub(crate) struct Settled {
    outcome: Result<(), Fault>,
    /// The subscribes that it has answered.
    answered: Vec<Asked>,
}

impl Default for Settled {
    fn default() -> Self {
        Self {
            outcome: Ok(()),
            answered: Vec::new(),
        }
    }
}

async fn claim_and_settle(
    services: &Services,
    of: &ChannelKey,
    owner: &str,
    now: UnixMillis,
) -> Settled {
    match services.table.claim(of, owner).await {
        Ok(Some(lease)) => settle(services, of, lease, now).await,
        // Its holder looks again before it gives it back.
        Ok(None) => Settled::default(),
        Err(fault) => Settled {
            outcome: Err(fault),
            ..Settled::default()
        },
    }
}

/// Tells what there is to tell until there is nothing more, and gives the lease back.
pub(crate) async fn settle(
    services: &Services,
    of: &ChannelKey,
    lease: Lease,
    now: UnixMillis,
) -> Settled {
    let mut answered = Vec::new();
    let outcome = settle_all(services, of, lease, now, &mut answered).await;
    Settled { outcome, answered }
}

/// Has a worker go on where this holder stops. Without a queue, or if it takes nothing, the reaper does.
async fn go_on_later(services: &Services, of: &ChannelKey) -> Result<(), Fault> {
    if services.later.is_none() {
        return Ok(());
    }
    let task = Task::Announce(Announce {
        app_id: of.app_id.clone(),
        channel: of.channel.clone(),
    });
    services.do_later(&task, Duration::ZERO).await
}

async fn settle_all(
    services: &Services,
    of: &ChannelKey,
    mut lease: Lease,
    now: UnixMillis,
    answered: &mut Vec<Asked>,
) -> Result<(), Fault> {
    let on = LeaseOn::Channel(of);
    let clock = Clock::start(now, SETTLE_PATIENCE);
    loop {
        let round = Round {
            number: lease.changes(),
            after_crash: lease.after_crash,
            clock,
        };
        let round = announce(services, of, round, answered);
        let Some(announced) = while_renewing(services, on, &lease, round).await? else {
            return Ok(());
        };
        // What was told by now is noted.
        lease.after_crash = false;
        if clock.is_over() {
            services.table.hand_over(of, &lease).await?;
            return go_on_later(services, of).await;
        }
        if announced.is_unfinished {
            continue;
        }
        match services.table.release(of, lease, announced.members).await? {
            Released::Yes | Released::Lost => return Ok(()),
            Released::Changed(held) => lease = held,
        }
    }
}
