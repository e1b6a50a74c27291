//! Fan-out: one frame to every subscriber of a channel, by whoever publishes it ([`fan_out`]) or, on a
//! large channel, shard by shard by workers (`deliver_to_shard`). `dispatch.rs` says which.
//!
//! Recipients stream from the table's pages while posts are in flight. Each recipient stands for
//! itself: one that is gone is marked, one that stays throttled or fails is closed and marked, and none of them
//! costs another its copy. Where most fail nobody is closed, and the caller is told.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::aws::table::{
    ChannelKey, Correction, Mark, PageStart, Subscriber, SubscriberRow, SubscribersPage,
};
use crate::aws::{self, Services};
use crate::log::log_fault;
use crate::model::error::Fault;
use crate::model::limits::{FORGOTTEN_PROMPTLY_MAX, POST_CONCURRENCY};
use crate::model::metrics::{Count, Timing};
use crate::model::said::Said;
use crate::model::socket_id::SocketId;
use crate::model::task::DeliveryName;
use crate::model::time::UnixMillis;
use crate::transport::pacer::Pacer;
use crate::transport::post::{Recipient, Repeat, close, post};
use crate::transport::say::Speech;
use crate::upkeep::{Forgotten, mark_gone};

/// A publication on its way to a channel's subscribers.
pub struct FanOut<'a> {
    /// The channel.
    pub of: &'a ChannelKey,
    /// How many shards its subscribers are in.
    pub shards: u32,
    /// How many subscribers were counted.
    pub subscribers: u64,
    /// The serial of a publication that is in the log. Who is reading it from there is passed over.
    pub serial: Option<u64>,
    /// What they are told.
    pub said: Said<'a>,
    /// The socket that is left out.
    pub except: Option<&'a SocketId>,
}

/// How many recipients came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Have it.
    pub served: u64,
    /// Were gone, or stuck and closed, and are marked.
    pub gone: u64,
    /// May or may not have it, or could not be read.
    pub failed: u64,
}

impl Tally {
    const fn met(&self) -> u64 {
        self.served + self.gone + self.failed
    }

    fn with(mut self, recipient: &Recipient) -> Self {
        match recipient {
            Recipient::Served => self.served += 1,
            Recipient::Gone | Recipient::Stuck => self.gone += 1,
            Recipient::Doubtful(_) | Recipient::Refused => self.failed += 1,
        }
        self
    }
}

impl std::ops::Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            served: self.served + other.served,
            gone: self.gone + other.gone,
            failed: self.failed + other.failed,
        }
    }
}

/// Posts of one frame.
pub(super) struct Posting<'a> {
    pub(super) services: &'a Services,
    pub(super) of: &'a ChannelKey,
    pub(super) speech: &'a Speech<'a>,
    /// What they are paced by, if they are.
    pub(super) pacer: Option<&'a Pacer>,
    /// How many were found gone and marked.
    pub(super) marked: &'a AtomicUsize,
    pub(super) now: UnixMillis,
}

impl Posting<'_> {
    /// Waits until a post may be begun.
    pub(super) async fn turn(&self) {
        if let Some(pacer) = self.pacer {
            pacer.turn().await;
        }
    }
}

/// Delivers a frame to every live subscriber: at most once each, repeated only where it was
/// provably not processed. One query a shard and megabyte, one post a subscriber.
///
/// # Errors
/// [`Fault`]: some subscribers could not be read, or API Gateway refused many; the others were posted to.
pub async fn fan_out(
    services: &Services,
    fan_out: FanOut<'_>,
    now: UnixMillis,
) -> Result<Tally, Fault> {
    let FanOut {
        of,
        shards,
        subscribers,
        serial,
        said,
        except,
    } = fan_out;
    // The sender, the expired and those who read the log are met, but get nothing.
    let mut passed_over = 0_u64;
    let wanted = recipients(services, of, shards).filter_map(|found| {
        let wanted = match found {
            Ok((_, row)) if is_passed_over(&row, serial, except, now) => {
                passed_over += 1;
                None
            }
            found => Some(found),
        };
        std::future::ready(wanted)
    });
    let posting = Posting {
        services,
        of,
        speech: &Speech::new(services.protocols, said),
        pacer: None,
        marked: &AtomicUsize::new(0),
        now,
    };
    let started = Instant::now();
    let Served { tally, fault } = serve_all(&posting, wanted).await;
    services
        .metrics
        .took(Timing::FanOutMillis, started.elapsed());
    if let Some(fault) = fault {
        return Err(fault);
    }
    if tally.met() + passed_over == 0 && subscribers > 0 {
        let correction = Correction {
            seen: subscribers,
            at: now,
        };
        none_left(services, of, correction).await;
    }
    Ok(tally)
}

/// Notes how long a publication has taken to come to its last subscriber.
pub(super) fn arrived(services: &Services, name: DeliveryName, published_at: UnixMillis) {
    if name.serial().is_some() {
        let lag = Duration::from_millis(aws::now().millis_since(published_at));
        services.metrics.took(Timing::DeliveryLagMillis, lag);
    }
}

/// Whether a frame is not for a subscriber: one that has expired, one that reads the log, which has
/// what has a serial, or the sender.
pub(super) fn is_passed_over(
    row: &SubscriberRow,
    serial: Option<u64>,
    except: Option<&SocketId>,
    now: UnixMillis,
) -> bool {
    row.expires_at <= now
        || serial.is_some_and(|serial| row.hold.keeps_back(serial, now))
        || except.is_some_and(|socket_id| *socket_id == SocketId::of(&row.id))
}

/// Corrects the count of a channel that nobody was found on.
pub(super) async fn none_left(services: &Services, of: &ChannelKey, correction: Correction) {
    match services.table.correct_count(of, correction).await {
        Ok(vacated_at) => services.vacated(of, vacated_at),
        Err(fault) => {
            log_fault!(warn, fault, channel = %of.channel, "count left too high");
        }
    }
}

/// Every live subscriber of a channel, with its shard: one query a shard and megabyte.
///
/// # Errors
/// [`Fault`].
pub async fn subscribers(
    services: &Services,
    of: &ChannelKey,
    shards: u32,
    now: UnixMillis,
) -> Result<Vec<(u32, SubscriberRow)>, Fault> {
    recipients(services, of, shards)
        .try_filter(|(_, row)| std::future::ready(row.expires_at > now))
        .try_collect()
        .await
}

/// Delivers a frame to subscribers that were read already, as [`fan_out`] does: one post each.
pub async fn deliver(
    services: &Services,
    of: &ChannelKey,
    subscribers: Vec<(u32, SubscriberRow)>,
    said: Said<'_>,
    now: UnixMillis,
) -> Tally {
    let subscribers = stream::iter(subscribers).map(Ok);
    let posting = Posting {
        services,
        of,
        speech: &Speech::new(services.protocols, said),
        pacer: None,
        marked: &AtomicUsize::new(0),
        now,
    };
    serve_all(&posting, subscribers).await.tally
}

/// Delivers to each, so many at once, and begins them in their order. Those whose posts failed are closed and
/// marked, for they may have missed it; unless that is most of them, which is no fault of theirs.
pub(super) async fn serve_all(
    posting: &Posting<'_>,
    found: impl stream::Stream<Item = Result<(u32, SubscriberRow), Fault>>,
) -> Served {
    let posts = found
        .map(|found| async move {
            let (shard, row) = found.inspect_err(|fault| {
                log_fault!(error, fault, channel = %posting.of.channel, "subscribers not read");
            })?;
            let recipient = serve(posting, shard, &row).await?;
            Ok((shard, row, recipient))
        })
        .buffer_unordered(POST_CONCURRENCY);
    let mut posts = pin!(posts);
    let (mut served, mut doubtful) = (Served::default(), Vec::new());
    while let Some(post) = posts.next().await {
        match post {
            Ok((shard, row, recipient)) => {
                served.tally = served.tally.with(&recipient);
                match recipient {
                    Recipient::Doubtful(fault) => doubtful.push((shard, row, fault)),
                    Recipient::Refused => {
                        served.fault.get_or_insert(Fault::Throttled);
                    }
                    Recipient::Served | Recipient::Gone | Recipient::Stuck => {}
                }
            }
            Err(fault) => {
                served.tally.failed += 1;
                served.fault.get_or_insert(fault);
            }
        }
    }
    if doubtful.len() > 1 && doubtful.len() as u64 > served.tally.served {
        let faults = doubtful.into_iter().map(|(_, _, fault)| fault);
        served.fault = served.fault.or(faults.last());
    } else {
        let ends = doubtful.iter().map(|(shard, row, fault)| async move {
            log_fault!(warn, fault, connection_id = %row.id, "it may have missed something");
            let mark = close(posting.services, &row.id, None).await;
            mark_met(posting, *shard, row, mark).await;
        });
        let ends: Vec<_> = ends.collect();
        stream::iter(ends)
            .buffer_unordered(POST_CONCURRENCY)
            .collect::<()>()
            .await;
    }
    let metrics = &posting.services.metrics;
    metrics.add(Count::Deliveries, served.tally.served);
    served
}

/// What came of posts to many.
#[derive(Debug, Default)]
pub(super) struct Served {
    /// How many came to what.
    pub(super) tally: Tally,
    /// The first fault for which somebody may not have it and was not closed.
    pub(super) fault: Option<Fault>,
}

/// All subscribers, shard after shard and page after page. A page that cannot be read ends its
/// shard with a fault.
fn recipients<'a>(
    services: &'a Services,
    of: &'a ChannelKey,
    shards: u32,
) -> impl stream::Stream<Item = Result<(u32, SubscriberRow), Fault>> + 'a {
    stream::iter(0..shards).flat_map(move |shard| {
        page_by_page(move |start| services.table.subscribers(of, shard, start))
            .map(move |row| row.map(|row| (shard, row)))
    })
}

/// All rows that are read a page at a time. A page that cannot be read ends them with a fault.
pub(crate) fn page_by_page<'a, F>(
    read: impl Fn(Option<PageStart>) -> F + 'a,
) -> impl stream::Stream<Item = Result<SubscriberRow, Fault>> + 'a
where
    F: Future<Output = Result<SubscribersPage, Fault>> + 'a,
{
    let pages = stream::unfold(Some(None), move |at| {
        let page = at.map(&read);
        async move {
            match page?.await {
                Ok(page) => {
                    let rows: Vec<_> = page.subscribers.into_iter().map(Ok).collect();
                    Some((rows, page.next.map(Some)))
                }
                Err(fault) => Some((vec![Err(fault)], None)),
            }
        }
    });
    pages.flat_map(stream::iter)
}

/// Delivers to one subscriber. One that is gone, or stuck and so closed, is marked: one write.
async fn serve(posting: &Posting<'_>, shard: u32, row: &SubscriberRow) -> Result<Recipient, Fault> {
    let payload = posting.speech.in_voice(row.voice)?;
    let (services, id) = (posting.services, &row.id);
    let recipient = post(services, id, payload, posting.pacer, Repeat::Unsent).await;
    match &recipient {
        Recipient::Gone => mark_met(posting, shard, row, Mark::CLOSED).await,
        Recipient::Stuck => {
            let mark = close(services, id, None).await;
            mark_met(posting, shard, row, mark).await;
        }
        Recipient::Served | Recipient::Doubtful(_) | Recipient::Refused => {}
    }
    Ok(recipient)
}

/// Marks a subscriber that is served no more: one write, and one message for the first of them.
async fn mark_met(posting: &Posting<'_>, shard: u32, row: &SubscriberRow, mark: Mark<'_>) {
    let &Posting {
        services,
        of,
        marked,
        now,
        ..
    } = posting;
    let id = &row.id;
    let forgotten = if marked.fetch_add(1, Ordering::Relaxed) < FORGOTTEN_PROMPTLY_MAX {
        Forgotten::Promptly
    } else {
        Forgotten::ByReaper
    };
    let mark = Mark {
        met: Some(Subscriber { of, shard, id }),
        ..mark
    };
    if let Err(fault) = mark_gone(services, id, mark, forgotten, now).await {
        log_fault!(error, fault, connection_id = %id, "gone and not marked");
    }
}
