//! The delivery benchmark: runs every way against every receiver, in turns, and reports the medians.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use clap::{Args, ValueEnum as _};

use super::load::{KEY_ID, Load, REGION, SECRET, Taken, frame, session_token};
use super::report::{DeliveryReport, Publisher, Setting};
use super::ways::Way;
use crate::runtime::Problem;

/// Posts before the measured ones.
const WARM_UP: usize = 2_000;
/// The publisher for Node.
const NODE_SOURCES: [(&str, &str); 2] = [
    ("package.json", include_str!("../../node/package.json")),
    ("publish.mjs", include_str!("../../node/publish.mjs")),
];

/// The benchmark of deliveries.
#[derive(Args)]
pub(crate) struct Delivery {
    /// Posts of one measurement
    #[arg(long, default_value_t = 20_000)]
    messages: usize,
    /// Measurements of each, of which the median is reported
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The same for Node, which takes its time; 0 leaves it out
    #[arg(long, default_value_t = 3)]
    node_rounds: usize,
}

impl Delivery {
    /// Measures, and prints.
    pub(crate) fn run(&self) -> Result<(), Problem> {
        let bench = std::env::current_exe()?;
        let built = bench
            .parent()
            .and_then(Path::parent)
            .ok_or("no target folder")?;
        let folder = built.join("bench");
        fs::create_dir_all(&folder)?;
        certify(&folder)?;
        let node = if self.node_rounds == 0 {
            None
        } else {
            set_up_node(&folder.join("node"))?
        };
        let runs = Runs {
            bench,
            folder,
            node,
            messages: self.messages,
        };
        let mut report = DeliveryReport::default();
        for round in 0..self.rounds.max(self.node_rounds) {
            eprintln!("round {}", round + 1);
            for setting in Setting::all() {
                let sink = runs.sink(setting)?;
                if round < self.rounds {
                    for &way in Way::value_variants() {
                        let taken = runs.publish(way, setting, sink.port)?;
                        report.add(setting, Publisher::Rust(way), taken);
                    }
                }
                if let Some(node) = &runs.node
                    && round < self.node_rounds
                    && !setting.tls
                {
                    let taken = runs.publish_by_node(node, setting, sink.port)?;
                    report.add(setting, Publisher::Node, taken);
                }
            }
        }
        print!("{report}");
        Ok(())
    }
}

/// A certificate for the loopback address, and its key.
fn certify(folder: &Path) -> Result<(), Problem> {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    fs::write(folder.join("cert.pem"), certified.cert.pem())?;
    fs::write(
        folder.join("key.pem"),
        certified.signing_key.serialize_pem(),
    )?;
    Ok(())
}

/// Installs the publisher for Node, if that is here: `None` and a line if it is not.
fn set_up_node(folder: &Path) -> Result<Option<PathBuf>, Problem> {
    let found = Command::new("node")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if !found.is_ok_and(|status| status.success()) {
        println!("Node is left out: there is no `node` here.\n");
        return Ok(None);
    }
    fs::create_dir_all(folder)?;
    for (name, text) in NODE_SOURCES {
        fs::write(folder.join(name), text)?;
    }
    let installed = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--silent"])
        .current_dir(folder)
        .status();
    if !installed.is_ok_and(|status| status.success()) {
        println!(
            "Node is left out: `npm install` has failed in {}.\n",
            folder.display()
        );
        return Ok(None);
    }
    Ok(Some(folder.join("publish.mjs")))
}

struct Runs {
    bench: PathBuf,
    folder: PathBuf,
    node: Option<PathBuf>,
    messages: usize,
}

impl Runs {
    fn sink(&self, setting: Setting) -> Result<RunningSink, Problem> {
        let mut command = Command::new(&self.bench);
        command.arg("sink");
        command.args(["--delay-ms", &setting.delay_ms.to_string()]);
        if setting.tls {
            command.arg("--tls").arg(&self.folder);
        }
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut sink = RunningSink { child, port: 0 };
        let output = sink.child.stdout.take().ok_or("no standard output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        sink.port = line.trim().parse()?;
        Ok(sink)
    }

    fn publish(&self, way: Way, setting: Setting, port: u16) -> Result<Taken, Problem> {
        let way = way.to_possible_value().ok_or("no such way")?;
        let mut command = Command::new(&self.bench);
        command.args(["publish", way.get_name()]);
        self.run(command, setting, port)
    }

    fn publish_by_node(&self, node: &Path, setting: Setting, port: u16) -> Result<Taken, Problem> {
        let mut command = Command::new("node");
        command.arg(node);
        self.run(command, setting, port)
    }

    /// Runs a publisher with nothing in its environment but what Lambda sets, and what it is to trust.
    fn run(&self, mut command: Command, setting: Setting, port: u16) -> Result<Taken, Problem> {
        let scheme = if setting.tls { "https" } else { "http" };
        let load = Load {
            endpoint: format!("{scheme}://127.0.0.1:{port}/live").parse()?,
            in_flight: setting.in_flight,
            messages: self.messages,
            warm_up: WARM_UP,
        };
        let frame = String::from_utf8(frame().into())?;
        let output = command
            .arg(load.endpoint.to_string())
            .args([load.in_flight, load.messages, load.warm_up].map(|number| number.to_string()))
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .env("AWS_SESSION_TOKEN", session_token())
            .env("FRAME", frame)
            .env("SSL_CERT_FILE", self.folder.join("cert.pem"))
            .env("AWS_CA_BUNDLE", self.folder.join("cert.pem"))
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err(format!("a publisher ended with {}", output.status).into());
        }
        let taken: Taken = serde_json::from_slice(&output.stdout)?;
        if taken.failed > 0 {
            return Err(format!("{} posts of a publisher have failed", taken.failed).into());
        }
        Ok(taken)
    }
}

/// A sink, which ends with this.
struct RunningSink {
    child: Child,
    port: u16,
}

impl Drop for RunningSink {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
