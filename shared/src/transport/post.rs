//! Posting to one connection with patience, and closing it.
//!
//! What a client must have and does not get closes its connection: to skip a frame silently is worse, and a
//! client that comes back sees the truth. But when API Gateway refuses many at once, nobody is closed for it:
//! the posts are repeated more slowly, and at last the caller is told.
//!
//! A connection that is found gone, or was closed, is marked: one write. Forgetting it is left to a worker or the
//! reaper.

use std::sync::PoisonError;

use crate::aws::connections::{Payload, Posted};
use crate::aws::table::Mark;
use crate::aws::{Clock, Services, now};
use crate::log::log_fault;
use crate::model::error::{Fault, Rejection};
use crate::model::limits::{
    POST_PATIENCE, POST_REPEAT_PAUSES, THROTTLE_PAUSES, WIDESPREAD_THROTTLE_PAUSE,
};
use crate::model::pressure::Pressure;
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::transport::pacer::Pacer;
use crate::transport::reach;
use crate::upkeep::{Forgotten, mark_gone, spread};

/// What became of a frame for one recipient.
#[derive(Debug)]
pub(crate) enum Recipient {
    /// It has it.
    Served,
    /// There is no such connection any more.
    Gone,
    /// It alone did not take it in: it is to be closed.
    Stuck,
    /// The post failed. It may or may not have it, and is to be closed unless many fail.
    Doubtful(Fault),
    /// API Gateway refuses many at once. It does not have it, and is not to blame.
    Refused,
}

/// Whether a frame may be posted again when it is not known whether the client has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Only what was provably not sent is repeated.
    Unsent,
    /// It does no harm to a client that has it already.
    Harmless,
}

/// Posts a frame to one connection. A post answered 429 was not processed and is repeated,
/// each connection at its own pace; so is one whose connection to API Gateway could not be opened, and one
/// that failed if that does no harm. Up to six posts, and more while API Gateway refuses many at once.
pub(crate) async fn post(
    services: &Services,
    id: &ConnectionId,
    payload: &Payload,
    pacer: Option<&Pacer>,
    repeat: Repeat,
) -> Recipient {
    let clock = Clock::start(now(), POST_PATIENCE);
    let mut throttled = THROTTLE_PAUSES.iter();
    let mut failed = POST_REPEAT_PAUSES.iter();
    let (mut waiting, mut is_one_of_many) = (None, false);
    loop {
        let posted = reach::post(services, id, payload).await;
        let may_repeat = match &posted {
            Posted::Delivered => {
                pressure(services, |pressure| pressure.delivered(now()));
                return Recipient::Served;
            }
            Posted::Gone => return Recipient::Gone,
            Posted::Throttled | Posted::Unsent(_) => true,
            // A client that does not answer would hold up the others as long again.
            Posted::Silent(_) => false,
            Posted::Failed(_) => repeat == Repeat::Harmless,
        };
        pressure(services, |pressure| pressure.refused(now()));
        waiting.get_or_insert_with(|| Waiting::new(services));
        let pauses = if matches!(posted, Posted::Throttled) {
            &mut throttled
        } else {
            &mut failed
        };
        let pause = match (pauses.next().filter(|_| may_repeat), posted) {
            (Some(pause), _) => *pause,
            (None, Posted::Failed(fault) | Posted::Unsent(fault) | Posted::Silent(fault)) => {
                return Recipient::Doubtful(fault);
            }
            // The last one to be given up is alone, too, and was not to blame.
            (None, _) if !is_one_of_many && !is_widespread(services) => {
                tracing::warn!(connection_id = %id, "it takes nothing in");
                return Recipient::Stuck;
            }
            (None, _) if clock.is_over() => return Recipient::Refused,
            (None, _) => {
                is_one_of_many = true;
                WIDESPREAD_THROTTLE_PAUSE
            }
        };
        tokio::time::sleep(spread(pause)).await;
        if let Some(pacer) = pacer {
            pacer.turn().await;
        }
    }
}

fn is_widespread(services: &Services) -> bool {
    pressure(services, |pressure| pressure.is_widespread(now()))
}

fn pressure<T>(services: &Services, look: impl FnOnce(&mut Pressure) -> T) -> T {
    let pressure = services.pressure.lock();
    look(&mut pressure.unwrap_or_else(PoisonError::into_inner))
}

/// A connection whose post is being repeated.
struct Waiting<'a>(&'a Services);

impl<'a> Waiting<'a> {
    fn new(services: &'a Services) -> Self {
        pressure(services, |pressure| pressure.waits(now()));
        Self(services)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        pressure(self.0, Pressure::waits_no_more);
    }
}

/// Posts a frame that does no harm if it comes twice. A connection that is gone, or does not take it in and so
/// is closed, is marked. `true`: it has the frame. One write for a connection that has not.
///
/// # Errors
/// [`Fault`]: it may or may not have it.
pub(crate) async fn post_or_mark(
    services: &Services,
    id: &ConnectionId,
    payload: &Payload,
    now: UnixMillis,
) -> Result<bool, Fault> {
    match post(services, id, payload, None, Repeat::Harmless).await {
        Recipient::Served => Ok(true),
        Recipient::Gone => {
            mark_gone(services, id, Mark::CLOSED, Forgotten::Promptly, now).await?;
            Ok(false)
        }
        Recipient::Refused => Err(Fault::Throttled),
        Recipient::Doubtful(fault) if is_widespread(services) => Err(fault),
        Recipient::Doubtful(_) | Recipient::Stuck => {
            end(services, id, None, now).await?;
            Ok(false)
        }
    }
}

/// Closes a connection that is not served any longer, and marks it. One that cannot be closed now is
/// closed by whoever forgets it. One request, one write and one message.
///
/// # Errors
/// [`Fault`]: it is not marked, and may be open.
pub(crate) async fn end(
    services: &Services,
    id: &ConnectionId,
    reason: Option<&Rejection>,
    now: UnixMillis,
) -> Result<(), Fault> {
    let mark = close(services, id, reason).await;
    mark_gone(services, id, mark, Forgotten::Promptly, now).await
}

/// Closes a connection, and says how it is to be marked.
pub(crate) async fn close(
    services: &Services,
    id: &ConnectionId,
    reason: Option<&Rejection>,
) -> Mark<'static> {
    match reach::close(services, id, reason).await {
        Ok(()) => Mark::CLOSED,
        Err(fault) => {
            log_fault!(error, fault, connection_id = %id, "not closed yet");
            Mark::MAY_BE_OPEN
        }
    }
}
