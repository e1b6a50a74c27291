//! The command `local`: reads the arguments, starts the system, and stops it on a signal.
//!
//! It is a plain function of the library, so that the library holds all compiled code: a program that
//! polled the future itself would compile the whole of it once more.

use std::process::ExitCode;

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::command_line::args::Args;
use crate::command_line::banner;
use crate::system::System;

/// Runs until a signal or an error ends it.
#[tokio::main]
pub async fn run() -> ExitCode {
    match start_and_stop(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn start_and_stop(args: &Args) -> Result<(), String> {
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
        started = System::start(args) => started?,
        () = &mut stopped => return Ok(()),
    };
    banner::print(system.base(), system.apps(), system.faults());
    stopped.await;
    system.stop().await;
    Ok(())
}
