//! Ending the connections of a user.
//!
//! # The order of writes, what a half-done one leaves, and who repairs it
//!
//! The readers of the user's tokens are ended first. For each connection on which the user is signed in: (1) it is told why, (2) it is closed, (3) it is
//! forgotten (see `lifecycle.rs`). What a crash leaves is found by the same call again; and a
//! connection that is closed and not forgotten is forgotten by its `$disconnect`, by whoever posts to
//! it next, or by the reaper.

use futures_util::{StreamExt as _, stream};

use crate::aws::Services;
use crate::aws::connections::Payload;
use crate::aws::table::UserKey;
use crate::connections::end;
use crate::delivery;
use crate::model::error::{Fault, Rejection};
use crate::model::limits::{POST_CONCURRENCY, REAPED_INLINE_MAX};
use crate::model::reading;
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::pusher::frame;
use crate::transport::reach;

/// Ends all connections on which a user is signed in, and all streams and polls that a token with its
/// id has opened. One read and one query, and a write for each reader; for each connection a post, a close,
/// and what [`end::forget`] costs. Of a user who is signed in on more than 20 the others are
/// closed and left to the reaper, at one write each.
///
/// # Errors
/// [`Fault`]: some may still be open, or not be forgotten; doing it again is safe.
pub async fn terminate(services: &Services, of: &UserKey, now: UnixMillis) -> Result<(), Fault> {
    let owner = reading::owner(&of.user_id);
    services.table.end_readers(&of.app_id, owner).await?;
    let Some(state) = services.table.user_state(of).await? else {
        return Ok(());
    };
    let live = state
        .connections
        .into_iter()
        .filter(|(_, expires_at)| *expires_at > now);
    let notice = &Payload::from(frame::error(&Rejection::Terminated));
    let ends: Vec<_> = live
        .enumerate()
        .map(|(place, (id, _))| async move {
            end(services, &id, notice, place < REAPED_INLINE_MAX, now).await
        })
        .collect();
    let results: Vec<Result<(), Fault>> = stream::iter(ends)
        .buffer_unordered(POST_CONCURRENCY)
        .collect()
        .await;
    results.into_iter().collect()
}

async fn end(
    services: &Services,
    id: &ConnectionId,
    notice: &Payload,
    forgets: bool,
    now: UnixMillis,
) -> Result<(), Fault> {
    // Whether it hears of it or not, it is closed.
    delivery::post_to(services, id, notice).await;
    // One that may still be open stays the user's, so that it is found again.
    reach::close(services, id, Some(&Rejection::Terminated)).await?;
    if forgets {
        end::forget(services, id, now).await
    } else {
        end::abandon(services, id, now).await
    }
}
