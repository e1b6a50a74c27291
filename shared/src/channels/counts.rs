//! How many subscribe to a channel, told to those who do, where the app wants it.
//!
//! Up to 100 subscribers are told at once whenever their number has changed. More are told at most
//! every 5 s. A change that finds that it is time is announced right away; one that finds that it
//! is not is put off, once for all that follow it, by a delayed message. The channel's item says
//! when they were told last and whether it is put off. Subscribers are read after the item was
//! written, so every change that found it so is counted. What is told is how many that reading
//! found: exactly those who are there.
//!
//! # The order of writes, what a half-done one leaves, and who repairs it
//!
//! *Right away*: (1) claim it in the item, (2) post; this is done from the queue, too, which hands
//! it out again after a crash. *Put off*: (1) in the item, (2) a message; when that is handed out,
//! (3) claim it, (4) post. A crash right after the change, or after (1) without the message, leaves
//! a change that is told of with the next one; after (3) the message is handed out again.
//!
//! Every telling takes a turn in the item before it reads the subscribers. Whoever finds, after the
//! last post, that another turn was taken meanwhile tells once more: of two that tell at once the
//! last word is right.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::time::timeout;

use crate::aws::Services;
use crate::aws::table::{Audience, ChannelKey};
use crate::delivery;
use crate::log::log_fault;
use crate::model::channel::Kind;
use crate::model::error::{ErrorType, Fault};
use crate::model::limits::{COUNT_AT_ONCE_MAX, COUNT_INTERVAL_SECS, TABLE_CONCURRENCY};
use crate::model::said::Said;
use crate::model::task::{Recount, Task};
use crate::model::time::UnixMillis;
use crate::model::webhook::Event;
use crate::upkeep::operation_name;

/// Times that a few subscribers are told because others tell them at the same time, before the rest
/// is left to the queue.
const ROUNDS: usize = 4;
/// How long a connection that is being forgotten waits for what is left to the queue.
const PATIENCE: Duration = Duration::from_secs(2);

/// What follows from a change of the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Nobody is there to be told.
    Nobody,
    /// They are few: each change is told.
    AtOnce,
    /// They are many, and were not told after `last`: it is time.
    Due { last: UnixMillis },
    /// They are many, and were told a moment ago: it is time after `wait`.
    Early { told_at: UnixMillis, wait: Duration },
    /// The same, and somebody has put it off already.
    PutOff,
}

impl Step {
    fn of(audience: &Audience, now: UnixMillis) -> Self {
        let last = now.minus_secs(COUNT_INTERVAL_SECS);
        match audience.told_at {
            _ if audience.subscribers == 0 => Self::Nobody,
            _ if audience.subscribers <= COUNT_AT_ONCE_MAX => Self::AtOnce,
            Some(told_at) if told_at > last && audience.is_put_off => Self::PutOff,
            Some(told_at) if told_at > last => Self::Early {
                told_at,
                wait: Duration::from_millis(told_at.millis_since(last)),
            },
            Some(_) | None => Self::Due { last },
        }
    }
}

/// Whether a channel's subscribers are told how many they are.
fn is_told(services: &Services, of: &ChannelKey) -> bool {
    let app = services.apps.by_id(&of.app_id);
    let of_kind = match of.channel.kind() {
        Kind::Public | Kind::Private | Kind::Encrypted => true,
        // The one has members, the other one user's connections.
        Kind::Presence | Kind::User => false,
    };
    of_kind && app.is_some_and(|app| app.settings().subscription_count)
}

/// Tells a channel's subscribers how many they are after one of them has come or gone: here, if they
/// are few, and by way of the queue if they are many. It costs nothing where it is switched off;
/// otherwise a read, and for a few a write, a query, a post to each and another read. Nothing fails
/// when this does.
pub async fn changed(services: &Services, of: &ChannelKey, now: UnixMillis) {
    if is_told(services, of)
        && let Err(fault) = tell_few(services, of, now).await
    {
        not_told(of, &fault);
    }
}

async fn tell_few(services: &Services, of: &ChannelKey, now: UnixMillis) -> Result<(), Fault> {
    let audience = services.table.audience(of).await?;
    let step = Step::of(&audience, now);
    if step == Step::AtOnce {
        tell(services, of, false, now).await
    } else {
        leave(services, of, step).await
    }
}

/// The same after a connection has gone from some channels, all by way of the queue: it may be many
/// channels, and whoever forgets a connection has something else to do. A read and a message for
/// each channel, within 2 s.
pub(crate) async fn lost(services: &Services, channels: Vec<ChannelKey>, now: UnixMillis) {
    let told = channels.iter().filter(|of| is_told(services, of));
    let leaving: Vec<_> = told
        .map(|of| async move {
            let audience = services.table.audience(of).await;
            let left = match audience {
                Ok(audience) => leave(services, of, Step::of(&audience, now)).await,
                Err(fault) => Err(fault),
            };
            if let Err(fault) = left {
                not_told(of, &fault);
            }
        })
        .collect();
    if leaving.is_empty() {
        return;
    }
    let leaving = stream::iter(leaving)
        .buffer_unordered(TABLE_CONCURRENCY)
        .for_each(std::future::ready);
    if timeout(PATIENCE, leaving).await.is_err() {
        let error_type = ErrorType::OutOfTime.name();
        tracing::error!(
            error_type,
            "not all subscribers are told how many they are: it takes too long"
        );
    }
}

/// Does what was left to the queue: tells a channel's subscribers how many they are, few or many, if
/// it is time.
///
/// # Errors
/// [`Fault`]: they may or may not be told; doing it again is safe.
pub async fn announce(
    services: &Services,
    of: &ChannelKey,
    put_off: Option<&str>,
    now: UnixMillis,
) -> Result<(), Fault> {
    let mut claimed = false;
    if let Some(name) = put_off {
        claimed = services.table.claim_put_off_count(of, name, now).await?;
        if !claimed {
            return Ok(());
        }
    }
    let audience = services.table.audience(of).await?;
    match Step::of(&audience, now) {
        Step::Nobody => Ok(()),
        Step::AtOnce => tell(services, of, false, now).await,
        _ if claimed => tell(services, of, true, now).await,
        Step::Due { last } => {
            if services.table.claim_count(of, last, now).await? {
                tell(services, of, true, now).await?;
            }
            Ok(())
        }
        step @ (Step::Early { .. } | Step::PutOff) => leave(services, of, step).await,
    }
}

/// Leaves it to the queue.
async fn leave(services: &Services, of: &ChannelKey, step: Step) -> Result<(), Fault> {
    match step {
        Step::Nobody | Step::PutOff => Ok(()),
        Step::AtOnce | Step::Due { .. } => {
            let task = task(of, None);
            services.do_later(&task, Duration::ZERO).await
        }
        Step::Early { told_at, wait } => {
            let name = operation_name()?;
            if services.table.put_off_count(of, told_at, &name).await? {
                services.do_later(&task(of, Some(name)), wait).await?;
            }
            Ok(())
        }
    }
}

fn task(of: &ChannelKey, put_off: Option<String>) -> Task {
    Task::SubscriptionCount(Recount {
        app_id: of.app_id.clone(),
        channel: of.channel.clone(),
        put_off,
    })
}

/// Tells them, however many they are, without the queue of large channels: a number that is a moment
/// old is as good, and the next one says it again. One write, a query, a post to each and a read. Of two that tell at once the slower one
/// may tell a number that is not right any more, after the one that is; so whoever was overtaken
/// tells once more: here, if they are few, and by way of the queue if they are many.
async fn tell(
    services: &Services,
    of: &ChannelKey,
    many: bool,
    now: UnixMillis,
) -> Result<(), Fault> {
    for _ in 0..ROUNDS {
        let Some(telling) = services.table.begin_telling(of).await? else {
            return Ok(());
        };
        let live = delivery::subscribers(services, of, telling.shards, now).await?;
        if live.is_empty() {
            return Ok(());
        }
        let count = u64::try_from(live.len()).unwrap_or(u64::MAX);
        let counted = Said::Counted {
            channel: &of.channel,
            subscribers: count,
        };
        let tally = delivery::deliver(services, of, live, counted, now).await;
        tracing::info!(channel = %of.channel, count, served = tally.served, gone = tally.gone, failed = tally.failed, "counted");
        if !services.table.is_overtaken(of, telling).await? {
            // Webhooks are told the last word alone.
            let event = Event::SubscriptionCount {
                channel: of.channel.clone(),
                subscription_count: count,
            };
            services.happened(of, event);
            return Ok(());
        }
        if many {
            break;
        }
    }
    services.do_later(&task(of, None), Duration::ZERO).await
}

fn not_told(of: &ChannelKey, fault: &Fault) {
    log_fault!(error, fault, channel = %of.channel, "subscribers not told how many they are");
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn step(subscribers: u64, told_at: Option<u64>, is_put_off: bool) -> Step {
        let audience = Audience {
            subscribers,
            shards: 1,
            told_at: told_at.map(UnixMillis),
            is_put_off,
            ..Audience::default()
        };
        Step::of(&audience, NOW)
    }

    #[test]
    fn a_few_are_told_of_each_change() {
        assert_eq!(step(0, None, false), Step::Nobody);
        for (told_at, is_put_off) in [(None, false), (Some(NOW.0), false), (Some(NOW.0), true)] {
            assert_eq!(step(1, told_at, is_put_off), Step::AtOnce);
            assert_eq!(step(100, told_at, is_put_off), Step::AtOnce);
            assert_ne!(step(101, told_at, is_put_off), Step::AtOnce);
        }
    }

    #[test]
    fn many_are_told_once_in_five_seconds() {
        let last = UnixMillis(NOW.0 - 5_000);
        let due = Step::Due { last };
        assert_eq!(step(101, None, false), due);
        assert_eq!(step(101, Some(last.0), false), due);
        // Whoever was to do it later has not, or has lost the message.
        assert_eq!(step(101, Some(last.0), true), due);
        for (ago, wait) in [(4_999, 1), (1_000, 4_000), (0, 5_000)] {
            let told_at = NOW.0 - ago;
            let early = Step::Early {
                told_at: UnixMillis(told_at),
                wait: Duration::from_millis(wait),
            };
            assert_eq!(step(101, Some(told_at), false), early);
            assert_eq!(step(101, Some(told_at), true), Step::PutOff);
        }
    }
}
