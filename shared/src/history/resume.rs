//! Resuming: whoever joins a channel with `after` is shown what was published since, and then what is
//! published, with nothing left out and nothing twice.
//!
//! Every publication takes its serial, is put in the log, and then reads whom it is delivered to. So a
//! row that was there before the tip was read misses nothing that the log up to the tip does not have:
//! it is held, which makes publications pass it over, while the log is read for it and posted one after
//! the other. The hold ends in one transaction with a look at the channel's last serial. If that is the
//! one that was posted last, what comes later is delivered and what came before was posted; otherwise
//! there is more to read first.
//!
//! # The order of writes, what a half-done one leaves, and who repairs it
//!
//! (1) to (3) the subscription's own, `subscribe.rs`, its row held; (4) the acknowledgement, (5) what
//! was missed, (6) the switch. A crash between (1) and (6) leaves a row that publications pass over
//! until its hold ends by itself; API Gateway tells the client of the crash, and if it joins again, with
//! the last serial that it has, nothing is lost. A client that does not misses what was published
//! meanwhile. After (6) it is as if it had joined. A switch whose answer was lost is repeated under the same name
//! and done once.
//!
//! A newer request of the connection, to join again or to leave, replaces or deletes the row, and the
//! switch finds that: each request switches the row that it has written and no other.
//!
//! On a channel that is never quiet the switch is made anyhow after some tries: then the log is read once
//! more, and what was published in that moment may come twice, under its serial.
//!
//! What cannot be shown is said: a notice names the last serial up to which nothing is
//! missing, and from that moment on the channel is live.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::aws::table::{ChannelKey, Subscriber, Switched, Tip};
use crate::aws::{Clock, Services};
use crate::history::last_event::show_last;
use crate::history::log_reader::{is_expired, read_channel};
use crate::log::log_fault;
use crate::model::app::App;
use crate::model::error::Fault;
use crate::model::limits::{
    HOLE_GRACE_MILLIS, HOLES_CLOSED_MAX, POLL_DATA_MAX_BYTES, RESUME_EVENTS_MAX, RESUME_PATIENCE,
    RESUME_PAUSES, RESUME_SWITCHES_MAX,
};
use crate::model::reading::Position;
use crate::model::said::Said;
use crate::model::time::UnixMillis;
use crate::model::voice::{Client, Voice};
use crate::transport::say::{say, try_say};
use crate::upkeep::spread;

/// A subscription that is held until it has been shown what it has missed.
#[derive(Debug)]
pub struct Resuming {
    /// The shard that its row is in.
    pub(crate) shard: u32,
    /// The name of the request that has written the row.
    pub(crate) op: String,
    /// As whom it is on a presence channel, where others may acknowledge it.
    pub(crate) user_id: Option<String>,
    /// The last serial that the client has; 0 for what the log holds.
    pub(crate) after: u64,
    /// What was last published when it was counted.
    pub(crate) tip: Tip,
}

/// How it came to an end.
#[derive(Debug)]
enum Ended {
    /// Live, and nothing is missing.
    Live,
    /// The client is gone, or has left or joined again.
    Over,
    /// Something is missing. The earliest serial after it, where that is known.
    Lost(Option<u64>),
}

/// Acknowledges a held subscription, shows it what was published after the serial that its client has,
/// and makes it live. Besides what a subscription costs: one query for each hundred publications, none
/// if there was none, a post each, and one transaction of four units; for each time that something is
/// published in that moment the transaction and one read again. On a presence channel two reads more. The
/// last event of a cache channel is among what was missed, and is not read.
pub(crate) async fn resume(
    services: &Services,
    client: Client<'_>,
    of: &ChannelKey,
    resuming: Resuming,
    at: UnixMillis,
) {
    let id = client.id;
    let Resuming {
        shard,
        op,
        user_id,
        after,
        tip,
    } = resuming;
    let mut reading = Reading {
        services,
        voice: client.voice,
        subscriber: Subscriber { of, shard, id },
        op: &op,
        clock: Clock::start(at, RESUME_PATIENCE),
        has: after,
        shown: 0,
        pause: RESUME_PAUSES.0,
    };
    let ended = match reading.acknowledged(user_id.as_deref()).await {
        Ok(ControlFlow::Continue(())) => reading.show(tip).await,
        Ok(ControlFlow::Break(ended)) => Ok(ended),
        Err(fault) => Err(fault),
    };
    let shown = reading.shown;
    match ended {
        Ok(Ended::Live | Ended::Over) => {
            tracing::info!(channel = %of.channel, connection_id = %id, shown, "resumed");
        }
        Ok(Ended::Lost(oldest)) => {
            tracing::info!(channel = %of.channel, connection_id = %id, shown, "resumed in part");
            reading.give_up(oldest).await;
        }
        Err(fault) => {
            log_fault!(error, fault, channel = %of.channel, connection_id = %id, "not resumed");
            reading.give_up(None).await;
        }
    }
}

/// Where the reading of a channel's log for one subscriber stands.
struct Reading<'a> {
    services: &'a Services,
    voice: Voice,
    subscriber: Subscriber<'a>,
    op: &'a str,
    clock: Clock,
    /// Up to which serial the client has everything.
    has: u64,
    /// How many publications it was shown.
    shown: u64,
    /// How long it is waited the next time that it has to be.
    pause: Duration,
}

impl Reading<'_> {
    fn client(&self) -> Client<'_> {
        Client {
            id: self.subscriber.id,
            voice: self.voice,
        }
    }

    /// Waits for somebody else, longer each time.
    async fn wait(&mut self) {
        tokio::time::sleep(spread(self.pause)).await;
        self.pause = (self.pause * 2).min(RESUME_PAUSES.1);
    }

    /// Acknowledges the subscription, or waits until whoever announces on the presence channel has.
    async fn acknowledged(&mut self, user_id: Option<&str>) -> Result<ControlFlow<Ended>, Fault> {
        let Subscriber { of, id, .. } = self.subscriber;
        let Some(user_id) = user_id else {
            let acknowledged = Said::Acknowledged {
                channel: &of.channel,
                roster: None,
            };
            return Ok(
                match try_say(
                    self.services,
                    self.client(),
                    &acknowledged,
                    self.clock.now(),
                )
                .await?
                {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(Ended::Over),
                },
            );
        };
        let table = &self.services.table;
        loop {
            let row = table.member(of, user_id).await?;
            let asked = row.iter().flat_map(|row| &row.member.asked);
            if !asked
                .clone()
                .any(|asked| asked.id == *id && asked.op == self.op)
            {
                break;
            }
            if self.clock.is_over() {
                return Ok(ControlFlow::Break(Ended::Lost(None)));
            }
            self.wait().await;
        }
        self.pause = RESUME_PAUSES.0;
        // It may have been told that there is no room.
        let own = table.own_row(id, &of.channel).await?;
        Ok(match own {
            Some(own) if own.left_at.is_none() => ControlFlow::Continue(()),
            Some(_) | None => ControlFlow::Break(Ended::Over),
        })
    }

    /// Shows what was missed until nothing is published between the last look and the switch.
    async fn show(&mut self, mut tip: Tip) -> Result<Ended, Fault> {
        let (services, subscriber) = (self.services, self.subscriber);
        let table = &services.table;
        let app = services.apps.by_id(&subscriber.of.app_id);
        // Without a log only whoever has missed nothing can be shown that. A serial that nothing has:
        // what was published before it is not known any more.
        let keeps = |app: &&App| app.settings().retention_secs > 0 || self.has == tip.serial;
        let (Some(app), true) = (app.filter(keeps), self.has <= tip.serial) else {
            return Ok(Ended::Lost(None));
        };
        for _ in 0..RESUME_SWITCHES_MAX {
            if let ControlFlow::Break(ended) = self.show_up_to(tip, app).await? {
                return Ok(ended);
            }
            match table.go_live_at(subscriber, self.op, self.has).await? {
                Switched::Yes => return Ok(Ended::Live),
                Switched::Replaced => return Ok(Ended::Over),
                Switched::Published => {}
                Switched::Busy => self.wait().await,
            }
            tip = table.tip(subscriber.of).await?;
        }
        if !table
            .go_live_from(subscriber, self.op, self.has + 1)
            .await?
        {
            return Ok(Ended::Over);
        }
        tip = table.tip(subscriber.of).await?;
        Ok(match self.show_up_to(tip, app).await? {
            ControlFlow::Continue(()) => Ended::Live,
            ControlFlow::Break(ended) => ended,
        })
    }

    /// Posts what is in the log after what the client has, up to the tip or beyond it. What is not yet
    /// in the log is awaited.
    async fn show_up_to(&mut self, tip: Tip, app: &App) -> Result<ControlFlow<Ended>, Fault> {
        let Subscriber { of, .. } = self.subscriber;
        let shown_before = self.shown;
        while self.has < tip.serial {
            let now = self.clock.now();
            let position = Position {
                channel: of.channel.clone(),
                after: self.has,
            };
            let table = &self.services.table;
            let read = read_channel(table, app, &position, POLL_DATA_MAX_BYTES, now).await?;
            let first = read.rows.first().map(|row| row.serial);
            let left = first.map_or(0, |first| tip.serial.saturating_sub(first) + 1);
            if read.truncated || self.shown - shown_before + left > RESUME_EVENTS_MAX {
                return Ok(ControlFlow::Break(Ended::Lost(first)));
            }
            for row in read.rows {
                if self.clock.is_over() {
                    return Ok(ControlFlow::Break(Ended::Lost(Some(row.serial))));
                }
                if let Some((name, data)) = row.event {
                    let published = Said::Published {
                        channel: &of.channel,
                        name: &name,
                        data: &data,
                        serial: row.serial,
                    };
                    if !try_say(self.services, self.client(), &published, now).await? {
                        return Ok(ControlFlow::Break(Ended::Over));
                    }
                    self.shown += 1;
                }
                self.has = row.serial;
            }
            if read.after > position.after {
                self.has = read.after;
                self.pause = RESUME_PAUSES.0;
            } else if let ControlFlow::Break(ended) =
                self.await_tip(tip, app.settings().retention_secs).await?
            {
                return Ok(ControlFlow::Break(ended));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Waits for what has taken its serial and is not in the log, and closes what is not there after
    /// the time in which its publisher must have put it there. Nothing later shows a reader of the log
    /// that it is missing.
    async fn await_tip(
        &mut self,
        tip: Tip,
        retention_secs: u64,
    ) -> Result<ControlFlow<Ended>, Fault> {
        let now = self.clock.now();
        if self.clock.is_over() {
            return Ok(ControlFlow::Break(Ended::Lost(None)));
        }
        // A reader without a position has missed nothing.
        let first = if self.has == 0 {
            tip.serial
        } else {
            self.has + 1
        };
        if is_expired(tip.published_at, retention_secs, now) {
            if self.has == 0 {
                self.has = tip.serial;
                return Ok(ControlFlow::Continue(()));
            }
            return Ok(ControlFlow::Break(Ended::Lost(None)));
        }
        if now.millis_since(tip.published_at) < HOLE_GRACE_MILLIS {
            self.wait().await;
            return Ok(ControlFlow::Continue(()));
        }
        if tip.serial - first >= HOLES_CLOSED_MAX {
            return Ok(ControlFlow::Break(Ended::Lost(None)));
        }
        for serial in first..=tip.serial {
            let of = self.subscriber.of;
            let table = &self.services.table;
            table.close_serial(of, serial, retention_secs, now).await?;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Makes the subscription live all the same, and tells the client what is missing: in this order,
    /// so that nothing later than the notice is. On a channel that keeps its last event that follows.
    async fn give_up(&self, oldest: Option<u64>) {
        let (services, now) = (self.services, self.clock.now());
        let Subscriber { of, id, .. } = self.subscriber;
        match services
            .table
            .go_live_from(self.subscriber, self.op, 0)
            .await
        {
            Ok(true) => {
                let failed = Said::NotResumed {
                    channel: &of.channel,
                    after: self.has,
                    oldest,
                };
                if say(services, self.client(), &failed, now).await {
                    show_last(services, self.client(), of, now).await;
                }
            }
            Ok(false) => {}
            Err(fault) => {
                // Its hold ends by itself, but whoever joins again has not to wait for that.
                log_fault!(error, fault, channel = %of.channel, connection_id = %id, "held");
                let failed = Said::SubscriptionFailed {
                    channel: &of.channel,
                };
                say(services, self.client(), &failed, now).await;
            }
        }
    }
}
