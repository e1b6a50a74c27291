//! What many use cases do to the table and none of them owns: naming a request, counting a subscriber out,
//! marking a connection that is gone, and keeping a lease. Nothing here posts, and nothing announces.

use std::time::Duration;

use crate::aws::Services;
use crate::aws::table::{ChannelKey, CountedOut, Lease, LeaseOn, Mark};
use crate::log::log_fault;
use crate::model::error::Fault;
use crate::model::socket_id::ConnectionId;
use crate::model::task::{Forget, Task};
use crate::model::time::UnixMillis;

/// How often a holder that is still busy renews its lease: several times before it ends.
const LEASE_RENEWAL: Duration = Duration::from_secs(3);

/// Who undoes what hangs on a connection that was found gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forgotten {
    /// A worker, at once: one message. The reaper does it if the message is lost.
    Promptly,
    /// The reaper, within a minute: for whoever finds many of them.
    ByReaper,
}

/// A name for one request's writes, unique among those on the same row. Short, since it is in
/// every subscriber's row.
///
/// # Errors
/// [`Fault::Random`].
pub(crate) fn operation_name() -> Result<String, Fault> {
    Ok(format!("{:016x}", getrandom::u64().map_err(Fault::Random)?))
}

/// Half to one and a half of a pause, at random, lest all who wait come back at once.
pub(crate) fn spread(pause: Duration) -> Duration {
    let share = getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX));
    pause.mul_f64(0.5 + share)
}

/// Counts a deleted subscriber out, and takes the lease on its channel's announcements for an
/// `owner`, if it is free. A failure leaves the count too high, which is allowed, and is not
/// repeated, since a second decrement could make it too low. One write, two for the last subscriber.
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
            log_fault!(warn, fault, channel = %of.channel, "count left too high");
            None
        }
    }
}

/// Marks a connection as over, so that it does nothing more, and has somebody else undo what hangs on it.
/// `met` is the subscriber whose row led to it: after a crash nothing else may name that row. One write,
/// and one message where it is to be forgotten promptly.
///
/// # Errors
/// [`Fault`]: it is not marked. Whoever meets it next finds it gone again.
pub(crate) async fn mark_gone(
    services: &Services,
    id: &ConnectionId,
    mark: Mark<'_>,
    forgotten: Forgotten,
    now: UnixMillis,
) -> Result<(), Fault> {
    services.table.mark_closed(id, mark, now, now).await?;
    if forgotten == Forgotten::Promptly && services.later.is_some() {
        let task = Task::Forget(Forget { id: id.clone() });
        if let Err(fault) = services.do_later(&task, Duration::ZERO).await {
            // It is due, so the reaper does it.
            log_fault!(warn, fault, connection_id = %id, "left to the reaper");
        }
    }
    Ok(())
}

/// Keeps the lease while `round` is under way: a write every three seconds. `None`: it was lost.
///
/// # Errors
/// Those of `round`.
pub(crate) async fn while_renewing<T>(
    services: &Services,
    on: LeaseOn<'_>,
    lease: &Lease,
    round: impl Future<Output = Result<T, Fault>>,
) -> Result<Option<T>, Fault> {
    tokio::pin!(round);
    loop {
        tokio::select! {
            done = &mut round => return done.map(Some),
            () = tokio::time::sleep(LEASE_RENEWAL) => {}
        }
        match services.table.renew(on, lease).await {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(fault) => {
                log_fault!(warn, fault, lease = ?on, "lease not renewed");
            }
        }
    }
}
