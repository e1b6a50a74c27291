//! One storm: the plan of a seed, carried out against a system that ends with it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::calm::Everybody;
use super::clients::client::Client;
use super::clients::hooks::Hooks;
use super::clients::reader::Reader;
use super::clients::server::Server;
use super::history::{Entry, Facts, What};
use super::outside::Outside;
use super::plan::faults::Window;
use super::plan::whole::Plan;
use super::plan::world::APPS;
use super::record::Recorder;
use crate::runtime::Problem;

/// What came of it.
pub(crate) struct Storm {
    pub(crate) history: Vec<Entry>,
    /// Of the storm, and of the calm after it.
    pub(crate) took: (Duration, Duration),
}

/// Where the history of a seed is kept.
pub(crate) fn kept_at(seed: u64) -> PathBuf {
    PathBuf::from("target/storm").join(format!("{seed}.jsonl"))
}

/// Carries out a plan, and gives what was written down. `patience` is how long everything has to come right
/// afterwards.
pub(crate) async fn run(plan: &Plan, patience: Duration) -> Result<Storm, Problem> {
    let hooks = Hooks::start().await?;
    let (seed, system, url) = (plan.seed, plan.system.clone(), hooks.url.clone());
    let started =
        tokio::task::spawn_blocking(move || Outside::start(seed, &system, &url, Recorder::new()));
    let outside = Arc::new(started.await??);
    outside.recorder.note(What::Facts(Facts {
        inline_max: plan.system.inline_max,
        per_shard: plan.system.per_shard,
        members_max: plan.system.members_max,
        featured: APPS[0].id.to_owned(),
    }));
    let done = carry_out(plan, &outside, hooks, patience).await;
    outside.stop().await;
    let took = done?;
    Ok(Storm {
        history: outside.recorder.history(),
        took,
    })
}

/// The storm, and the calm after it. Gives how long each took.
async fn carry_out(
    plan: &Plan,
    outside: &Arc<Outside>,
    mut hooks: Hooks,
    patience: Duration,
) -> Result<(Duration, Duration), Problem> {
    let listening = outside.clone();
    let hooks = tokio::spawn(async move {
        while let Some(hook) = hooks.told.recv().await {
            listening.recorder.note(What::Hook(hook));
        }
    });
    let began = Instant::now();
    let (everybody, tasks) = gather(plan, outside, began);
    let mut faults = tokio::spawn(strike(plan.faults.clone(), outside.clone(), began));
    let reaper = tokio::spawn(reap(plan.reaps.clone(), outside.clone(), began));
    sleep_until(began + Duration::from_millis(plan.millis)).await;
    // A window ends before the storm does.
    (&mut faults).await??;
    reaper.abort();
    lift(outside).await?;
    let storm = began.elapsed();
    let calm = Instant::now();
    let settled = everybody.settle(outside, patience).await;
    for task in tasks.into_iter().chain([hooks]) {
        task.abort();
    }
    settled?;
    Ok((storm, calm.elapsed()))
}

/// Starts everybody.
fn gather(plan: &Plan, outside: &Arc<Outside>, began: Instant) -> (Everybody, Vec<JoinHandle<()>>) {
    let (mut clients, mut readers, mut tasks) = (Vec::new(), Vec::new(), Vec::new());
    for client in &plan.clients {
        let (orders, told) = mpsc::unbounded_channel();
        let client = Client::new(client.clone(), outside, plan.seed, began);
        tasks.push(tokio::spawn(client.live(told)));
        clients.push(orders);
    }
    for reader in &plan.readers {
        let (orders, told) = mpsc::unbounded_channel();
        let reader = Reader::new(reader.clone(), outside);
        tasks.push(tokio::spawn(reader.live(began, told)));
        readers.push(orders);
    }
    let (calm, is_calm) = watch::channel(false);
    let servers = (0..).zip(&plan.servers).map(|(number, server)| {
        let at_work = Server::new(server.app, outside, plan.seed ^ (number << 32));
        tokio::spawn(at_work.live(server.clone(), began, is_calm.clone()))
    });
    let servers = servers.collect();
    let everybody = Everybody {
        clients,
        readers,
        servers,
        calm,
    };
    (everybody, tasks)
}

/// Puts the faults in force, window by window.
async fn strike(
    windows: Vec<Window>,
    outside: Arc<Outside>,
    began: Instant,
) -> Result<(), Problem> {
    for window in windows {
        sleep_until(began + Duration::from_millis(window.at)).await;
        let rules: Vec<Value> = window
            .faults
            .iter()
            .flat_map(|fault| fault.rules.clone())
            .collect();
        let rules = json!(rules);
        let kinds = window
            .faults
            .iter()
            .map(|fault| fault.kind.to_owned())
            .collect();
        outside.recorder.note(What::Faults {
            kinds,
            rules: rules.to_string(),
        });
        outside.rules(&rules).await?;
        sleep_until(began + Duration::from_millis(window.until)).await;
        lift(&outside).await?;
    }
    Ok(())
}

/// Lets everything pass again.
async fn lift(outside: &Outside) -> Result<(), Problem> {
    outside.rules(&json!([])).await?;
    outside.recorder.note(What::Faults {
        kinds: Vec::new(),
        rules: "[]".to_owned(),
    });
    Ok(())
}

/// Runs the reaper when it is time, as a schedule does: whether or not the run before is done.
async fn reap(times: Vec<u64>, outside: Arc<Outside>, began: Instant) {
    for at in times {
        sleep_until(began + Duration::from_millis(at)).await;
        let outside = outside.clone();
        tokio::spawn(async move { outside.reap().await });
    }
}
