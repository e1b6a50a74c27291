//! How a frame sets out for a channel's subscribers: at once, or by way of the queue.
//!
//! Up to a number of subscribers whoever publishes delivers by itself. Beyond it, it queues one message
//! for each shard, and is done once they are in the queue; `fanout` does the rest. A channel that went
//! through the queue goes on doing so until its last subscriber has left, or what is published then would
//! overtake what still waits. Who joins an emptied channel while something waits may be given that, too.
//!
//! Publications go this way, events to users among them, and client events. What is told of presence, of
//! subscription counts and of watchlists is not: it is told by one function at a time, which has
//! to know when it is done.
//!
//! # The order of writes, what a half-done one leaves, and who repairs it
//!
//! After what `publish.rs` does: (1) on the way to being large, the channel is marked, (2) the messages
//! are sent, ten in one request. After (1) alone the publication is in the log and not delivered. After
//! some of (2) it is delivered to some shards. The publisher, who got no answer or a fault, publishes again:
//! under the same idempotency key with the same serial, by which SQS and the log know what is there
//! already; without one it is another publication, which some then have twice.

use super::fan_out::{FanOut, arrived, fan_out};
use crate::aws::Services;
use crate::aws::queue::FifoMessage;
use crate::aws::table::{Audience, ChannelKey};
use crate::model::error::Fault;
use crate::model::socket_id::SocketId;
use crate::model::task::{Content, Delivery, DeliveryName, Task};
use crate::model::time::UnixMillis;

/// A frame for the subscribers of a channel.
pub(crate) struct Dispatch<'a> {
    /// The channel.
    pub(crate) of: &'a ChannelKey,
    /// Who is there to get it.
    pub(crate) audience: Audience,
    /// What it is.
    pub(crate) name: DeliveryName,
    /// What they are told: a publication or a client event.
    pub(crate) content: Content,
    /// The socket that is left out.
    pub(crate) except: Option<&'a SocketId>,
}

/// Delivers a frame, or queues it to be delivered. Nothing for a channel that nobody is on; what
/// [`fan_out`] does for a small one; for a large one a request to SQS for ten shards, and one write
/// when it has just become one.
///
/// # Errors
/// [`Fault::Queue`]: it will be delivered to some shards, to none, or to all. Any other: some subscribers
/// may not have it, and are still connected.
pub(crate) async fn dispatch(
    services: &Services,
    dispatch: Dispatch<'_>,
    now: UnixMillis,
) -> Result<(), Fault> {
    let Dispatch {
        of,
        audience,
        name,
        ref content,
        except,
    } = dispatch;
    if audience.subscribers == 0 {
        return Ok(());
    }
    let channel = &of.channel;
    if goes_through_queue(services, of, &audience).await? {
        let shards = audience.shards;
        enqueue(services, &dispatch, now).await?;
        tracing::info!(%channel, %name, shards, "queued");
        return Ok(());
    }
    let fan_out_of = FanOut {
        of,
        shards: audience.shards,
        subscribers: audience.subscribers,
        serial: name.serial(),
        said: content.said(channel, name.serial())?,
        except,
    };
    let tally = fan_out(services, fan_out_of, now).await?;
    arrived(services, name, now);
    tracing::info!(%channel, %name, served = tally.served, gone = tally.gone, failed = tally.failed, "published");
    Ok(())
}

/// Whether a channel is a large one, or becomes one now.
async fn goes_through_queue(
    services: &Services,
    of: &ChannelKey,
    audience: &Audience,
) -> Result<bool, Fault> {
    if audience.is_queued {
        return Ok(true);
    }
    if audience.subscribers <= services.large_channels.inline_max {
        return Ok(false);
    }
    services.table.go_through_queue(of).await
}

async fn enqueue(
    services: &Services,
    dispatch: &Dispatch<'_>,
    now: UnixMillis,
) -> Result<(), Fault> {
    let Dispatch {
        of,
        audience,
        name,
        content,
        except,
    } = dispatch;
    let message = |shard| {
        let delivery = Delivery {
            app_id: of.app_id.clone(),
            channel: of.channel.clone(),
            shard,
            shards: audience.shards,
            subscribers: audience.subscribers,
            name: *name,
            at: now,
            except: except.cloned(),
            content: content.clone(),
        };
        FifoMessage {
            group: delivery.group(),
            deduplication: delivery.deduplication(),
            body: Task::Deliver(delivery).print(),
        }
    };
    let messages: Vec<FifoMessage> = (0..audience.shards).map(message).collect();
    services.deliver_later(&messages).await
}
