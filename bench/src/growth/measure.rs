//! Publishes to channels of every size, and measures what that takes.

use std::sync::Arc;
use std::time::Duration;

use super::measured_system::{Asked, DeliverySettings, MeasuredSystem, Purpose};
use super::model::assumptions::PER_SHARD;
use super::subscribers::rows;
use crate::figures::{median, wide};
use crate::runtime::{Problem, single_threaded};
use crate::sink::Posts;

/// Where the posts of the systems come, and which system it is.
pub(crate) struct Receiver {
    /// The port.
    pub(crate) port: u16,
    /// What came there.
    pub(crate) posts: Arc<Posts>,
}

/// How long a publication to so many takes.
#[derive(Clone, Copy)]
pub(crate) struct Timed {
    pub(crate) recipients: u64,
    /// CPU of the functions for one publication, the median of the rounds.
    pub(crate) cpu_millis: f64,
    /// From before the request to the last post, the median of all publications.
    pub(crate) wall_millis: f64,
}

/// What one asks for.
#[derive(Clone, Copy)]
pub(crate) struct CountedRequests {
    pub(crate) recipients: u64,
    pub(crate) asked: Asked,
}

/// Publications that are measured as one, because one alone is too short.
const fn together(recipients: u64) -> u32 {
    match recipients {
        0..=100 => 100,
        101..=1_000 => 20,
        1_001..=10_000 => 3,
        _ => 1,
    }
}

pub(crate) fn channel(recipients: u64) -> String {
    format!("growth-{recipients}")
}

/// Starts a system with a channel of each size.
pub(crate) async fn start(
    purpose: Purpose,
    sink: &Receiver,
    sizes: &[u64],
) -> Result<MeasuredSystem, Problem> {
    let system = MeasuredSystem::start(purpose, sink.port, &sink.posts)?;
    for &recipients in sizes {
        let rows = rows(&channel(recipients), recipients, PER_SHARD);
        system.put(&rows).await?;
    }
    // The largest first: it has all workers start. From then on it goes through the queue.
    for &recipients in sizes.iter().rev() {
        for _ in 0..2 {
            system.publish(&channel(recipients), recipients).await?;
        }
    }
    Ok(system)
}

/// Publishes to a channel of each size, at so many posts a second.
pub(crate) async fn time(
    posts_per_second: u64,
    sink: &Receiver,
    sizes: &[u64],
    rounds: u32,
) -> Result<Vec<Timed>, Problem> {
    let purpose = Purpose::Time(DeliverySettings {
        posts_per_second,
        inline_max: shared::model::limits::FANOUT_INLINE_MAX_DEFAULT,
        workers: None,
    });
    let system = start(purpose, sink, sizes).await?;
    let mut all = Vec::new();
    for &recipients in sizes {
        eprintln!("{recipients} recipients, at up to {posts_per_second} posts a second");
        let (mut cpus, mut walls) = (Vec::new(), Vec::new());
        let count = together(recipients);
        for _ in 0..rounds {
            let before = system.rested_cpu_nanos().await?;
            for _ in 0..count {
                let took = system.publish(&channel(recipients), recipients).await?;
                walls.push(took.delivered.as_secs_f64() * 1e3);
            }
            let nanos = system.rested_cpu_nanos().await? - before;
            cpus.push(wide(nanos) / 1e6 / f64::from(count));
        }
        all.push(Timed {
            recipients,
            cpu_millis: median(cpus),
            wall_millis: median(walls),
        });
    }
    Ok(all)
}

/// Publishes once to a channel of each size, and counts.
pub(crate) async fn count(sink: &Receiver, sizes: &[u64]) -> Result<Vec<CountedRequests>, Problem> {
    let system = start(Purpose::Count, sink, sizes).await?;
    let mut all = Vec::new();
    for &recipients in sizes {
        eprintln!("{recipients} recipients, counted");
        system.asked().await?;
        system.forget().await?;
        system.publish(&channel(recipients), recipients).await?;
        let asked = system.asked().await?;
        all.push(CountedRequests { recipients, asked });
    }
    Ok(all)
}

/// Answers posts on a port of its own, each after a while, until this process ends.
pub(crate) fn sink(delay: Duration) -> Result<Receiver, Problem> {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    let posts = Arc::new(Posts::new());
    let counted = posts.clone();
    std::thread::spawn(move || -> Result<(), Problem> {
        let serving = crate::sink::serve(listener, delay, None, counted);
        single_threaded()?.block_on(serving)
    });
    Ok(Receiver { port, posts })
}
