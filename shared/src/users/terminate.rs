//! Ending the connections of a user.
//!
//! # The order of writes, what a half-done one leaves, and who repairs it
//!
//! 1. End the readers of the user's tokens.
//! 2. For each connection on which the user is signed in: tell it why, close it, and mark it.
//!
//! After a crash the same call finds what is left. A connection that is marked is forgotten by a worker or
//! the reaper, which closes it first if it could not be closed here.

use futures_util::{StreamExt as _, stream};

use crate::aws::Services;
use crate::aws::table::{Mark, UserKey};
use crate::model::error::{Fault, Rejection};
use crate::model::limits::{FORGOTTEN_PROMPTLY_MAX, POST_CONCURRENCY};
use crate::model::reading;
use crate::model::said::Said;
use crate::model::time::UnixMillis;
use crate::model::voice::Client;
use crate::transport::post::{Repeat, post};
use crate::transport::reach;
use crate::transport::say::Speech;
use crate::upkeep::{Forgotten, mark_gone};

/// Ends all connections on which a user is signed in, and all streams and polls that a token with its
/// id has opened. One read and one query, and a write for each reader; for each connection a post, a
/// request to close it and a write. Workers forget the first 20, at a message each, the reaper the others.
///
/// # Errors
/// [`Fault`]: some may still be open; doing it again is safe.
pub async fn terminate(services: &Services, of: &UserKey, now: UnixMillis) -> Result<(), Fault> {
    let owner = reading::owner(&of.user_id);
    services.table.end_readers(&of.app_id, owner).await?;
    let Some(state) = services.table.user_state(of).await? else {
        return Ok(());
    };
    let live = state
        .connections
        .iter()
        .filter(|(_, expires_at)| **expires_at > now)
        .map(|(id, _)| state.client(id));
    let notice = &Speech::new(services.protocols, Said::Refused(&Rejection::Terminated));
    let ends: Vec<_> = live
        .enumerate()
        .map(|(place, client)| async move {
            let forgotten = if place < FORGOTTEN_PROMPTLY_MAX {
                Forgotten::Promptly
            } else {
                Forgotten::ByReaper
            };
            end(services, client, notice, forgotten, now).await
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
    client: Client<'_>,
    notice: &Speech<'_>,
    forgotten: Forgotten,
    now: UnixMillis,
) -> Result<(), Fault> {
    let id = client.id;
    // Whether it hears of it or not, it is closed.
    let frame = notice.in_voice(client.voice)?;
    post(services, id, frame, None, Repeat::Harmless).await;
    let closed = reach::close(services, id, Some(&Rejection::Terminated)).await;
    let mark = match &closed {
        Ok(()) => Mark::CLOSED,
        Err(_) => Mark::MAY_BE_OPEN,
    };
    mark_gone(services, id, mark, forgotten, now).await?;
    closed
}
