//! Publishing: a serial, the log, then every subscriber.
//!
//! # The order of writes, what a half-done one leaves, and who repairs it
//!
//! (1) take a serial for each publication, (2) put the publications into their channels' logs, (3) on a
//! channel that keeps its last event, keep it, (4) post, or queue what is to be posted (`fanout`'s
//! `dispatch.rs`). A crash after (1) leaves serials that nothing is published under: readers close them
//! after 2 s. A crash after (2) leaves a publication that polling shows and sockets missed; who joins a cache channel then is shown the one before,
//! until the next publication. After (3) some sockets missed it. The publisher, who got no answer,
//! publishes again. Nothing is posted that is not in the log, or not kept where it should be. With
//! many channels, no log is written before all serials are taken; if a log then fails, what is in one
//! is delivered, and the request is answered with a fault. What a retry makes of it that has an
//! idempotency key, `once.rs` says.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use crate::aws::Services;
use crate::aws::table::{
    Appended, Audience, ChannelKey, LogEntry, NewCached, NextSerial, TakenSerial,
};
use crate::delivery::{Dispatch, dispatch};
use crate::log::log_fault;
use crate::model::app::App;
use crate::model::channel::Channel;
use crate::model::error::{Error, Fault};
use crate::model::event::{EventData, EventName};
use crate::model::limits::{SERIAL_ATTEMPTS, TABLE_CONCURRENCY};
use crate::model::metrics::Count;
use crate::model::socket_id::SocketId;
use crate::model::task::{Content, DeliveryName};
use crate::model::time::UnixMillis;
use crate::publishing::idempotency::Attempt;

/// An event on its way to a channel.
#[derive(Clone, Copy, Debug)]
pub struct Publication<'a> {
    /// The channel.
    pub channel: &'a Channel,
    /// The event's name.
    pub name: &'a EventName,
    /// Its data.
    pub data: &'a EventData,
    /// The socket that is left out.
    pub except: Option<&'a SocketId>,
}

/// A publication and the serial that it has taken.
struct Numbered<'a> {
    place: usize,
    publication: Publication<'a>,
    next: NextSerial,
}

/// Publishes events and delivers them, those to one channel in their order. One write for a channel and
/// one for an event, one more for a channel that keeps its last event, and the fan-out's query and
/// posts where anybody subscribes, or the queue's request where many do; a channel that nobody is on costs
/// neither. One write more notes the
/// serials of an attempt that is known by its key, or a read a channel if an earlier one has. When it
/// returns, everything is in a log, and every recipient was served or given up on, or is served by the queue: publications that
/// follow one another arrive in that order. Answers who was there to get each.
///
/// # Errors
/// [`Fault`]: some of it may be published, none, or all. The rejection of an attempt that was taken over.
pub(crate) async fn publish(
    services: &Services,
    app: &App,
    publications: &[Publication<'_>],
    attempt: Option<&Attempt>,
    now: UnixMillis,
) -> Result<Vec<Audience>, Error> {
    let mut by_channel: BTreeMap<&Channel, Vec<(usize, Publication<'_>)>> = BTreeMap::new();
    for (place, publication) in publications.iter().enumerate() {
        let of_channel = by_channel.entry(publication.channel).or_default();
        of_channel.push((place, *publication));
    }
    let earlier = attempt.and_then(|attempt| attempt.taken.as_deref());
    let numbering: Vec<_> = by_channel
        .into_iter()
        .map(|(channel, some)| {
            number(
                services,
                ChannelKey::new(app.id(), channel),
                some,
                earlier,
                now,
            )
        })
        .collect();
    let numbered: Vec<(ChannelKey, Vec<Numbered<'_>>)> = stream::iter(numbering)
        .buffered(TABLE_CONCURRENCY)
        .try_collect()
        .await?;
    let mut audiences = vec![Audience::default(); publications.len()];
    let mut taken = vec![TakenSerial::default(); publications.len()];
    for Numbered { place, next, .. } in numbered.iter().flat_map(|(_, some)| some) {
        audiences[*place] = next.audience;
        taken[*place] = next.taken();
    }
    if let Some(attempt) = attempt.filter(|_| earlier.is_none()) {
        attempt.note_all(services, &taken).await?;
    }
    let publishing: Vec<_> = numbered
        .into_iter()
        .map(|(of, some)| publish_to(services, app, of, some, attempt, now))
        .collect();
    let results: Vec<Result<(), Error>> = stream::iter(publishing)
        .buffer_unordered(TABLE_CONCURRENCY)
        .collect()
        .await;
    results.into_iter().collect::<Result<(), Error>>()?;
    Ok(audiences)
}

/// Takes serials for what is published to one channel, or those that an earlier attempt has taken: one
/// write, or one read.
async fn number<'a>(
    services: &Services,
    of: ChannelKey,
    publications: Vec<(usize, Publication<'a>)>,
    earlier: Option<&[TakenSerial]>,
    now: UnixMillis,
) -> Result<(ChannelKey, Vec<Numbered<'a>>), Fault> {
    let mut numbered = Vec::with_capacity(publications.len());
    if let Some(earlier) = earlier {
        let audience = services.table.audience(&of).await?;
        for (place, publication) in publications {
            // It was the same request.
            let taken = earlier.get(place).copied().unwrap_or_default();
            numbered.push(Numbered {
                place,
                publication,
                next: NextSerial {
                    serial: taken.serial,
                    previous_at: taken.previous_at,
                    audience,
                },
            });
        }
        return Ok((of, numbered));
    }
    let count = u64::try_from(publications.len()).unwrap_or(u64::MAX);
    let last = services.table.next_serials(&of, count, now).await?;
    let mut previous_at = last.previous_at;
    for (serial, (place, publication)) in (last.serial - count + 1..).zip(publications) {
        let next = NextSerial {
            serial,
            previous_at,
            ..last
        };
        numbered.push(Numbered {
            place,
            publication,
            next,
        });
        previous_at = now;
    }
    Ok((of, numbered))
}

/// Puts what is published to one channel into its log, keeps the last of it if that is to be kept, and
/// delivers it. What cannot be recorded ends it, after what was recorded before is delivered.
async fn publish_to(
    services: &Services,
    app: &App,
    of: ChannelKey,
    numbered: Vec<Numbered<'_>>,
    attempt: Option<&Attempt>,
    now: UnixMillis,
) -> Result<(), Error> {
    let mut recorded: Vec<Numbered<'_>> = Vec::with_capacity(numbered.len());
    let mut outcome = Ok(());
    for numbered in numbered {
        match record(services, app, &of, numbered, attempt, now).await {
            Ok(numbered) => {
                services.metrics.add(Count::Publications, 1);
                recorded.push(numbered);
            }
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    if let Some(last) = recorded.last_mut()
        && of.channel.keeps_last()
    {
        keep(services, app, &of, last, now).await?;
        if last.next.audience.subscribers == 0 {
            // Who has joined since the serial was taken may have read before this was kept.
            last.next.audience = services.table.audience(&of).await?;
        }
    }
    for numbered in &recorded {
        // What comes after one that is not on its way must not overtake it.
        deliver(services, &of, numbered, now).await?;
    }
    outcome
}

/// Puts a publication into the log, if there is one, under another serial if a reader has closed its
/// own.
async fn record<'a>(
    services: &Services,
    app: &App,
    of: &ChannelKey,
    mut numbered: Numbered<'a>,
    attempt: Option<&Attempt>,
    now: UnixMillis,
) -> Result<Numbered<'a>, Error> {
    let retention_secs = app.settings().retention_secs;
    if retention_secs == 0 {
        return Ok(numbered);
    }
    let id = match attempt {
        Some(attempt) => format!("{}/{}", attempt.id, numbered.place),
        None => Uuid::now_v7().to_string(),
    };
    for _ in 0..SERIAL_ATTEMPTS {
        let next = numbered.next;
        let entry = LogEntry {
            id: &id,
            serial: next.serial,
            at: now,
            previous_at: next.previous_at,
            retention_secs,
            name: numbered.publication.name,
            data: numbered.publication.data,
        };
        match services.table.append(of, entry).await {
            Ok(Appended::Yes) => return Ok(numbered),
            Ok(Appended::Closed) => {
                numbered.next = services.table.next_serials(of, 1, now).await?;
                if let Some(attempt) = attempt {
                    let taken = numbered.next.taken();
                    attempt.note_one(services, numbered.place, taken).await?;
                }
            }
            Err(fault) => {
                log_fault!(error, fault, channel = %of.channel, serial = next.serial, "not in the log");
                return Err(fault.into());
            }
        }
    }
    Err(Fault::SerialLost.into())
}

/// Keeps a publication as its channel's last.
async fn keep(
    services: &Services,
    app: &App,
    of: &ChannelKey,
    numbered: &Numbered<'_>,
    now: UnixMillis,
) -> Result<(), Fault> {
    let serial = numbered.next.serial;
    let last = NewCached {
        serial,
        at: now,
        name: numbered.publication.name,
        data: numbered.publication.data,
        expires_at: now.plus_secs(app.settings().cache_secs),
    };
    services
        .table
        .put_cached(of, last)
        .await
        .inspect_err(|fault| {
            log_fault!(error, fault, channel = %of.channel, serial, "not kept");
        })
}

/// Delivers a publication, or queues it to be delivered.
async fn deliver(
    services: &Services,
    of: &ChannelKey,
    numbered: &Numbered<'_>,
    now: UnixMillis,
) -> Result<(), Fault> {
    let Publication {
        name, data, except, ..
    } = numbered.publication;
    let NextSerial {
        serial, audience, ..
    } = numbered.next;
    if audience.subscribers == 0 {
        return Ok(());
    }
    let publication = Dispatch {
        of,
        audience,
        name: DeliveryName::Serial(serial),
        content: Content::Publication {
            event: name.as_str().to_owned(),
            data: data.as_str().to_owned(),
        },
        except,
    };
    let dispatched = dispatch(services, publication, now).await;
    dispatched.inspect_err(|fault| {
        log_fault!(error, fault, channel = %of.channel, serial, "not delivered");
    })
}
