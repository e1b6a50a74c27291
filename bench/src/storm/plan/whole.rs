//! All of a plan, and what is taken out of it.

use std::collections::BTreeSet;

use super::acts::{self, ClientPlan};
use super::calls::{self, ReaderPlan, ServerPlan};
use super::faults::{self, Window};
use super::world::random;

/// What can be switched off besides faults: kinds of clients, and of what clients and servers do.
pub(crate) const CLIENTS: [&str; 11] = [
    "sockets", "sessions", "streams", "polls", "tokens", "users", "floods", "presence", "renames",
    "endings", "reaper",
];

/// How the system is started.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SystemPlan {
    pub(crate) inline_max: usize,
    pub(crate) per_shard: usize,
    pub(crate) members_max: usize,
    pub(crate) probe_secs: u64,
    pub(crate) stream_life_secs: u64,
    pub(crate) concurrency: usize,
    pub(crate) greets_by_invoking: bool,
}

/// All of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) millis: u64,
    pub(crate) system: SystemPlan,
    pub(crate) clients: Vec<ClientPlan>,
    pub(crate) readers: Vec<ReaderPlan>,
    pub(crate) servers: Vec<ServerPlan>,
    pub(crate) faults: Vec<Window>,
    /// When the reaper runs.
    pub(crate) reaps: Vec<u64>,
}

impl Plan {
    /// The plan of a seed, for so long a storm, without what is switched off, and with only some kinds of faults if
    /// there are such.
    pub(crate) fn new(
        seed: u64,
        millis: u64,
        without: &BTreeSet<String>,
        only: &BTreeSet<String>,
    ) -> Self {
        let mut of_system = random(seed, 1);
        let mut any = |choices: &[usize]| choices[of_system.usize(..choices.len())];
        let system = SystemPlan {
            inline_max: any(&[1_000, 6, 3]),
            per_shard: any(&[4, 1_000, 2]),
            members_max: any(&[100, 100, 4]),
            probe_secs: any(&[0, 5]) as u64,
            // A poll of a session waits for 20 s, and its function has 10 more than a stream lasts.
            stream_life_secs: any(&[15, 25]) as u64,
            concurrency: any(&[8, 12]),
            greets_by_invoking: any(&[0, 0, 1]) == 1,
        };
        let mut reaper = random(seed, 2);
        let (mut at, mut reaps) = (0, Vec::new());
        loop {
            at += reaper.u64(1_500..8_000);
            if at >= millis {
                break;
            }
            reaps.push(at);
        }
        let mut plan = Self {
            seed,
            millis,
            system,
            clients: acts::plan(seed, millis),
            readers: calls::readers(seed, millis),
            servers: calls::servers(seed, millis),
            faults: faults::plan(seed, millis, only),
            reaps,
        };
        plan.leave_out(without);
        plan
    }

    fn leave_out(&mut self, without: &BTreeSet<String>) {
        let is_out = |what: &str| without.contains(what);
        self.clients
            .retain(|client| !is_out(client.transport.name()));
        self.readers.retain(|reader| !is_out(reader.kind.name()));
        for client in &mut self.clients {
            if is_out("tokens") {
                client.token = false;
            }
            client
                .acts
                .retain(|(_, act)| act.kind().is_none_or(|kind| !is_out(kind)));
        }
        for server in &mut self.servers {
            server
                .calls
                .retain(|(_, call)| call.kind().is_none_or(|kind| !is_out(kind)));
        }
        for window in &mut self.faults {
            window
                .faults
                .retain(|fault| !is_out("faults") && !is_out(fault.kind));
        }
        self.faults.retain(|window| !window.faults.is_empty());
        if is_out("reaper") {
            self.reaps.clear();
        }
    }

    /// The names of what can be switched off, for whoever asks.
    pub(crate) fn names() -> Vec<&'static str> {
        CLIENTS
            .into_iter()
            .chain(["faults"])
            .chain(faults::KINDS)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seed: u64, without: &[&str]) -> Plan {
        let without = without.iter().map(|&name| name.to_owned()).collect();
        Plan::new(seed, 60_000, &without, &BTreeSet::new())
    }

    #[test]
    fn a_plan_depends_on_its_seed_alone() {
        assert_eq!(plan(7, &[]), plan(7, &[]));
        let other = plan(8, &[]);
        assert_ne!(plan(7, &[]).clients, other.clients);
        assert_ne!(plan(7, &[]).faults, other.faults);
    }

    #[test]
    fn what_is_switched_off_is_not_there_and_the_rest_is_the_same() {
        let has_kills = |seed: &u64| {
            plan(*seed, &[])
                .faults
                .iter()
                .any(|window| window.has("kills"))
        };
        let seed = (0..).find(has_kills).expect("some seed has");
        let (all, some) = (
            plan(seed, &[]),
            plan(seed, &["kills", "sessions", "floods"]),
        );
        assert!(some.faults.iter().all(|window| !window.has("kills")));
        assert!(
            some.clients
                .iter()
                .all(|client| client.transport.name() == "sockets")
        );
        assert!(some.clients.iter().all(|client| {
            all.clients
                .iter()
                .any(|other| other.client == client.client)
        }));
        assert_eq!(all.servers, some.servers);
        assert!(plan(7, &["faults"]).faults.is_empty());
        let only = BTreeSet::from(["stale".to_owned()]);
        let stale = Plan::new(7, 60_000, &BTreeSet::new(), &only);
        let kinds = stale.faults.iter().flat_map(|window| &window.faults);
        assert!(kinds.clone().count() > 5 && kinds.clone().all(|fault| fault.kind == "stale"));
        assert_eq!(stale.clients, plan(7, &[]).clients);
    }

    #[test]
    fn each_kind_is_in_some_plan() {
        let plans: Vec<Plan> = (0..40).map(|seed| plan(seed, &[])).collect();
        for kind in faults::KINDS {
            let mut windows = plans.iter().flat_map(|plan| &plan.faults);
            assert!(windows.any(|window| window.has(kind)), "{kind}");
        }
        for kind in ["floods", "users", "presence", "renames"] {
            let mut acts = plans
                .iter()
                .flat_map(|plan| &plan.clients)
                .flat_map(|client| &client.acts);
            assert!(acts.any(|(_, act)| act.kind() == Some(kind)), "{kind}");
        }
        let mut calls = plans
            .iter()
            .flat_map(|plan| &plan.servers)
            .flat_map(|server| &server.calls);
        assert!(calls.any(|(_, call)| call.kind() == Some("endings")));
    }
}
