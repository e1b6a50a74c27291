//! Answers to one client.

use bytes::Bytes;

use crate::aws::Services;
use crate::model::error::{Fault, chain};
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::transport::post::post_or_mark;

/// Answers a client, and says whether it has the answer. One that is gone is marked: its
/// `$disconnect` may have run before what was just written.
pub async fn reply(services: &Services, id: &ConnectionId, answer: Bytes, now: UnixMillis) -> bool {
    match try_reply(services, id, answer, now).await {
        Ok(served) => served,
        Err(fault) => {
            tracing::error!(connection_id = %id, error_type = fault.error_type(), error = chain(&fault), "not answered");
            false
        }
    }
}

/// The same for a caller who has to know whether the client may have the answer all the same.
///
/// # Errors
/// [`Fault`]: it may or may not have it.
pub(crate) async fn try_reply(
    services: &Services,
    id: &ConnectionId,
    answer: Bytes,
    now: UnixMillis,
) -> Result<bool, Fault> {
    post_or_mark(services, id, &answer.into(), now).await
}
