//! `bench -- storm`: its options, seed after seed, and what is printed.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::check::checker::check;
use super::plan::faults::KINDS;
use super::plan::whole::Plan;
use super::{history, record, report, run};
use crate::runtime::Problem;
use crate::system;

/// The storm.
#[derive(Args)]
pub(crate) struct Storm {
    /// What the plan is made from; another one each time when absent
    #[arg(long)]
    seed: Option<u64>,
    /// How many seeds are tried, one after another
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// How long each storm lasts; the calm after it takes up to three minutes more
    #[arg(long, default_value_t = 1.0, value_parser = minutes)]
    minutes: f64,
    /// What is left out: kinds of faults (`faults` are all), of clients, of what clients do
    #[arg(long, value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(Plan::names()))]
    without: Vec<String>,
    /// The only kinds of faults that there are
    #[arg(long, value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(KINDS))]
    only: Vec<String>,
    /// Seconds that everything has to come right after the last fault: counts have two minutes
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u64).range(1..=600))]
    patience: u64,
    /// Goes on with the next seed after one with a violation
    #[arg(long)]
    go_on: bool,
    /// Shows the plan, and does nothing
    #[arg(long)]
    plan: bool,
    /// Checks a history that was kept, and does nothing else
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
    /// Runs `local` and the functions that lie beside this binary, without building them first
    #[arg(long)]
    prebuilt: bool,
}

/// Bounded, as everything is.
fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if (0.05..=60.0).contains(&minutes) => Ok(minutes),
        Ok(_) | Err(_) => Err("0.05 to 60 minutes".to_owned()),
    }
}

impl Storm {
    /// Runs the storms, and prints what was wrong.
    pub(crate) fn run(&self) -> Result<(), Problem> {
        if let Some(file) = &self.check {
            let history = history::load(file)?;
            return judge(&history, &format!("storm --check {}", file.display())).map(drop);
        }
        let first = self.seed.unwrap_or_else(|| record::unix_secs() % 1_000_000);
        if self.plan {
            println!("{:#?}", self.planned(first));
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            // Whatever comes first, the system ends with it.
            tokio::select! {
                done = self.storms(first) => done,
                _ = terminate.recv() => Err("terminated".into()),
                _ = interrupt.recv() => Err("interrupted".into()),
            }
        })
    }

    fn planned(&self, seed: u64) -> Plan {
        let without = self.without.iter().cloned().collect();
        let only = self.only.iter().cloned().collect();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an hour at most"
        )]
        let millis = (self.minutes * 60_000.0) as u64;
        Plan::new(seed, millis, &without, &only)
    }

    async fn storms(&self, first: u64) -> Result<(), Problem> {
        if !self.prebuilt {
            tokio::task::spawn_blocking(system::build).await??;
        }
        let mut broken = Vec::new();
        for seed in first..first.saturating_add(self.seeds) {
            let plan = self.planned(seed);
            let storm = run::run(&plan, Duration::from_secs(self.patience)).await?;
            let kept = run::kept_at(seed);
            history::save(&storm.history, &kept)?;
            let (raged, calm) = storm.took;
            println!(
                "seed {seed}: {:.0} s of storm and {:.0} s of calm, {} entries, kept in {}",
                raged.as_secs_f64(),
                calm.as_secs_f64(),
                storm.history.len(),
                kept.display()
            );
            if judge(&storm.history, &self.again(seed)).is_err() {
                broken.push(seed);
                if !self.go_on {
                    break;
                }
            }
        }
        if broken.is_empty() {
            Ok(())
        } else {
            Err(format!("promises were broken, with seeds {broken:?}").into())
        }
    }

    /// The command that does a seed again.
    fn again(&self, seed: u64) -> String {
        let list = |name: &str, values: &[String]| {
            if values.is_empty() {
                String::new()
            } else {
                format!(" --{name} {}", values.join(","))
            }
        };
        format!(
            "cargo run --profile bench -p bench -- storm --seed {seed} --minutes {}{}{}",
            self.minutes,
            list("without", &self.without),
            list("only", &self.only),
        )
    }
}

/// Prints what is wrong with a history.
fn judge(history: &[history::Entry], again: &str) -> Result<(), Problem> {
    let violations = check(history);
    if violations.is_empty() {
        println!("  every promise was kept");
        return Ok(());
    }
    print!("{}", report::print(history, &violations, again));
    Err(format!("{} violations", violations.len()).into())
}
