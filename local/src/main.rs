//! `cargo run -p local`: the whole system on one machine.

use std::process::ExitCode;

use clap::Parser as _;
use local::command_line::args::Args;
use local::command_line::banner;
use local::system::System;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;
    let stopped = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    tokio::pin!(stopped);
    let system = tokio::select! {
        started = System::start(&args) => started?,
        () = &mut stopped => return Ok(()),
    };
    banner::print(system.base(), system.apps(), system.faults());
    stopped.await;
    system.stop().await;
    Ok(())
}
