//! Reaping: what nobody else finishes. Every minute the index says what has fallen due: connections
//! whose `$disconnect` never came or was not finished, those that are to be looked at, and channels and
//! users whose announcer may have died.
//!
//! # The order of writes, what a half-done one leaves, and who repairs it
//!
//! It does what others would have done (`lifecycle.rs`, `attend.rs`, `users.rs`), in their order. What it does
//! not finish stays due, and the next run takes it up.

use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use crate::aws::Services;
use crate::aws::schema::DUE_SHARDS;
use crate::aws::table::{ConnectionState, Due};
use crate::connections::end;
use crate::log::log_fault;
use crate::model::error::{Fault, Rejection};
use crate::model::limits::{REAP_CONCURRENCY, REAP_PATIENCE};
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
    let started = Instant::now();
    let shards = stream::iter(0..DUE_SHARDS).map(|shard| reap_shard(services, shard, now, started));
    shards
        .buffer_unordered(REAP_CONCURRENCY)
        .fold(Reaped::default(), |sum, shard| {
            std::future::ready(Reaped {
                done: sum.done + shard.done,
                failed: sum.failed + shard.failed,
            })
        })
        .await
}

async fn reap_shard(services: &Services, shard: u32, now: UnixMillis, started: Instant) -> Reaped {
    let mut reaped = Reaped::default();
    let mut start = None;
    while started.elapsed() < REAP_PATIENCE {
        let page = match services.table.due(shard, now, start).await {
            Ok(page) => page,
            Err(fault) => {
                log_fault!(error, fault, shard, "index not read");
                reaped.failed += 1;
                return reaped;
            }
        };
        for due in page.due {
            let seen_to = see_to(services, &due, now).await;
            services.tell_webhooks().await;
            match seen_to {
                Ok(()) => reaped.done += 1,
                Err(fault) => {
                    log_fault!(error, fault, due = ?due, "stays due");
                    reaped.failed += 1;
                }
            }
            if started.elapsed() >= REAP_PATIENCE {
                break;
            }
        }
        start = page.next;
        if start.is_none() {
            break;
        }
    }
    reaped
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
