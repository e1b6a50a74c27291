//! EventBridge's schedule: it invokes `reaper` once a period.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use uuid::Uuid;

use crate::events::schedule::scheduled;
use crate::host::dispatch::Host;
use crate::serving::stop::Stop;
use crate::time::Time;

/// The function.
const FUNCTION: &str = "reaper";

/// Invokes it, one at a time, until the system stops. Without the function there is nothing to do.
pub(crate) async fn run(period: Duration, host: Host, mut stop: Stop) {
    if !host.has(FUNCTION) {
        return;
    }
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let reaping = async {
        loop {
            ticks.tick().await;
            let event = scheduled(&Uuid::now_v7().to_string(), Time::now());
            host.invoke_async(FUNCTION, event.to_string().into()).await;
        }
    };
    tokio::select! {
        () = reaping => {}
        () = stop.stopped() => {}
    }
}
