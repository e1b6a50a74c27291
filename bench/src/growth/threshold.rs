//! The threshold benchmark: from how many subscribers on delivery through the queue is better. It measures
//! both ways side by side.
//!
//! Posts are answered after 10 ms. A worker has the share of the pace that it has on AWS. Four workers run at
//! once, for as many shards as the largest channel here has.

use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use shared::model::limits::{FANOUT_CONCURRENCY_DEFAULT, POSTS_PER_SECOND_DEFAULT};

use super::measure::{Receiver, channel, sink, start};
use super::measured_system::{DeliverySettings, Purpose};
use crate::figures::{median, wide};
use crate::runtime::{Problem, single_threaded};

/// The subscribers of the channels that are published to.
const SIZES: [u64; 6] = [125, 250, 500, 1_000, 2_000, 4_000];
/// How long API Gateway takes for a post, about.
const DELAY: Duration = Duration::from_millis(10);
/// By whom a channel is delivered to.
const WAYS: [(&str, u64); 2] = [("the publisher", u64::MAX), ("the queue's workers", 0)];

/// The benchmark of the threshold.
#[derive(Args)]
pub(crate) struct Threshold {
    /// Publications to each channel, of which the median is reported
    #[arg(long, default_value_t = 15)]
    rounds: u32,
    /// Runs `local` and the functions that lie beside this binary, without building them first
    #[arg(long)]
    prebuilt: bool,
}

/// What one publication takes, in milliseconds.
struct MeasuredRow {
    subscribers: u64,
    answered: f64,
    delivered: f64,
    cpu: f64,
}

impl Threshold {
    /// Measures, and prints.
    pub(crate) fn run(&self) -> Result<(), Problem> {
        if !self.prebuilt {
            crate::system::build()?;
        }
        let sink = sink(DELAY)?;
        let mut text = "| subscribers | delivered to by | answered, ms | last post, ms | posts a second | CPU, ms |\n\
                        | ---: | --- | ---: | ---: | ---: | ---: |\n"
            .to_owned();
        let measured = single_threaded()?.block_on(async {
            let [(_, first), (_, second)] = WAYS;
            Ok::<_, Problem>([
                self.measure(first, &sink).await?,
                self.measure(second, &sink).await?,
            ])
        })?;
        for place in 0..SIZES.len() {
            for (rows, (by, _)) in measured.iter().zip(WAYS) {
                let row = &rows[place];
                writeln!(
                    text,
                    "| {} | {by} | {:.1} | {:.0} | {:.0} | {:.2} |",
                    row.subscribers,
                    row.answered,
                    row.delivered,
                    wide(row.subscribers) / row.delivered * 1e3,
                    row.cpu,
                )?;
            }
        }
        print!("{text}");
        Ok(())
    }

    async fn measure(&self, inline_max: u64, sink: &Receiver) -> Result<Vec<MeasuredRow>, Problem> {
        let way = DeliverySettings {
            posts_per_second: POSTS_PER_SECOND_DEFAULT,
            inline_max,
            workers: Some(FANOUT_CONCURRENCY_DEFAULT),
        };
        let system = start(Purpose::Time(way), sink, &SIZES).await?;
        let mut rows = Vec::new();
        for subscribers in SIZES {
            eprintln!("{subscribers} subscribers, up to {inline_max} by the publisher");
            let (mut answered, mut delivered) = (Vec::new(), Vec::new());
            let before = system.rested_cpu_nanos().await?;
            for _ in 0..self.rounds {
                let took = system.publish(&channel(subscribers), subscribers).await?;
                answered.push(took.answered.as_secs_f64() * 1e3);
                delivered.push(took.delivered.as_secs_f64() * 1e3);
            }
            let nanos = system.rested_cpu_nanos().await? - before;
            rows.push(MeasuredRow {
                subscribers,
                answered: median(answered),
                delivered: median(delivered),
                cpu: wide(nanos) / 1e6 / f64::from(self.rounds),
            });
        }
        Ok(rows)
    }
}
