//! Posting to one connection with patience, and closing it.
//!
//! A connection that stays throttled takes nothing in and is closed, because to skip a frame silently is
//! worse. A connection that is found gone, or was closed, is marked: one write. Forgetting it is left to a
//! worker or the reaper.

use crate::aws::Services;
use crate::aws::connections::{Payload, Posted};
use crate::aws::table::Mark;
use crate::log::log_fault;
use crate::model::error::{Fault, Rejection};
use crate::model::limits::THROTTLE_PAUSES;
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::transport::pacer::Pacer;
use crate::transport::reach;
use crate::upkeep::{Forgotten, mark_gone};

/// What became of a frame for one recipient.
#[derive(Debug)]
pub(crate) enum Recipient {
    /// It has it.
    Served,
    /// There is no such connection any more.
    Gone,
    /// It took nothing in for as long as a post is repeated.
    Stuck,
    /// It may or may not have it.
    Failed(Fault),
}

/// Posts a frame to one connection: at most once. A post answered 429 was not processed and is repeated,
/// each connection at its own pace: a slow client's full buffer is a 429, too. Up to six posts.
pub(crate) async fn post(
    services: &Services,
    id: &ConnectionId,
    payload: &Payload,
    pacer: Option<&Pacer>,
) -> Recipient {
    let mut pauses = THROTTLE_PAUSES.iter();
    loop {
        match reach::post(services, id, payload).await {
            Posted::Delivered => return Recipient::Served,
            Posted::Gone => return Recipient::Gone,
            Posted::Failed(fault) => return Recipient::Failed(fault),
            Posted::Throttled => {}
        }
        let Some(pause) = pauses.next() else {
            tracing::warn!(connection_id = %id, "it stays throttled");
            return Recipient::Stuck;
        };
        tokio::time::sleep(crate::upkeep::spread(*pause)).await;
        if let Some(pacer) = pacer {
            pacer.turn().await;
        }
    }
}

/// The same, after which a connection that is gone, or stuck and so closed, is marked. `true`: it has the
/// frame. One write for a connection that has not.
///
/// # Errors
/// [`Fault`]: it may or may not have it.
pub(crate) async fn post_or_mark(
    services: &Services,
    id: &ConnectionId,
    payload: &Payload,
    now: UnixMillis,
) -> Result<bool, Fault> {
    match post(services, id, payload, None).await {
        Recipient::Served => Ok(true),
        Recipient::Gone => {
            mark_gone(services, id, Mark::CLOSED, Forgotten::Promptly, now).await?;
            Ok(false)
        }
        Recipient::Stuck => {
            end(services, id, None, now).await?;
            Ok(false)
        }
        Recipient::Failed(fault) => Err(fault),
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
