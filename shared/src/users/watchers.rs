//! Telling those who watch a user that it comes online and goes. One function at a time tells of a user.

use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::aws::table::{Change, LeaseOn, Released, SubscriberRow, UserKey, UserLease};
use crate::aws::{Clock, Services};
use crate::delivery::page_by_page;
use crate::log::log_fault;
use crate::model::error::Fault;
use crate::model::limits::{POST_CONCURRENCY, SETTLE_PATIENCE};
use crate::model::said::Said;
use crate::model::time::UnixMillis;
use crate::transport::post::post_or_mark;
use crate::transport::say::Speech;
use crate::upkeep::{operation_name, while_renewing};

/// Tells a user's watchers what there is to tell until there is nothing more, and gives the lease
/// back.
///
/// # Errors
/// [`Fault`]: the lease ends by itself, and the user is due.
pub(crate) async fn settle(
    services: &Services,
    of: &UserKey,
    mut held: UserLease,
    now: UnixMillis,
) -> Result<(), Fault> {
    let on = LeaseOn::User(of);
    let clock = Clock::start(now, SETTLE_PATIENCE);
    loop {
        let at = clock.now();
        let UserLease { lease, state } = held;
        let online = state.is_online(at);
        if state.is_untold(at) || lease.after_crash {
            let telling = tell_watchers(services, of, online, at);
            if while_renewing(services, on, &lease, telling)
                .await?
                .is_none()
            {
                return Ok(());
            }
        }
        held = match services.table.release_user(of, lease, online).await? {
            Released::Yes | Released::Lost => return Ok(()),
            Released::Changed(held) => held,
        };
        if clock.is_over() {
            // The lease ends by itself, and what was told is not noted: as after a crash.
            tracing::warn!(
                user_id = of.user_id,
                "comes and goes faster than it can be told"
            );
            return Ok(());
        }
    }
}

/// Takes up what somebody may have left who told of a user, if nobody else has: the reaper's part.
///
/// # Errors
/// [`Fault`]: the user stays due.
pub(crate) async fn take_up(
    services: &Services,
    of: &UserKey,
    now: UnixMillis,
) -> Result<(), Fault> {
    let op = operation_name()?;
    match services
        .table
        .change_and_claim_user(of, Change::Unknown, &op)
        .await?
    {
        Some(held) => settle(services, of, held, now).await,
        None => Ok(()),
    }
}

/// Tells every live connection that watches a user that it has come online or gone. One query for each
/// megabyte of them, and a post each.
async fn tell_watchers(
    services: &Services,
    of: &UserKey,
    online: bool,
    now: UnixMillis,
) -> Result<(), Fault> {
    let user_id = [of.user_id.as_str()];
    let (online, offline): (&[&str], &[&str]) = if online {
        (&user_id, &[])
    } else {
        (&[], &user_id)
    };
    let speech = &Speech::new(services.protocols, Said::Watched { online, offline });
    let watchers = page_by_page(|start| services.table.watchers(of, start));
    watchers
        .try_filter(|row| std::future::ready(row.expires_at > now))
        .map(|row| async move {
            tell_watcher(services, of, &row?, speech, now).await;
            Ok(())
        })
        .buffer_unordered(POST_CONCURRENCY)
        .try_collect()
        .await
}

/// Posts to one watcher. One that is gone is marked, and the row that led there deleted: to forget it here would
/// tell its own watchers, who may be gone, too.
async fn tell_watcher(
    services: &Services,
    of: &UserKey,
    watcher: &SubscriberRow,
    speech: &Speech<'_>,
    now: UnixMillis,
) {
    let id = &watcher.id;
    let told = match speech.in_voice(watcher.voice) {
        Ok(payload) => post_or_mark(services, id, payload, now).await,
        Err(fault) => Err(fault),
    };
    let tidied = match told {
        Ok(true) => Ok(()),
        // After a crash its own note may not name this row.
        Ok(false) => {
            let user_id = std::slice::from_ref(&of.user_id);
            let table = &services.table;
            table.delete_watchers(&of.app_id, id, user_id).await
        }
        Err(fault) => Err(fault),
    };
    if let Err(fault) = tidied {
        log_fault!(error, fault, connection_id = %id, "watcher not told");
    }
}
