//! `cargo run --profile bench -p bench -- WHAT`:
//!
//! | | measures |
//! | --- | --- |
//! | [`delivery`] | what a delivered message costs, by our path and by others: a sink, whose work is not counted, and one publisher after another, whose work and memory are |
//! | [`crowd`] | how long a publication takes to thousands of real sockets |
//! | [`growth`] | what a publication costs with one recipient to 100,000, and a model of a million on AWS |
//! | [`growth::Threshold`] | from how many subscribers on the queue is the better way |
//! | [`day`] | what a day costs on AWS: operations counted, times prices |
//! | [`storm`] | nothing: it searches for promises that are broken |
//!
//! All but the first start the real system beside themselves ([`system`]).

mod crowd;
mod day;
mod delivery;
mod growth;
mod load;
mod publish;
mod report;
mod sink;
mod storm;
mod system;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::crowd::Crowd;
use crate::day::DayOf;
use crate::delivery::Delivery;
use crate::growth::{Growth, Threshold};
use crate::load::Load;
use crate::publish::Way;
use crate::sink::Sink;
use crate::storm::command::Storm;

/// What went wrong, for whoever runs it.
pub(crate) type Problem = Box<dyn std::error::Error + Send + Sync>;

/// Measures Lambda Channels.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// How long a publication takes to thousands of real sockets
    Crowd(Crowd),
    /// What a day costs on AWS: operations counted, times prices
    Day(DayOf),
    /// What a delivered message costs, by our path and by others
    Delivery(Delivery),
    /// What a publication costs as its channel grows, and a model of what it costs on AWS
    Growth(Growth),
    /// Publishes in one way, and prints what that took
    #[command(hide = true)]
    Publish {
        way: Way,
        #[command(flatten)]
        load: Load,
    },
    /// What a publication takes by the publisher itself and through the queue, as its channel grows
    Threshold(Threshold),
    /// Answers every post until its standard input ends
    #[command(hide = true)]
    Sink(Sink),
    /// A random load under random faults, and whether every promise was kept
    Storm(Storm),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().what {
        What::Crowd(crowd) => crowd.run(),
        What::Day(day) => day.run(),
        What::Delivery(delivery) => delivery.run(),
        What::Growth(growth) => growth.run(),
        What::Publish { way, load } => publish::run(way, &load),
        What::Sink(sink) => sink.run(),
        What::Storm(storm) => storm.run(),
        What::Threshold(threshold) => threshold.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// As the functions have it: one thread.
pub(crate) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}
