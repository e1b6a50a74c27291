//! The last event of a cache channel, and the acknowledgement that it follows.

use bytes::Bytes;

use crate::aws::Services;
use crate::aws::table::ChannelKey;
use crate::model::error::chain;
use crate::model::socket_id::ConnectionId;
use crate::model::time::UnixMillis;
use crate::model::webhook::Event;
use crate::pusher::frame;
use crate::transport::reply::reply;

/// Acknowledges a subscription. On a channel that keeps its last event that event follows, or word
/// that there is none: one read more. The subscriber's row is there by now, so whatever is published
/// comes by itself or is what is read here, or both: a client that minds knows it by its serial.
pub(crate) async fn acknowledge(
    services: &Services,
    id: &ConnectionId,
    of: &ChannelKey,
    now: UnixMillis,
) {
    let acknowledgement = frame::subscription_succeeded(&of.channel, None);
    if reply(services, id, acknowledgement, now).await
        && let Some(last) = last_event(services, of, now).await
    {
        reply(services, id, last, now).await;
    }
}

/// What follows the acknowledgement on a channel that keeps its last event: that event, as its
/// subscribers got it, or word that there is none. One read, and none on any other channel.
pub(crate) async fn last_event(
    services: &Services,
    of: &ChannelKey,
    now: UnixMillis,
) -> Option<Bytes> {
    if !of.channel.keeps_last() {
        return None;
    }
    Some(match services.table.cached(of, now).await {
        Ok(Some(last)) => frame::publication(&of.channel, &last.name, &last.data, last.serial),
        Ok(None) => {
            missed(services, of, now).await;
            frame::cache_miss(&of.channel)
        }
        Err(fault) => {
            // Whoever is told of a miss asks the app's server, which is right here, too.
            tracing::error!(channel = %of.channel, error_type = fault.error_type(), error = chain(&fault), "last event not read");
            frame::cache_miss(&of.channel)
        }
    })
}

/// Has webhooks told of a miss, where one wants to know and was not told a short while ago: one write.
async fn missed(services: &Services, of: &ChannelKey, now: UnixMillis) {
    let channel = of.channel.clone();
    let event = Event::CacheMiss { channel };
    if !services.webhooks_want(of, &event) {
        return;
    }
    match services.table.note_miss(of, now).await {
        Ok(true) => services.happened(of, event),
        Ok(false) => {}
        Err(fault) => {
            tracing::error!(channel = %of.channel, error_type = fault.error_type(), error = chain(&fault), "webhooks not told of a miss");
        }
    }
}
