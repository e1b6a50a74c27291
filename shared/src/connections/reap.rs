//! Reaping: what nobody else finishes. Every minute the index says what has fallen due: connections
//! whose `$disconnect` never came or was not finished, those that are to be looked at, and channels and
//! users whose announcer may have died.
//!
//! # The order of writes, what a half-done one leaves, and who repairs it
//!
//! It does what others would have done (`lifecycle.rs`, `attend.rs`, `users.rs`), in their order. What it does
//! not finish stays due, and the next run takes it up.

use futures_util::future::join_all;
use futures_util::{StreamExt as _, stream};
use tokio::time::timeout;

use crate::aws::schema::DUE_SHARDS;
use crate::aws::table::{ConnectionState, Due};
use crate::aws::{Clock, Services};
use crate::connections::end;
use crate::log::log_fault;
use crate::model::error::{ErrorType, Fault, Rejection};
use crate::model::limits::{REAP_ITEM_PATIENCE, REAP_ITEMS_AT_ONCE, REAP_PATIENCE};
use crate::model::said::Said;
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::model::voice::Client;
use crate::presence::lease;
use crate::transport::post::close;
use crate::transport::reach;
use crate::transport::say::say;
use crate::upkeep::{Forgotten, mark_gone, operation_name};
use crate::users::watchers;

/// How much was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reaped {
    /// What was seen to.
    pub done: u64,
    /// What failed and stays due.
    pub failed: u64,
}

/// Sees to everything that is due, until there is nothing more or the time is up. One query for
/// each of the index's partitions, and what each thing costs that is due.
pub async fn reap(services: &Services, now: UnixMillis) -> Reaped {
    let clock = Clock::start(now, REAP_PATIENCE);
    // All at once: none waits until those before it have nothing more.
    let shards: Vec<_> = (0..DUE_SHARDS)
        .map(|shard| reap_shard(services, shard, clock))
        .collect();
    let reaped = join_all(shards).await.into_iter();
    reaped.fold(Reaped::default(), |sum, shard| Reaped {
        done: sum.done + shard.done,
        failed: sum.failed + shard.failed,
    })
}

async fn reap_shard(services: &Services, shard: u32, clock: Clock) -> Reaped {
    let now = clock.now();
    let mut reaped = Reaped::default();
    let mut start = None;
    while !clock.is_over() {
        let page = match services.table.due(shard, now, start).await {
            Ok(page) => page,
            Err(fault) => {
                log_fault!(error, fault, shard, "index not read");
                reaped.failed += 1;
                return reaped;
            }
        };
        let items = page
            .due
            .into_iter()
            .map(|due| reap_item(services, due, clock));
        let items = stream::iter(items.collect::<Vec<_>>()).buffer_unordered(REAP_ITEMS_AT_ONCE);
        let outcomes: Vec<Option<bool>> = items.collect().await;
        for done in outcomes.into_iter().flatten() {
            if done {
                reaped.done += 1;
            } else {
                reaped.failed += 1;
            }
        }
        services.tell_webhooks().await;
        start = page.next;
        if start.is_none() {
            break;
        }
    }
    reaped
}

/// Sees to one thing that is due, for so long at most: one that hangs costs the others nothing. Whether it is
/// done; `None`: there was no time to begin it.
async fn reap_item(services: &Services, due: Due, clock: Clock) -> Option<bool> {
    if clock.is_over() {
        return None;
    }
    match timeout(REAP_ITEM_PATIENCE, see_to(services, &due, clock.now())).await {
        Ok(Ok(())) => Some(true),
        Ok(Err(fault)) => {
            log_fault!(error, fault, due = ?due, "stays due");
            Some(false)
        }
        Err(_) => {
            let error_type = ErrorType::OutOfTime.name();
            tracing::error!(error_type, due = ?due, "stays due: it takes too long");
            Some(false)
        }
    }
}

async fn see_to(services: &Services, due: &Due, now: UnixMillis) -> Result<(), Fault> {
    match due {
        Due::Connection(id) => see_to_connection(services, id, now).await,
        Due::Channel(of) => {
            let owner = operation_name()?;
            lease::take_up(services, of, &owner, now).await
        }
        Due::User(of) => watchers::take_up(services, of, now).await,
    }
}

async fn see_to_connection(
    services: &Services,
    id: &ConnectionId,
    now: UnixMillis,
) -> Result<(), Fault> {
    let connection = match services.table.connection_state(id, now).await? {
        ConnectionState::Over => return end::forget(services, id, now).await,
        ConnectionState::Live(connection) => connection,
    };
    let app = services.apps.by_id(&connection.app_id);
    let timeout_secs = app.map_or(0, |app| app.settings().authorized_connections_timeout_secs);
    let overdue_at = connection.connected_at.plus_secs(timeout_secs);
    let overdue = timeout_secs > 0 && !connection.is_authorized();
    if overdue && overdue_at <= now {
        let reason = Rejection::AuthorizationOverdue;
        let client = Client {
            id,
            voice: connection.voice,
        };
        // Whether it hears of it or not, it is closed.
        say(services, client, &Said::Refused(&reason), now).await;
        let mark = close(services, id, Some(&reason)).await;
        mark_gone(services, id, mark, Forgotten::ByReaper, now).await?;
        return end::forget(services, id, now).await;
    }
    let mut due_at = connection.expires_at;
    if overdue {
        due_at = due_at.min(overdue_at);
    }
    let Some(look_at) = reach::look(services, id, &connection, now).await? else {
        return end::forget(services, id, now).await;
    };
    due_at = due_at.min(look_at);
    services.table.look_again(id, due_at).await
}
