//! The crowd benchmark: opens the sockets, publishes to one channel of all and to a channel of each, and
//! prints how long the last one waits.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::json;

use super::sockets::{CountingSocket, Received};
use crate::runtime::Problem;
use crate::system::{self, APP_ID, LOCAL, System};

/// Sockets that are opened at once, and requests to publish.
const CONCURRENCY: usize = 32;
/// Publications in one request: Pusher's own limit.
const BATCH: usize = 10;
/// Posts a second that nothing is held back by.
const UNPACED: u64 = 4_000_000;
/// How long a publication may take to reach everybody.
const PATIENCE: Duration = Duration::from_secs(120);

/// The benchmark of crowds.
#[derive(Args)]
pub(crate) struct Crowd {
    /// Sockets on one channel. Each takes a file descriptor here and one in `local`
    #[arg(long, default_value_t = 19_000)]
    sockets: usize,
    /// Channels with a socket each
    #[arg(long, default_value_t = 10_000)]
    channels: usize,
    /// Publications to the one channel, of which the median is reported
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Runs `local` and the functions that lie beside this binary, without building them first
    #[arg(long)]
    prebuilt: bool,
}

impl Crowd {
    /// Measures, and prints.
    pub(crate) fn run(&self) -> Result<(), Problem> {
        if !self.prebuilt {
            system::build()?;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let pace = shared::model::limits::POSTS_PER_SECOND_DEFAULT;
            println!("## {} sockets on one channel\n", self.sockets);
            for (posts_per_second, said) in [(pace, "at the default pace"), (UNPACED, "unpaced")] {
                self.one_channel(posts_per_second, said).await?;
            }
            println!("## {} channels with a socket each\n", self.channels);
            self.many_channels().await
        })
    }

    /// Publishes to all of them, again and again.
    async fn one_channel(&self, posts_per_second: u64, said: &str) -> Result<(), Problem> {
        let crowd = Gathered::start(self.sockets, posts_per_second, |_| "crowd".to_owned()).await?;
        let mut rounds = Vec::new();
        for round in 0..self.rounds {
            let body = json!({ "name": "tick", "channel": "crowd", "data": "x".repeat(400) });
            let began = Instant::now();
            crowd.publish("events", &body.to_string()).await?;
            let answered = began.elapsed();
            let expected = self.sockets * (round + 1);
            let last = crowd.received.all(expected, PATIENCE).await?;
            rounds.push((last.duration_since(began), answered));
        }
        rounds.sort_unstable();
        let (last, answered) = rounds.get(rounds.len() / 2).ok_or("no round")?;
        println!(
            "{said}: the last of {} receives it {:.2} s after it was asked for, the median of {} times; the publisher \
             had its answer after {:.0} ms",
            self.sockets,
            last.as_secs_f64(),
            self.rounds,
            answered.as_secs_f64() * 1e3,
        );
        println!("{}\n", crowd.memory()?);
        crowd.received.exactly(self.sockets * self.rounds)
    }

    /// Publishes to each of them once.
    async fn many_channels(&self) -> Result<(), Problem> {
        let name = |index| format!("solo-{index}");
        let crowd = Gathered::start(self.channels, UNPACED, name).await?;
        let began = Instant::now();
        let channels: Vec<usize> = (0..self.channels).collect();
        stream::iter(channels.chunks(BATCH))
            .map(async |some| {
                let event = |&index| json!({ "name": "tick", "channel": name(index), "data": "x".repeat(400) });
                let batch: Vec<_> = some.iter().map(event).collect();
                let body = json!({ "batch": batch }).to_string();
                crowd.publish("batch_events", &body).await
            })
            .buffer_unordered(CONCURRENCY)
            .try_collect::<()>()
            .await?;
        let last = crowd.received.all(self.channels, PATIENCE).await?;
        let took = last.duration_since(began).as_secs_f64();
        println!("one event to each, {BATCH} in a request: all received within {took:.2} s");
        println!("{}", crowd.memory()?);
        crowd.received.exactly(self.channels)
    }
}

/// A system, and sockets that have joined their channels.
struct Gathered {
    system: System,
    sockets: usize,
    received: Arc<Received>,
    client: reqwest::Client,
    empty: Memory,
}

impl Gathered {
    async fn start(
        sockets: usize,
        posts_per_second: u64,
        channel: impl Fn(usize) -> String,
    ) -> Result<Self, Problem> {
        let pace = [
            "--posts-per-second".to_owned(),
            posts_per_second.to_string(),
        ];
        let quiet = ["--quiet".to_owned()];
        let system = System::start(&[&pace[..], &quiet[..]].concat(), |_| {})?;
        let empty = Memory::of(&system)?;
        let received = Arc::<Received>::default();
        let began = Instant::now();
        stream::iter(0..sockets)
            .map(|index| CountingSocket::join(&system.base, channel(index)))
            .buffer_unordered(CONCURRENCY)
            .try_for_each(|socket| {
                tokio::spawn(socket.read(received.clone()));
                std::future::ready(Ok(()))
            })
            .await?;
        let took = began.elapsed().as_secs_f64();
        eprintln!("{sockets} sockets have joined in {took:.0} s");
        Ok(Self {
            system,
            sockets,
            received,
            client: reqwest::Client::new(),
            empty,
        })
    }

    async fn publish(&self, what: &str, body: &str) -> Result<(), Problem> {
        let path = system::signed(&format!("/apps/{APP_ID}/{what}"), body)?;
        let request = self
            .client
            .post(format!("{}{path}", self.system.base))
            .header("content-type", "application/json")
            .body(body.to_owned());
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if status.is_success() {
            Ok(())
        } else {
            Err(format!("{status}: {text}").into())
        }
    }

    /// What the system holds, and held before anybody came.
    fn memory(&self) -> Result<String, Problem> {
        let now = Memory::of(&self.system)?;
        let sockets = f64::from(u32::try_from(self.sockets)?);
        let each_kb = (now.local_mb - self.empty.local_mb) * 1_024.0 / sockets;
        Ok(format!(
            "memory: {now}; before anybody came {}; {each_kb:.0} KB a socket in `local`, table included",
            self.empty
        ))
    }
}

/// Megabytes that the processes of a system hold.
struct Memory {
    local_mb: f64,
    function_max_mb: f64,
}

impl Memory {
    fn of(system: &System) -> Result<Self, Problem> {
        let mut memory = Self {
            local_mb: 0.0,
            function_max_mb: 0.0,
        };
        for process in system.processes()? {
            let rss_mb = process.rss_mb()?;
            if process.name == LOCAL {
                memory.local_mb = rss_mb;
            } else {
                memory.function_max_mb = memory.function_max_mb.max(rss_mb);
            }
        }
        Ok(memory)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            local_mb,
            function_max_mb,
        } = self;
        write!(
            f,
            "{local_mb:.0} MB in `local`, {function_max_mb:.0} MB in the largest function"
        )
    }
}
