//! The script of the day, in small. Each step ends when everything that follows from it has ended; then it
//! is counted.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::client::{Outside, PATIENCE, Socket};
use super::count::{CountedSystem, Spending};
use super::prices::Meter;
use super::used::Used;
use crate::runtime::Problem;

/// Things that clients do at once: few, so that functions do not wait for each other's CPU.
const AT_ONCE: usize = 4;
/// Sockets that end before all that follows from it is waited for.
const LEAVING_AT_ONCE: usize = 200;
/// Subscribers of a small channel.
pub(crate) const SMALL_SUBSCRIBERS: usize = 20;
/// Members of a presence channel.
const PRESENCE_MEMBERS: usize = 5;
/// Publications to each small channel.
const SMALL_PUBLICATIONS: usize = 10;
/// Publications to the large one.
const LARGE_PUBLICATIONS: usize = 10;
/// Pings of each socket.
const PINGS: usize = 5;
/// Minutes of silence before each.
pub(crate) const PING_MINUTES: f64 = 2.0;
/// Streams of server-sent events, and clients that poll.
const READERS: usize = 10;
/// How long they read.
pub(crate) const READING_SECS: u64 = 20;
/// What they read is published once a second, until shortly before they end.
const READING_PUBLICATIONS: u64 = READING_SECS - 2;
/// The channel of the streams.
const STREAMED: &str = "progress";
/// That of the polls.
const POLLED: &str = "status";
/// The large one.
const LARGE: &str = "news";

/// How many sockets are on what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    small: usize,
    presence: usize,
    cache: usize,
    pub(crate) large: usize,
}

impl Size {
    /// So many percent of the whole: whole channels, and a large one that is larger than a small one.
    pub(crate) fn percent(percent: usize) -> Self {
        let part = |whole: usize, of: usize| (whole * percent / 100 / of).max(1) * of;
        Self {
            small: part(400, SMALL_SUBSCRIBERS),
            presence: part(100, PRESENCE_MEMBERS),
            cache: part(100, SMALL_SUBSCRIBERS),
            large: part(2_000, 2 * SMALL_SUBSCRIBERS),
        }
    }
}

/// A step of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Connect,
    Subscribe,
    Attend,
    SubscribeToCache,
    SubscribeToLarge,
    PublishSmall,
    PublishToCache,
    PublishLarge,
    Ping,
    Reap,
    Stream,
    Poll,
    Leave,
    LeavePresence,
    LeaveCache,
    LeaveLarge,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "a socket connects",
            Self::Subscribe => "subscribes to a channel of 20",
            Self::Attend => "subscribes to a presence channel of 5",
            Self::SubscribeToCache => "subscribes to a cache channel of 20",
            Self::SubscribeToLarge => "subscribes to the large channel",
            Self::PublishSmall => "publication to a channel of 20",
            Self::PublishToCache => "publication to a cache channel of nobody",
            Self::PublishLarge => "publication to the large channel",
            Self::Ping => "two idle minutes, a ping and a pong",
            Self::Reap => "the reaper's minute",
            Self::Stream => "a stream of server-sent events, 20 s",
            Self::Poll => "a client polls for 20 s",
            Self::Leave => "disconnects from a channel of 20",
            Self::LeavePresence => "… from a presence channel of 5",
            Self::LeaveCache => "… from a cache channel of 20",
            Self::LeaveLarge => "… from the large channel",
        })
    }
}

/// What a step has come to.
pub(crate) struct Counts {
    pub(crate) step: Step,
    /// How often it happened.
    pub(crate) times: f64,
    pub(crate) spending: Spending,
}

impl Counts {
    /// What is used for so many times, or of so many, that the day had of it. Without secrets: each environment reads them
    /// when it starts and then every five minutes, whatever it is asked to do.
    pub(crate) fn for_each(&self, many: f64) -> Used {
        self.spending.used.without(Meter::SecretReads) * (1.0 / many)
    }
}

/// A day.
pub(crate) struct Day<'a> {
    counted: &'a CountedSystem,
    counts: Vec<Counts>,
}

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// Does the same for each of many, a few at once.
async fn each<T, U, W>(
    all: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> W,
) -> Result<Vec<U>, Problem>
where
    W: Future<Output = Result<U, Problem>>,
{
    let mut works = stream::iter(all).map(work).buffered(AT_ONCE);
    let mut done = Vec::new();
    while let Some(one) = works.try_next().await? {
        done.push(one);
    }
    Ok(done)
}

/// Goes on once so many copies of events have arrived.
async fn delivered(outside: &Outside, count: f64) -> Result<(), Problem> {
    let arrived = async {
        while outside.traffic.delivered() < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let arrived = tokio::time::timeout(PATIENCE, arrived).await;
    arrived.map_err(|_| "an event does not arrive".into())
}

impl<'a> Day<'a> {
    pub(crate) fn new(counted: &'a CountedSystem) -> Self {
        Self {
            counted,
            counts: Vec::new(),
        }
    }

    /// Does a step so often, and counts what it has used.
    async fn step<T>(
        &mut self,
        step: Step,
        times: usize,
        work: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        eprintln!("{times} × {step}");
        let begun = self.counted.begin().await?;
        let result = work.await?;
        let mut spending = self.counted.end(begun).await?;
        if step == Step::Ping {
            let minutes = number(times) * PING_MINUTES;
            spending.used = spending.used + Used::of(Meter::ConnectionMinutes, minutes);
        }
        let invocations = spending.used.units(Meter::Invocations);
        if invocations < number(times) {
            return Err(format!("{invocations} invocations for {times} × {step}").into());
        }
        self.counts.push(Counts {
            step,
            times: number(times),
            spending,
        });
        Ok(result)
    }

    /// All of it.
    pub(crate) async fn run(mut self, size: Size) -> Result<Vec<Counts>, Problem> {
        let outside = &self.counted.outside;
        let count = size.small + size.presence + size.cache + size.large;
        let connects = each(0..count, |_| outside.connect());
        let mut small = self.step(Step::Connect, count, connects).await?;
        let mut presence = small.split_off(size.small);
        let mut cache = presence.split_off(size.presence);
        let mut large = cache.split_off(size.cache);

        let of = |kind: &str, index: usize, subscribers: usize| {
            format!("{kind}-{}", index / subscribers)
        };
        let name = |index| of("orders", index, SMALL_SUBSCRIBERS);
        let work = subscribe(&mut small, name);
        self.step(Step::Subscribe, size.small, work).await?;
        let name = |index| of("presence-room", index, PRESENCE_MEMBERS);
        let work = attend(&mut presence, name);
        self.step(Step::Attend, size.presence, work).await?;
        let name = |index| of("cache-prices", index, SMALL_SUBSCRIBERS);
        let channels = size.cache / SMALL_SUBSCRIBERS;
        let work = each(0..channels, |n| {
            publish(outside, format!("cache-prices-{n}"))
        });
        self.step(Step::PublishToCache, channels, work).await?;
        let work = subscribe(&mut cache, name);
        self.step(Step::SubscribeToCache, size.cache, work).await?;
        let work = subscribe(&mut large, |_| LARGE.to_owned());
        self.step(Step::SubscribeToLarge, size.large, work).await?;

        let channels = size.small / SMALL_SUBSCRIBERS;
        let times = channels * SMALL_PUBLICATIONS;
        let work = async {
            let expected = outside.traffic.delivered() + number(times * SMALL_SUBSCRIBERS);
            each(0..times, |n| {
                publish(outside, format!("orders-{}", n % channels))
            })
            .await?;
            delivered(outside, expected).await
        };
        self.step(Step::PublishSmall, times, work).await?;
        let work = async {
            for _ in 0..LARGE_PUBLICATIONS {
                let expected = outside.traffic.delivered() + number(size.large);
                outside.publish(LARGE).await?;
                delivered(outside, expected).await?;
            }
            Ok(())
        };
        self.step(Step::PublishLarge, LARGE_PUBLICATIONS, work)
            .await?;

        let sockets = small.iter_mut().chain(&mut presence);
        let sockets = sockets.chain(&mut cache).chain(&mut large);
        let work = each(sockets, ping);
        self.step(Step::Ping, count * PINGS, work).await?;
        let reaped = self.counted.reap();
        self.step(Step::Reap, 1, reaped).await?;
        self.step(Step::Stream, READERS, stream_for_a_while(outside))
            .await?;
        self.step(Step::Poll, READERS, poll_for_a_while(outside))
            .await?;

        for (step, sockets) in [
            (Step::Leave, small),
            (Step::LeavePresence, presence),
            (Step::LeaveCache, cache),
            (Step::LeaveLarge, large),
        ] {
            let times = sockets.len();
            let leave = leave(self.counted, sockets);
            self.step(step, times, leave).await?;
        }
        Ok(self.counts)
    }
}

async fn publish(outside: &Outside, channel: String) -> Result<(), Problem> {
    outside.publish(&channel).await
}

async fn subscribe(sockets: &mut [Socket], name: impl Fn(usize) -> String) -> Result<(), Problem> {
    let join = async |(index, socket): (usize, &mut Socket)| socket.subscribe(&name(index)).await;
    each(sockets.iter_mut().enumerate(), join).await?;
    Ok(())
}

async fn attend(sockets: &mut [Socket], name: impl Fn(usize) -> String) -> Result<(), Problem> {
    let join = async |(index, socket): (usize, &mut Socket)| socket.attend(&name(index)).await;
    each(sockets.iter_mut().enumerate(), join).await?;
    Ok(())
}

/// Ends sockets, no more at once than may wait for a function: nobody waits for a `$disconnect`, and `local` drops those that
/// are too many.
async fn leave(counted: &CountedSystem, mut sockets: Vec<Socket>) -> Result<(), Problem> {
    while !sockets.is_empty() {
        let some = sockets.split_off(sockets.len().saturating_sub(LEAVING_AT_ONCE));
        each(some, Socket::close).await?;
        counted.settled().await?;
    }
    Ok(())
}

async fn ping(socket: &mut Socket) -> Result<(), Problem> {
    for _ in 0..PINGS {
        socket.ping().await?;
    }
    Ok(())
}

/// Publishes once a second, for nearly as long as they read.
async fn publish_for_a_while(outside: &Outside, channel: &str) -> Result<(), Problem> {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    for _ in 0..READING_PUBLICATIONS {
        seconds.tick().await;
        outside.publish(channel).await?;
    }
    Ok(())
}

/// Streams that last for as long as a stream does.
async fn stream_for_a_while(outside: &Outside) -> Result<(), Problem> {
    let (begun, mut connected) = mpsc::unbounded_channel();
    let mut streams = JoinSet::new();
    for _ in 0..READERS {
        let (outside, begun) = (outside.clone(), begun.clone());
        streams.spawn(async move { outside.stream(STREAMED, begun).await });
    }
    for _ in 0..READERS {
        let one = tokio::time::timeout(PATIENCE, connected.recv()).await;
        one.map_err(|_| "a stream does not begin")?;
    }
    publish_for_a_while(outside, STREAMED).await?;
    while let Some(ended) = streams.join_next().await {
        ended??;
    }
    Ok(())
}

/// Clients that poll as often as they are told to.
async fn poll_for_a_while(outside: &Outside) -> Result<(), Problem> {
    // Where nothing was published lately they are told to come back much later.
    outside.publish(POLLED).await?;
    let mut clients = JoinSet::new();
    for _ in 0..READERS {
        let outside = outside.clone();
        clients.spawn(async move {
            let mut after = None;
            loop {
                let polled = outside.poll(POLLED, after.as_deref()).await?;
                after = Some(polled.0);
                tokio::time::sleep(polled.1).await;
            }
        });
    }
    publish_for_a_while(outside, POLLED).await?;
    // The last one is read, too.
    tokio::time::sleep(Duration::from_secs(2)).await;
    while let Some(ended) = clients.try_join_next() {
        let problem: Result<(), Problem> = ended?;
        problem?;
    }
    clients.shutdown().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_day_has_whole_channels() {
        let whole = Size::percent(100);
        assert_eq!((whole.small, whole.large), (400, 2_000));
        let least = Size::percent(1);
        assert_eq!(
            least,
            Size {
                small: 20,
                presence: 5,
                cache: 20,
                large: 40
            }
        );
    }
}
