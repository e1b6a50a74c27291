//! The growth benchmark.
//!
//! The functions run under `local`, as they are deployed. They post to a receiver in this process, which
//! answers at once. The subscribers are rows in the table, as real ones leave them. CPU is that of the
//! functions' own processes. Requests are counted by the proxy of `local --faults`, in a system of its own,
//! because the proxy costs time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::report::GrowthReport;
use super::{measure, model::forecast};
use crate::runtime::{Problem, single_threaded};

/// The recipients of the channels that are published to.
const SIZES: [u64; 6] = [1, 10, 100, 1_000, 10_000, 100_000];
/// The default pace, which a quota asks for, and one that nothing is held back by.
const PACES: [u64; 2] = [shared::model::limits::POSTS_PER_SECOND_DEFAULT, 4_000_000];

/// The benchmark of growth.
#[derive(Args)]
pub(crate) struct Growth {
    /// Measurements of each size, of which the median is reported
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// The same at the default pace, at which the largest takes 12 s
    #[arg(long, default_value_t = 3)]
    paced_rounds: u32,
    /// Where the picture goes
    #[arg(long, default_value = "docs/growth.svg")]
    svg: PathBuf,
    /// The model and its simulation alone
    #[arg(long)]
    model: bool,
    /// Runs `local` and the functions that lie beside this binary, without building them first
    #[arg(long)]
    prebuilt: bool,
}

impl Growth {
    /// Measures, and prints.
    pub(crate) fn run(&self) -> Result<(), Problem> {
        if self.model {
            print!("{}", forecast::text());
            return Ok(());
        }
        if !self.prebuilt {
            crate::system::build()?;
        }
        let sink = measure::sink(Duration::ZERO)?;
        let report = single_threaded()?.block_on(async {
            let [paced, free] = PACES;
            let counted = measure::count(&sink, &SIZES).await?;
            let free = measure::time(free, &sink, &SIZES, self.rounds).await?;
            let paced = measure::time(paced, &sink, &SIZES, self.paced_rounds).await?;
            Ok::<_, Problem>(GrowthReport {
                counted,
                free,
                paced,
            })
        })?;
        std::fs::write(&self.svg, report.svg())?;
        let name = self.svg.file_name().unwrap_or_default();
        print!("{}", report.text(Path::new(name)));
        print!("{}", forecast::text());
        Ok(())
    }
}
