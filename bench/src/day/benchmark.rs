//! The benchmark of a day: starts the system, runs the day, and prints what it costs.

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::count::CountedSystem;
use super::report::DayReport;
use super::script;
use super::script::{READING_SECS, Size};
use super::secrets::Secrets;
use crate::runtime::{Problem, single_threaded};
use crate::system;

/// Subscribers of one shard, and of a channel that needs no queue: as the template has it.
const PER_SHARD: usize = 1_000;
/// Posts a second that `local`'s four workers share: 800 for each, which is what the template's ten have of 8,000.
const POSTS_PER_SECOND: &str = "3200";
/// Environments of each function.
const CONCURRENCY: usize = 4;

/// The benchmark of a day's costs.
#[derive(Args)]
pub(crate) struct DayOf {
    /// Sockets, in percent of 2,600; with fewer, shards are smaller, too
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    percent: u16,
}

impl DayOf {
    /// Runs the day, and prints what it costs.
    pub(crate) fn run(&self) -> Result<(), Problem> {
        let size = Size::percent(usize::from(self.percent));
        single_threaded()?.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            // Whatever comes first, the system ends with it.
            tokio::select! {
                done = day(size) => done,
                _ = terminate.recv() => Err("terminated".into()),
                _ = interrupt.recv() => Err("interrupted".into()),
            }
        })
    }
}

async fn day(size: Size) -> Result<(), Problem> {
    let secrets = Secrets::start().await?;
    let arguments = arguments(size).into_iter().chain(secrets.arguments());
    let arguments: Vec<String> = arguments.collect();
    // It builds first, which may take minutes; until then there is nothing to be ended.
    tokio::task::spawn_blocking(system::build).await??;
    let counted = CountedSystem::start(&arguments, secrets)?;
    let counts = script::Day::new(&counted).run(size).await?;
    print!("{}", DayReport(&counts));
    Ok(())
}

/// How `local` is to run: as deployed, but with streams that end soon and a reaper that is asked.
fn arguments(size: Size) -> Vec<String> {
    let per_shard = PER_SHARD.min(size.large / 2).to_string();
    let (concurrency, life) = (CONCURRENCY.to_string(), READING_SECS.to_string());
    let arguments = [
        ["--concurrency", &concurrency],
        ["--inline-max", &per_shard],
        ["--per-shard", &per_shard],
        ["--posts-per-second", POSTS_PER_SECOND],
        ["--stream-life", &life],
        ["--reap-every", "0"],
        ["--metrics", "Channels"],
    ];
    arguments.concat().into_iter().map(str::to_owned).collect()
}
