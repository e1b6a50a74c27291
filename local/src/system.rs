//! Starts every part in order, and stops them together. Nothing else knows all parts.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use functions::FUNCTIONS;
use shared::config::variable;

use crate::command_line::apps::AppArg;
use crate::command_line::args::Args;
use crate::command_line::choices::Disconnects;
use crate::faults::in_force::InForce;
use crate::faults::proxy::{Proxy, Upstreams};
use crate::gateway::connections::Connections;
use crate::gateway::routes;
use crate::gateway::state::{Gateway, Limits};
use crate::host::dispatch::Host;
use crate::host::settings::{Endpoints, Settings};
use crate::host::{binaries, runtime_api};
use crate::queues::live::Queues;
use crate::serving::listening;
use crate::serving::stop::{Stop, Stopper};
use crate::triggers::{mapping, schedule};
use crate::{internal_port, table};

/// How long stopping may take. Everything must be gone within 2 s.
const STOP_PATIENCE: Duration = Duration::from_millis(1_500);

/// The key that signs cursors. It is no secret here, and cursors stay valid after a restart.
const OWN_KEY: &str = "local-cursor-key-for-this-machine-alone";

/// The stage in the `@connections` endpoint.
const STAGE: &str = "live";

/// A running system.
pub struct System {
    base: String,
    apps: Vec<AppArg>,
    faults: Option<String>,
    stopper: Stopper,
}

impl System {
    /// Builds the functions unless told not to, and starts everything.
    ///
    /// # Errors
    /// A sentence for the terminal.
    pub async fn start(args: &Args) -> Result<Self, String> {
        let apps_json = args.apps_json()?;
        let apps = AppArg::list(&apps_json)?;
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        // A taken port is reported before the build, which may take minutes.
        let (public, public_address) = listening::listen(args.host, args.port)?;
        let database = table::open(args.data.as_deref())?;
        if !args.prebuilt {
            binaries::build().await?;
        }
        let folder = binaries::folder()?;

        let (stopper, stop) = Stop::new();
        let (table, table_address) = listening::listen(loopback, 0)?;
        let (internal, internal_address) = listening::listen(loopback, 0)?;
        let (runtime, runtime_address) = listening::listen(loopback, 0)?;
        let faults = if args.faults {
            Some(listening::listen(loopback, 0)?)
        } else {
            None
        };
        let faults_address = faults.as_ref().map(|(_, address)| *address);
        let settings = Settings {
            folder,
            variables: variables(args, apps_json),
            overriding: args.env.clone(),
            endpoints: Endpoints {
                table: table_address,
                internal: internal_address,
                faults: faults_address,
                stage: STAGE,
            },
            runtime: runtime_address,
            stream_life: Duration::from_secs(args.stream_life),
            quiet: args.quiet,
            stop: stop.clone(),
        };
        if let Some(file) = &args.env_file {
            write_env_file(file, &settings)?;
        }
        let concurrency = usize::from(args.concurrency);
        let streams = usize::from(args.streams);
        let host = Host::new(&FUNCTIONS, concurrency, streams, settings);
        let connections = Arc::new(Connections::default());
        let queues = Queues::new();
        let limits = Limits {
            idle: Duration::from_secs(args.idle_timeout),
            age: Duration::from_secs(args.max_age),
        };
        let in_force = InForce::default();
        let gateway = Gateway {
            host: host.clone(),
            connections: connections.clone(),
            limits,
            disconnects: args.disconnects == Disconnects::Deliver,
            faults: args.faults.then(|| in_force.clone()),
            stop: stop.clone(),
            domain: public_address.to_string(),
        };

        let sweep_period = Duration::from_secs(args.sweep_every);
        if let Some((faults, _)) = faults {
            let (replica, replica_address) = listening::listen(loopback, 0)?;
            let database = table::open(None)?;
            tokio::spawn(table::serve(replica, database, sweep_period, stop.clone()));
            let upstreams = Upstreams {
                table: table_address,
                replica: replica_address,
                internal: internal_address,
            };
            let proxy = Proxy::new(upstreams, host.clone(), queues.clone(), in_force);
            tokio::spawn(proxy.serve(faults, stop.clone()));
        }
        tokio::spawn(table::serve(table, database, sweep_period, stop.clone()));
        tokio::spawn(runtime_api::serve(runtime, host.clone(), stop.clone()));
        for queue in queues.iter() {
            tokio::spawn(mapping::run(queue.clone(), host.clone(), stop.clone()));
        }
        if args.reap_every > 0 {
            let period = Duration::from_secs(args.reap_every);
            tokio::spawn(schedule::run(period, host.clone(), stop.clone()));
        }
        tokio::spawn(internal_port::serve(
            internal,
            STAGE,
            connections,
            host,
            queues,
            stop.clone(),
        ));
        tokio::spawn(routes::serve(public, gateway));
        Ok(Self {
            base: format!("http://{public_address}"),
            apps,
            faults: faults_address.map(|address| format!("http://{address}")),
            stopper,
        })
    }

    /// `http://{host}:{port}` of the public port.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The apps that it serves.
    #[must_use]
    pub fn apps(&self) -> &[AppArg] {
        &self.apps
    }

    /// `http://{host}:{port}` of the fault proxy, when there is one.
    #[must_use]
    pub fn faults(&self) -> Option<&str> {
        self.faults.as_deref()
    }

    /// Closes every socket, ends every function, and returns when all is gone.
    pub async fn stop(self) {
        // The process ends after that, and its functions are killed with it.
        let _ = tokio::time::timeout(STOP_PATIENCE, self.stopper.stop()).await;
    }
}

/// The functions' variables, but for the endpoints.
fn variables(args: &Args, apps_json: String) -> Vec<(&'static str, String)> {
    let life = args.connection_life_secs();
    let mut variables = vec![
        (variable::APPS, apps_json),
        (variable::TABLE_NAME, table::TABLE_NAME.to_owned()),
        (variable::GREET_VIA, args.greet_via.as_str().to_owned()),
        (variable::CONNECTION_LIFE, life.to_string()),
        (variable::PROBE, args.probe.to_string()),
        (variable::STREAM_LIFE, args.stream_life.to_string()),
        (variable::OWN_KEY, OWN_KEY.to_owned()),
        (variable::WEBHOOKS_TO, args.webhooks_to.as_str().to_owned()),
    ];
    let numbers = [
        (variable::WEBHOOK_PATIENCE, args.webhook_patience),
        (variable::FANOUT_INLINE_MAX, args.inline_max),
        (variable::SUBSCRIBERS_PER_SHARD, args.per_shard),
        (variable::POSTS_PER_SECOND, args.posts_per_second),
    ];
    variables.extend(numbers.map(|(name, number)| (name, number.to_string())));
    let concurrency = mapping::CONCURRENCY.to_string();
    variables.push((variable::FANOUT_CONCURRENCY, concurrency));
    let optional = [
        (variable::LOG, &args.log),
        (variable::METRICS_NAMESPACE, &args.metrics),
    ];
    let given = |(name, value): (_, &Option<String>)| Some((name, value.clone()?));
    variables.extend(optional.into_iter().filter_map(given));
    variables
}

/// Writes the functions' variables, a line each, as a shell and `cargo lambda` read them.
fn write_env_file(file: &Path, settings: &Settings) -> Result<(), String> {
    let lines = settings
        .variables(None)
        .into_iter()
        .map(|(name, value)| format!("{name}='{}'\n", value.replace('\'', r"'\''")));
    std::fs::write(file, lines.collect::<String>())
        .map_err(|error| format!("--env-file {}: {error}", file.display()))
}
