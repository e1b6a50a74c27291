//! `cargo run --profile bench -p bench -- WHAT`. A folder uses only those listed before it:
//!
//! | folder | what it is |
//! | --- | --- |
//! | [`runtime`], [`figures`] | what every benchmark stands on; numbers as text |
//! | [`sink`] | the receiver of posts, in place of API Gateway |
//! | [`system`] | the real system as a child process |
//! | [`delivery`] | `delivery`: what a delivered message costs, by our path and by others |
//! | [`crowd`] | `crowd`: how long a publication takes to thousands of real sockets |
//! | [`growth`] | `growth`: what a publication costs as its channel grows; `threshold`: from how many subscribers on the queue is better |
//! | [`day`] | `day`: what a day costs on AWS |
//! | [`storm`] | `storm`: searches for promises that are broken |
//!
//! `startup.py` measures how soon a function is ready.

mod crowd;
mod day;
mod delivery;
mod figures;
mod growth;
mod runtime;
mod sink;
mod storm;
mod system;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::crowd::benchmark::Crowd;
use crate::day::benchmark::DayOf;
use crate::delivery::benchmark::Delivery;
use crate::delivery::load::Load;
use crate::delivery::ways::{self, Way};
use crate::growth::benchmark::Growth;
use crate::growth::threshold::Threshold;
use crate::sink::Sink;
use crate::storm::command::Storm;

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
        What::Publish { way, load } => ways::run(way, &load),
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
