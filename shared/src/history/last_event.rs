//! The last event of a cache channel, and the acknowledgement that it follows.

use crate::aws::Services;
use crate::aws::table::{Cached, ChannelKey};
use crate::log::log_fault;
use crate::model::channel::Channel;
use crate::model::said::Said;
use crate::model::time::UnixMillis;
use crate::model::voice::Client;
use crate::model::webhook::Event;
use crate::transport::say::say;

/// What follows the acknowledgement on a channel that keeps its last event.
pub(crate) enum LastEvent {
    /// That event, as its subscribers got it.
    Kept(Cached),
    /// There is none.
    Nothing,
}

impl LastEvent {
    /// It as it is told.
    pub(crate) fn said<'a>(&'a self, channel: &'a Channel) -> Said<'a> {
        match self {
            Self::Kept(last) => Said::Published {
                channel,
                name: &last.name,
                data: &last.data,
                serial: last.serial,
            },
            Self::Nothing => Said::NothingKept { channel },
        }
    }
}

/// Acknowledges a subscription. On a channel that keeps its last event that event follows, or word
/// that there is none: one read more. The subscriber's row is there by now, so whatever is published
/// comes by itself or is what is read here, or both: a client that minds knows it by its serial.
pub(crate) async fn acknowledge(
    services: &Services,
    client: Client<'_>,
    of: &ChannelKey,
    now: UnixMillis,
) {
    let acknowledged = Said::Acknowledged {
        channel: &of.channel,
        roster: None,
    };
    if say(services, client, &acknowledged, now).await {
        show_last(services, client, of, now).await;
    }
}

/// Shows a client the last event of a channel that keeps it, or says that there is none.
pub(crate) async fn show_last(
    services: &Services,
    client: Client<'_>,
    of: &ChannelKey,
    now: UnixMillis,
) {
    if let Some(last) = last_event(services, of, now).await {
        say(services, client, &last.said(&of.channel), now).await;
    }
}

/// Reads the last event of a channel that keeps it; `None`: the channel does not. One read, and none on any
/// other channel.
pub(crate) async fn last_event(
    services: &Services,
    of: &ChannelKey,
    now: UnixMillis,
) -> Option<LastEvent> {
    if !of.channel.keeps_last() {
        return None;
    }
    Some(match services.table.cached(of, now).await {
        Ok(Some(last)) => LastEvent::Kept(last),
        Ok(None) => {
            missed(services, of, now).await;
            LastEvent::Nothing
        }
        Err(fault) => {
            // Whoever is told of a miss asks the app's server, which is right here, too.
            log_fault!(error, fault, channel = %of.channel, "last event not read");
            LastEvent::Nothing
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
            log_fault!(error, fault, channel = %of.channel, "webhooks not told of a miss");
        }
    }
}
