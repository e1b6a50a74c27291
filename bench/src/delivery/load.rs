//! What every way has to send, and how its CPU, time and memory are measured.

use std::future::Future;
use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;
use clap::Args;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde::{Deserialize, Serialize};

use crate::runtime::Problem;

/// Bytes of a frame.
const FRAME_BYTES: usize = 512;
/// Characters of the session token: as many as a function's role has in its environment.
const TOKEN_CHARS: usize = 919;
/// The region that is signed for.
pub(crate) const REGION: &str = "eu-west-1";
/// The key that is signed with.
pub(crate) const KEY_ID: &str = "AKIDEXAMPLE";
/// Its secret.
pub(crate) const SECRET: &str = "an-example-and-nobody's-secret-key";

/// Posts, each to a connection of its own.
#[derive(Args, Clone)]
pub(crate) struct Load {
    /// Where to: scheme, host, port and stage
    pub(crate) endpoint: http::Uri,
    /// Posts at once
    pub(crate) in_flight: usize,
    /// Posts that are measured
    pub(crate) messages: usize,
    /// Posts before them: they open the connections, as earlier invocations have
    pub(crate) warm_up: usize,
}

impl Load {
    /// Runs a publisher of a range of posts, which says how many of them have failed.
    pub(crate) async fn measure<P: Future<Output = usize>>(
        &self,
        publish: impl Fn(Range<usize>) -> P,
    ) -> Result<Taken, Problem> {
        let mut failed = publish(0..self.warm_up).await;
        let (cpu, began) = (cpu_micros()?, Instant::now());
        failed += publish(self.warm_up..self.warm_up + self.messages).await;
        let (cpu_micros, took) = (cpu_micros()? - cpu, began.elapsed());
        Ok(Taken {
            messages: u32::try_from(self.messages)?,
            cpu_micros: u32::try_from(cpu_micros)?,
            wall_micros: u32::try_from(took.as_micros())?,
            peak_rss_kb: peak_rss_kb()?,
            failed,
        })
    }
}

/// What a publisher took for its load.
#[derive(Deserialize, Serialize)]
pub(crate) struct Taken {
    /// Posts that were measured.
    pub(crate) messages: u32,
    /// Of its own process: user and system.
    pub(crate) cpu_micros: u32,
    /// From the first post to the last answer.
    pub(crate) wall_micros: u32,
    /// The most memory that its process ever had.
    pub(crate) peak_rss_kb: u32,
    /// Posts that were not answered 200.
    pub(crate) failed: usize,
}

impl Taken {
    /// CPU microseconds of one message.
    pub(crate) fn message_cpu_micros(&self) -> f64 {
        f64::from(self.cpu_micros) / f64::from(self.messages)
    }

    /// Microseconds from one message to the next.
    pub(crate) fn message_wall_micros(&self) -> f64 {
        f64::from(self.wall_micros) / f64::from(self.messages)
    }

    /// Megabytes of memory.
    pub(crate) fn peak_rss_mb(&self) -> f64 {
        f64::from(self.peak_rss_kb) / 1_024.0
    }
}

fn cpu_micros() -> Result<i64, Problem> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok(usage.user_time().num_microseconds() + usage.system_time().num_microseconds())
}

/// Not from `getrusage`, whose maximum is that of whoever started the process until it is passed.
fn peak_rss_kb() -> Result<u32, Problem> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .ok_or("/proc/self/status has no VmHWM")?;
    Ok(peak.trim_end_matches("kB").trim().parse()?)
}

/// The frame that all of them get.
pub(crate) fn frame() -> Bytes {
    let (head, tail) = (r#"{"event":"tick","channel":"prices","data":""#, "\"}");
    let data = "x".repeat(FRAME_BYTES - head.len() - tail.len());
    format!("{head}{data}{tail}").into()
}

/// The role's session token.
pub(crate) fn session_token() -> String {
    "IQoJb3JpZ2luX2VjE+/"
        .chars()
        .cycle()
        .take(TOKEN_CHARS)
        .collect()
}
