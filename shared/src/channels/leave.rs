//! Taking one subscriber off one channel.

use crate::aws::Services;
use crate::aws::table::{Subscriber, Written};
use crate::model::error::Fault;
use crate::model::time::UnixMillis;
use crate::presence::lease::{self, Leave};
use crate::upkeep::{count_out, operation_name};

/// Takes a subscriber off its channel, and its connection off its user if the channel is one of presence.
/// Says whether the channel has one subscriber less. One write, and one more if so; on a
/// presence channel up to six, and a query.
///
/// # Errors
/// [`Fault`]: some of it may be left; it may be repeated.
pub(crate) async fn leave_channel(
    services: &Services,
    subscriber: Subscriber<'_>,
    user_id: Option<&str>,
    written: Written,
    now: UnixMillis,
) -> Result<bool, Fault> {
    let op = operation_name()?;
    let owner = user_id.map(|_| op.as_str());
    let table = &services.table;
    let deleted = table.delete_subscriber(subscriber, written).await?;
    let held = if deleted {
        count_out(services, subscriber.of, owner).await
    } else {
        None
    };
    let Some(user_id) = user_id else {
        return Ok(deleted);
    };
    let leave = Leave {
        of: subscriber.of,
        user_id,
        id: subscriber.id,
        written,
        op: &op,
    };
    lease::leave(services, leave, held, now).await?;
    Ok(deleted)
}
