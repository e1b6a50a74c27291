//! A worker's part: one frame to one shard of a large channel.
//!
//! # The order of writes, what a half-done one leaves, and who repairs it
//!
//! For each page of subscribers: (1) they are posted to, (2) it is noted that they were, if there are
//! more. A worker that dies is replaced once the queue hands its message out again: the next one begins
//! where (2) says. So everybody gets the frame, and those of one page at most get it twice. A worker that
//! is slow stops after some seconds, notes up to whom it has begun, and gives the message back: then
//! nobody gets it twice.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use super::fan_out::{Posting, Served, Tally, arrived, is_passed_over, none_left, serve_all};
use crate::aws::connections::Payload;
use crate::aws::table::{ChannelKey, Correction, DeliveryKey, ShardPage, SubscriberRow};
use crate::aws::{Clock, Services};
use crate::model::error::Fault;
use crate::model::limits::{FANOUT_PAGE_MAX, FANOUT_PATIENCE};
use crate::model::metrics::Timing;
use crate::model::socket_id::ConnectionId;
use crate::model::task::Delivery;
use crate::model::time::UnixMillis;
use crate::transport::pacer::Pacer;
use crate::transport::say::Speech;

/// Delivers a frame to every live subscriber of one shard, from where an earlier attempt has come to.
/// A query for 500 subscribers and a post to each, one write for each page but the last; a
/// message that is handed out again costs one read. At least once, and more than once only to
/// those of one page and only after a worker has died; in the order of the shard's messages, if they are
/// delivered one after the other.
///
/// # Errors
/// [`Fault`]: it is not known to be delivered to all. It is to be handed out again.
pub(crate) async fn deliver_to_shard(
    services: &Services,
    pacer: &Pacer,
    delivery: Delivery,
    is_repeated: bool,
    now: UnixMillis,
) -> Result<(), Fault> {
    let clock = Clock::start(now, FANOUT_PATIENCE);
    let of = &ChannelKey::new(&delivery.app_id, &delivery.channel);
    let key = DeliveryKey {
        of,
        shard: delivery.shard,
        name: delivery.name,
    };
    let after = if is_repeated {
        services.table.progress(key).await?
    } else {
        None
    };
    let is_resumed = after.is_some();
    let marked = AtomicUsize::new(0);
    let (mut tally, mut met) = (Tally::default(), 0);
    let said = delivery
        .content
        .said(&delivery.channel, delivery.name.serial())?;
    let speech = match delivery.content.printed() {
        None => Speech::new(services.protocols, said),
        Some(frame) => Speech::printed(
            services.protocols,
            said,
            Payload::from(Bytes::from(frame.to_owned())),
        ),
    };
    let posting = Posting {
        services,
        of,
        speech: &speech,
        pacer: Some(pacer),
        marked: &marked,
        now,
    };
    let read = |after| read_page(services, key, after);
    let mut page = read(after).await?;
    loop {
        let ShardPage {
            subscribers,
            next_after,
        } = page;
        met += subscribers.len();
        // The next page is read meanwhile.
        let next = async {
            match next_after.clone() {
                Some(after) => Some(read(Some(after)).await),
                None => None,
            }
        };
        let served = serve_page(&posting, &delivery, subscribers, clock);
        let (served, next) = tokio::join!(served, next);
        tally = tally + served.tally;
        if let Some(fault) = served.fault {
            // The page comes once more: nobody of it is left out without a word.
            return Err(fault);
        }
        if let Some(last) = served.stopped_after {
            if let Some(last) = &last {
                services.table.note_progress(key, last, now).await?;
            }
            return Err(Fault::Overdue);
        }
        let (Some(last), Some(next)) = (next_after, next) else {
            break;
        };
        services.table.note_progress(key, &last, now).await?;
        page = next?;
    }
    let metrics = &services.metrics;
    metrics.took(Timing::FanOutMillis, clock.elapsed());
    arrived(services, delivery.name, delivery.at);
    tracing::info!(channel = %of.channel, shard = delivery.shard, name = %delivery.name, served = tally.served, gone = tally.gone, failed = tally.failed, "delivered");
    if met == 0 && !is_resumed {
        correct(services, of, &delivery).await;
    }
    Ok(())
}

async fn read_page(
    services: &Services,
    DeliveryKey { of, shard, .. }: DeliveryKey<'_>,
    after: Option<ConnectionId>,
) -> Result<ShardPage, Fault> {
    let table = &services.table;
    table
        .subscribers_after(of, shard, after.as_ref(), FANOUT_PAGE_MAX)
        .await
}

/// What came of a page.
struct PageServed {
    tally: Tally,
    /// Why somebody may not have it who is still connected.
    fault: Option<Fault>,
    /// If there was no time for all of them: the last one that there was time for, if for any.
    stopped_after: Option<Option<ConnectionId>>,
}

/// Serves those of a page, as long as there is time to begin.
async fn serve_page(
    posting: &Posting<'_>,
    delivery: &Delivery,
    subscribers: Vec<SubscriberRow>,
    clock: Clock,
) -> PageServed {
    let begun = &AtomicUsize::new(0);
    let ids: Vec<ConnectionId> = subscribers.iter().map(|row| row.id.clone()).collect();
    let wanted = stream::iter(subscribers)
        .then(|row| async {
            let except = delivery.except.as_ref();
            let passed_over = is_passed_over(&row, delivery.name.serial(), except, posting.now);
            if !passed_over {
                posting.turn().await;
            }
            (passed_over, row)
        })
        .take_while(|_| {
            let is_in_time = !clock.is_over();
            begun.fetch_add(usize::from(is_in_time), Ordering::Relaxed);
            std::future::ready(is_in_time)
        })
        .filter_map(|(passed_over, row)| {
            let wanted = (!passed_over).then_some(Ok((delivery.shard, row)));
            std::future::ready(wanted)
        });
    let Served { tally, fault } = serve_all(posting, wanted).await;
    let begun = begun.load(Ordering::Relaxed);
    let stopped_after = (begun < ids.len()).then(|| {
        let last = begun.checked_sub(1)?;
        ids.into_iter().nth(last)
    });
    PageServed {
        tally,
        fault,
        stopped_after,
    }
}

/// Corrects the count of a channel on which nobody is left: whoever has found nobody in the first shard
/// looks into the others. A query a shard until somebody is found, and one write if nobody is.
async fn correct(services: &Services, of: &ChannelKey, delivery: &Delivery) {
    if delivery.shard > 0 {
        return;
    }
    for shard in 1..delivery.shards {
        let page = services.table.subscribers_after(of, shard, None, 1).await;
        match page {
            Ok(page) if page.subscribers.is_empty() => {}
            // Or it is not known.
            Ok(_) | Err(_) => return,
        }
    }
    let correction = Correction {
        seen: delivery.subscribers,
        at: delivery.at,
    };
    none_left(services, of, correction).await;
}
