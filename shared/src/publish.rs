//! Publishing: a serial, the log, then every subscriber.
//!
//! # The order of writes, what a half-done one leaves, and who repairs it
//!
//! (1) take a serial on every channel, (2) put the publication into each channel's log, (3) on a
//! channel that keeps its last event, keep it, (4) post. A crash after (1) leaves serials that
//! nothing is published under: readers close them after 2 s. A crash after (2) leaves a publication
//! that polling shows and sockets missed; who joins a cache channel then is shown the one before,
//! until the next publication. After (3) some sockets missed it. The publisher, who got no answer,
//! publishes again. Nothing is posted that is not in the log, or not kept where it should be. With
//! many channels, no log is written before all serials are taken; if a log then fails, the
//! channels that have it are delivered, and the request is answered with a fault.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use crate::app::App;
use crate::aws::Services;
use crate::aws::table::{Appended, ChannelKey, LogEntry, NewCached, NextSerial};
use crate::error::{Fault, chain};
use crate::event::PublishRequest;
use crate::fanout::{self, FanOut};
use crate::frame;
use crate::limits::{SERIAL_ATTEMPTS, TABLE_CONCURRENCY};
use crate::time::UnixMillis;

/// Publishes an event to one or many channels and delivers it. Two writes a channel, a third for
/// one that keeps its last event, and the
/// fan-out's query and posts where anybody subscribes; a channel that nobody is on costs neither.
/// When it returns, the publication is in every log, and every recipient was served or given up
/// on: publications that follow one another arrive in that order.
///
/// # Errors
/// [`Fault`]: it may be published on some of the channels, on none, or on all.
pub async fn publish(
    services: &Services,
    app: &App,
    request: &PublishRequest,
    now: UnixMillis,
) -> Result<(), Fault> {
    let mut channels = Vec::with_capacity(request.channels.len());
    for channel in &request.channels {
        channels.push(ChannelKey::new(app.id(), channel));
    }
    let serials: Vec<(ChannelKey, NextSerial)> = stream::iter(channels)
        .map(|of| async move {
            services
                .table
                .next_serial(&of, now)
                .await
                .map(|next| (of, next))
        })
        .buffered(TABLE_CONCURRENCY)
        .try_collect()
        .await?;
    let results: Vec<Result<(), Fault>> = stream::iter(serials)
        .map(|(of, next)| async move { publish_one(services, app, &of, next, request, now).await })
        .buffer_unordered(TABLE_CONCURRENCY)
        .collect()
        .await;
    results.into_iter().collect()
}

/// Puts a publication into one channel's log, keeps it if it is to be kept, and delivers it.
async fn publish_one(
    services: &Services,
    app: &App,
    of: &ChannelKey,
    next: NextSerial,
    request: &PublishRequest,
    now: UnixMillis,
) -> Result<(), Fault> {
    let next = record(services, of, next, request, now).await?;
    if of.channel.keeps_last() {
        let last = NewCached {
            serial: next.serial,
            at: now,
            name: &request.name,
            data: &request.data,
            expires_at: now.plus_secs(app.settings().cache_secs),
        };
        services.table.put_cached(of, last).await.inspect_err(|fault| {
            tracing::error!(channel = %of.channel, serial = next.serial, error = chain(fault), "not kept");
        })?;
    }
    if next.subscribers == 0 {
        return Ok(());
    }
    let frame = frame::publication(
        &of.channel,
        request.name.as_str(),
        request.data.as_str(),
        next.serial,
    );
    let fan_out = FanOut {
        of,
        shards: next.shards,
        subscribers: next.subscribers,
        payload: frame.into(),
        except: request.except.as_ref(),
    };
    let tally = fanout::fan_out(services, fan_out, now).await;
    tracing::info!(channel = %of.channel, serial = next.serial, served = tally.served, gone = tally.gone, failed = tally.failed, "published");
    Ok(())
}

/// Puts a publication into the log, under another serial if a reader has closed its own.
async fn record(
    services: &Services,
    of: &ChannelKey,
    mut next: NextSerial,
    request: &PublishRequest,
    now: UnixMillis,
) -> Result<NextSerial, Fault> {
    let id = Uuid::now_v7().to_string();
    for _ in 0..SERIAL_ATTEMPTS {
        let entry = LogEntry {
            id: &id,
            serial: next.serial,
            at: now,
            previous_at: next.previous_at,
            name: &request.name,
            data: &request.data,
        };
        match services.table.append(of, entry).await {
            Ok(Appended::Yes) => return Ok(next),
            Ok(Appended::Closed) => next = services.table.next_serial(of, now).await?,
            Err(fault) => {
                tracing::error!(channel = %of.channel, serial = next.serial, error = chain(&fault), "not in the log");
                return Err(fault);
            }
        }
    }
    Err(Fault::SerialLost)
}
