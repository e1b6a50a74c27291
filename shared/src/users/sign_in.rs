//! Users: signing in, and telling those who watch a user that it comes online and goes.
//!
//! # The order of writes, what a half-done one leaves, and who repairs it
//!
//! *Sign in*: (1) bind the connection to the user, in the connection's own row; if it watches others
//! (2) note whom, (3) a row for it with each of them; (4) the connection in its user's row, with the
//! lease on what is to be told; (5) the answer, (6) what the watchers are told, and whom this one
//! watches, (7) the lease is given back with what was told. Without watchlists there are (1), (4)
//! and (5) alone.
//!
//! After (1) the connection may join its user's channel, and can be no other user; who was not answered
//! signs in again, which does all of it again. After (2) and (3) it hears of those it watches. From (1)
//! on its end finds everything. After (4) the user is online for all who look; a lease that nobody gives
//! back ends by itself, and with it the user is in the index of what falls due: the reaper tells what was
//! not told, and so does whoever comes or goes after the lease has ended. It sees that the lease was never
//! given back, so that something may have been told and not noted, and tells once more how it is now.
//!
//! *Leave*: (1) the connection off its user's row, with the lease; (2) the rows with those it watched,
//! (3) the note of them; (4) what the watchers are told, (5) the lease. The connection's row says what is
//! to be done until long after, so repeating it finishes what a crash left.
//!
//! Only a sign-in that dies while its connection ends leaves the user online there, until that connection
//! would have expired.
//!
//! What is told follows from the user's row and never from the operation: the holder of the lease
//! compares what is there with what was last told, tells the difference, and looks again before it
//! gives the lease back. One that signs in and watches has its rows with the others before it looks at
//! them, so it misses nobody; and because one of them may be told of while its own look is on its way,
//! it looks again after it was told, until nothing is new. So the last word is the state.

use crate::aws::Services;
use crate::aws::table::{
    Change, ConnectionRows, Identified, SignedIn, UserKey, UserLease, Watches,
};
use crate::log::log_fault;
use crate::model::error::{Error, Fault, Rejection};
use crate::model::limits::WATCHLIST_LOOKS;
use crate::model::request::SignIn;
use crate::model::said::Said;
use crate::model::time::UnixMillis;
use crate::model::user::UserData;
use crate::model::voice::Client;
use crate::transport::say::try_say;
use crate::upkeep::operation_name;
use crate::users::watchers::settle;

/// A sign-in that is to be answered, and what is to be told after that.
#[derive(Debug)]
pub struct Pending {
    /// Whether the watchlist named too many.
    pub watchlist_cut: bool,
    of: UserKey,
    lease: Option<UserLease>,
    watched: Vec<String>,
}

/// Signs a connection in. One query and two writes. With watchlists one write more, to give the lease
/// back in [`tell`]; for a connection that watches others one, and one for each of them. Signing in
/// again as the same user succeeds again; a new watchlist takes the old one's place.
///
/// # Errors
/// [`Rejection`]: nothing was written. [`Fault`]: it may or may not be signed in; doing it again is
/// safe.
pub async fn sign_in(
    services: &Services,
    client: Client<'_>,
    request: &SignIn,
    at: UnixMillis,
) -> Result<Pending, Error> {
    let id = client.id;
    let connection = services
        .table
        .connection(id, at)
        .await?
        .ok_or(Rejection::NotConnected)?;
    let app = services
        .apps
        .by_id(&connection.app_id)
        .ok_or(Rejection::NotConnected)?;
    let SignIn { auth, user_data } = request;
    let protocol = services.protocols.of(client.voice)?;
    if !(protocol.signs_in)(app, id, user_data, auth) {
        return Err(Rejection::SigninAuth.into());
    }
    let UserData {
        user,
        watchlist,
        watchlist_cut,
    } = UserData::parse(user_data)?;
    if connection
        .user()
        .is_some_and(|other| other.id() != user.id())
    {
        return Err(Rejection::SigninTwice.into());
    }
    let announces = app.settings().watchlist;
    let watched = if announces { watchlist } else { Vec::new() };
    let watched_before = connection
        .signed_in
        .as_ref()
        .is_some_and(|signed_in| signed_in.watches);
    let signed_in = SignedIn {
        app_id: connection.app_id.clone(),
        user,
        announces,
        watches: watched_before || !watched.is_empty(),
    };
    match services.table.identify(id, &signed_in).await? {
        Identified::Yes => {}
        Identified::Otherwise => return Err(Rejection::SigninTwice.into()),
        Identified::Over => return Err(Rejection::NotConnected.into()),
    }
    if signed_in.watches {
        watch(services, &connection, client, &watched, watched_before, at).await?;
    }
    let of = signed_in.key();
    let expires_at = connection.expires_at;
    let change = Change::Come {
        client,
        at,
        expires_at,
    };
    let lease = if announces {
        let op = operation_name()?;
        services
            .table
            .change_and_claim_user(&of, change, &op)
            .await?
    } else {
        services.table.change_user(&of, change).await?;
        None
    };
    Ok(Pending {
        watchlist_cut: announces && watchlist_cut,
        of,
        lease,
        watched,
    })
}

/// Has a connection hear of those it watches, and no more of those it watched before.
async fn watch(
    services: &Services,
    connection: &ConnectionRows,
    client: Client<'_>,
    watched: &[String],
    watched_before: bool,
    at: UnixMillis,
) -> Result<(), Fault> {
    let (table, id) = (&services.table, client.id);
    let app_id = connection.app_id.as_str();
    if watched_before {
        let mut before = table.watched_by(id).await?;
        before.retain(|user_id| !watched.contains(user_id));
        table.delete_watchers(app_id, id, &before).await?;
    }
    let watches = Watches {
        app_id,
        id,
        watched,
        expires_at: connection.expires_at,
        voice: client.voice,
    };
    if table.note_watches(watches, at).await? {
        table.put_watchers(watches).await?;
    }
    Ok(())
}

/// Tells the watchers of a user what has to be told of it, and a connection that has just signed in
/// who of those it watches is online. Two reads of all that are watched, one more whenever somebody of
/// them has come or gone meanwhile; one query and a post for each watcher if the user has come online;
/// one write.
pub async fn tell(services: &Services, client: Client<'_>, pending: Pending, now: UnixMillis) {
    let id = client.id;
    let Pending {
        of, lease, watched, ..
    } = pending;
    let settled = async {
        match lease {
            Some(lease) => settle(services, &of, lease, now).await,
            None => Ok(()),
        }
    };
    let shown = show_watched(services, &of.app_id, client, &watched, now);
    let (settled, shown) = tokio::join!(settled, shown);
    for fault in [settled.err(), shown.err()].into_iter().flatten() {
        log_fault!(error, fault, connection_id = %id, "signed in, not all is told");
    }
}

/// Tells a connection who of those it watches is online and who is not, and what has changed while it
/// was told.
async fn show_watched(
    services: &Services,
    app_id: &str,
    client: Client<'_>,
    watched: &[String],
    now: UnixMillis,
) -> Result<(), Fault> {
    if watched.is_empty() {
        return Ok(());
    }
    let mut told: Vec<Option<bool>> = vec![None; watched.len()];
    for _ in 0..WATCHLIST_LOOKS {
        let online = services.table.are_online(app_id, watched, now).await?;
        let new = |wanted: bool| -> Vec<&str> {
            let states = told.iter().zip(&online).zip(watched);
            states
                .filter(|((told, online), _)| **online == wanted && **told != Some(wanted))
                .map(|(_, user_id)| user_id.as_str())
                .collect()
        };
        let (come, gone) = (new(true), new(false));
        if come.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let said = Said::Watched {
            online: &come,
            offline: &gone,
        };
        if !try_say(services, client, &said, now).await? {
            // Its end will find everything.
            return Ok(());
        }
        told = online.into_iter().map(Some).collect();
    }
    tracing::warn!(connection_id = %client.id, "those it watches come and go faster than it can be told");
    Ok(())
}
