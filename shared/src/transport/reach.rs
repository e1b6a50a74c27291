//! The one place where it matters how a connection is reached: API Gateway has its socket, or it has an
//! outbox and comes for what is in it (see `pickup.rs`).

use crate::aws::connections::{Liveness, Payload, Posted};
use crate::aws::table::ConnectionRows;
use crate::aws::{Services, now};
use crate::model::error::{Fault, Rejection};
use crate::model::limits::SESSION_SILENCE_SECS;
use crate::model::metrics::Count;
use crate::model::session::Parting;
use crate::model::socket_id::{ConnectionId, Transport};
use crate::model::time::UnixMillis;

/// Posts a frame to a connection, one attempt: a post, or one write and one read.
pub(crate) async fn post(services: &Services, id: &ConnectionId, payload: &Payload) -> Posted {
    let posted = match id.transport() {
        Transport::Socket => services.connections.post(id, payload).await,
        Transport::Http => put(services, id, payload).await,
    };
    match &posted {
        Posted::Delivered | Posted::Unsent(_) | Posted::Silent(_) | Posted::Failed(_) => {}
        Posted::Gone => services.metrics.add(Count::Gone, 1),
        Posted::Throttled => services.metrics.add(Count::Throttled, 1),
    }
    posted
}

/// Whether the connection is there is read at the same time. One that is closed later has the rows that
/// were there before read after that, and so forgets them.
async fn put(services: &Services, id: &ConnectionId, payload: &Payload) -> Posted {
    let now = now();
    let frame = String::from_utf8_lossy(payload.bytes());
    let (put, live) = tokio::join!(
        services.table.put_frame(id, &frame, now),
        services.table.is_live(id, now),
    );
    match (put, live) {
        (_, Ok(false)) => Posted::Gone,
        (Ok(()), _) => Posted::Delivered,
        (Err(fault), _) if fault.is_throttled() => Posted::Throttled,
        (Err(fault), _) => Posted::Failed(fault),
    }
}

/// Closes a connection; one that is gone is closed. A socket cannot be told why, a session is: with
/// the code of `reason`. One request, or one write.
///
/// # Errors
/// [`Fault`]: it may still be open.
pub(crate) async fn close(
    services: &Services,
    id: &ConnectionId,
    reason: Option<&Rejection>,
) -> Result<(), Fault> {
    match id.transport() {
        Transport::Socket => services.connections.close(id).await,
        Transport::Http => {
            let parting = parting(services, reason);
            services.table.put_parting(id, &parting, now()).await
        }
    }
}

/// How a session is closed, for a reason or for none that its client could mend.
pub(crate) fn parting(services: &Services, reason: Option<&Rejection>) -> Parting {
    let text = reason.map(ToString::to_string);
    Parting {
        code: (services.protocols.first().close_code)(reason),
        reason: text.unwrap_or_else(|| "this connection is over: connect again".to_owned()),
    }
}

/// Whether a connection that counts as alive is still there, as far as that can be told, and when it is
/// to be looked at again; `None`: it has gone. A socket that others are told of is asked for, where
/// that is wanted: one request. Of a session it is read when its client was last heard of: one read.
///
/// # Errors
/// [`Fault`]: it is not known.
pub(crate) async fn look(
    services: &Services,
    id: &ConnectionId,
    connection: &ConnectionRows,
    now: UnixMillis,
) -> Result<Option<UnixMillis>, Fault> {
    match (id.transport(), services.lives.probe_secs) {
        (Transport::Socket, None) => Ok(Some(connection.expires_at)),
        (Transport::Socket, Some(probe_secs)) => {
            let gone =
                connection.is_present() && services.connections.ask(id).await? == Liveness::Gone;
            Ok((!gone).then(|| now.plus_secs(probe_secs)))
        }
        (Transport::Http, _) => {
            let heard_at = services.table.heard_at(id).await?;
            let heard_at = heard_at.unwrap_or(connection.connected_at);
            let silent_at = heard_at.plus_secs(SESSION_SILENCE_SECS);
            Ok((silent_at > now).then_some(silent_at))
        }
    }
}
