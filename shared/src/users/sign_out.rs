//! Signing a connection out when it is over. `sign_in.rs` has the order of writes.

use crate::aws::Services;
use crate::aws::table::{Change, SignedIn, UserKey, UserLease};
use crate::model::error::Fault;
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::upkeep::operation_name;
use crate::users::watchers::settle;

/// Takes a connection that is over off its user, and off those it watched. One write; with watchlists
/// two and, if it was the user's last, a query and a post for each watcher; if it watched others, one
/// read and one write, and one for each of them. May be repeated, and finishes what an earlier one
/// left.
///
/// # Errors
/// [`Fault`]: some of it may be left, or not told. What is left is expired with the connection.
pub(crate) async fn leave(
    services: &Services,
    id: &ConnectionId,
    signed_in: &SignedIn,
    now: UnixMillis,
) -> Result<(), Fault> {
    let of = signed_in.key();
    let lease = go(services, &of, id, signed_in.announces).await;
    let settled = async {
        match lease? {
            Some(lease) => settle(services, &of, lease, now).await,
            None => Ok(()),
        }
    };
    let unwatched = async {
        if signed_in.watches {
            let watched = services.table.watched_by(id).await?;
            services
                .table
                .delete_watchers(&of.app_id, id, &watched)
                .await?;
            services.table.delete_watches(id).await?;
        }
        Ok(())
    };
    let (settled, unwatched) = tokio::join!(settled, unwatched);
    settled.and(unwatched)
}

/// Takes a connection off its user's row.
async fn go(
    services: &Services,
    of: &UserKey,
    id: &ConnectionId,
    announces: bool,
) -> Result<Option<UserLease>, Fault> {
    let change = Change::Go { id };
    if !announces {
        let left = services.table.change_user(of, change).await?;
        // Its app may have got watchlists since it signed in.
        if left.is_none_or(|state| state.announced.is_none()) {
            return Ok(None);
        }
    }
    let op = operation_name()?;
    services.table.change_and_claim_user(of, change, &op).await
}
