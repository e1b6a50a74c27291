//! The whole system as a child process, on a port of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::Instant;

use local::host::binaries::cargo_build;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::patience::PATIENCE;

/// The root of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the workspace is there")
}

/// So many folders above this test, which is `target/{profile}/deps/{test}`.
fn above(levels: usize) -> PathBuf {
    let this = std::env::current_exe().expect("a test has a path");
    this.ancestors()
        .nth(levels)
        .expect("target/{profile}/deps/{test}")
        .to_owned()
}

/// Where cargo puts the binaries that belong to this test: beside its own `deps`.
fn binaries() -> PathBuf {
    above(2)
}

/// The folder for all that is built and need not be kept.
///
/// # Panics
/// Never, in a test that cargo has built.
#[must_use]
pub fn target() -> PathBuf {
    above(3)
}

/// Builds every binary once for this process. A second build finds everything done.
fn build() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = cargo_build();
        build
            .current_dir(workspace())
            .args(["--workspace", "--bins"]);
        assert!(
            build.status().expect("cargo runs").success(),
            "the binaries do not build"
        );
    });
}

/// A function's binary, to be run by itself.
#[must_use]
pub fn binary(function: &str) -> Command {
    build();
    Command::new(binaries().join(function))
}

/// The name of a file that nobody else uses.
fn temporary(extension: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "channels-{}-{}.{extension}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    std::env::temp_dir().join(name)
}

/// A running system. It ends with this value.
pub struct System {
    child: Child,
    /// `http://127.0.0.1:{port}`.
    pub base: String,
    /// What it said before it was ready.
    pub banner: Vec<String>,
    client: reqwest::Client,
    env_file: PathBuf,
    log: Arc<Mutex<Vec<String>>>,
}

/// The default app, but without its optional features.
const PLAIN: [&str; 2] = ["--app", "1001:local-key:local-secret"];

impl System {
    /// Starts the system on any free port, with an app that has no optional feature.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts it with more arguments; they may name other apps.
    #[must_use]
    pub fn start_with(arguments: &[&str]) -> Self {
        let named = arguments
            .iter()
            .any(|argument| argument.starts_with("--app"));
        let plain: &[&str] = if named { &[] } else { &PLAIN };
        Self::start_featured(&[plain, arguments].concat())
    }

    /// Starts it with an app that has these settings, and with more arguments.
    ///
    /// # Panics
    /// When the settings cannot be written to a file.
    #[must_use]
    pub fn start_with_app(settings: &Value, arguments: &[&str]) -> Self {
        let mut app = json!({"id": "1001", "key": "local-key", "secret": "local-secret"});
        let fields = settings.as_object().expect("an object").clone();
        app.as_object_mut().expect("an object").extend(fields);
        let file = temporary("json");
        fs::write(&file, json!([app]).to_string()).expect("it can be written");
        let path = file.to_str().expect("UTF-8");
        let system = Self::start_featured(&[&["--apps", path], arguments].concat());
        let _ = fs::remove_file(&file);
        system
    }

    /// Starts it with the default app, which has every feature, and with more arguments.
    ///
    /// # Panics
    /// When it does not get ready.
    #[must_use]
    pub fn start_featured(arguments: &[&str]) -> Self {
        build();
        let env_file = temporary("env");
        let mut child = Command::new(binaries().join("local"))
            .args(["--prebuilt", "--port", "0", "--env-file"])
            .arg(&env_file)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let (lines, said) = mpsc::channel();
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = log.clone();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        // Reads on for as long as the system lives, or its log would block it.
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // Shown with a failing test.
                eprintln!("{line}");
                kept.lock().expect("nobody panics").push(line.clone());
                let _ = lines.send(line);
            }
        });
        let mut banner = Vec::new();
        let started = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(started.elapsed());
            let Ok(line) = said.recv_timeout(left) else {
                let _ = child.kill();
                let _ = child.wait();
                panic!("the system did not get ready: {banner:?}");
            };
            if let Some(base) = line.strip_prefix("ready ") {
                let base = base.to_owned();
                banner.push(line);
                return Self {
                    child,
                    env_file,
                    log,
                    base,
                    banner,
                    client: reqwest::Client::new(),
                };
            }
            banner.push(line);
        }
    }

    /// Runs it with arguments that it must refuse, and gives what it said.
    ///
    /// # Panics
    /// When it cannot be run.
    #[must_use]
    pub fn refused(arguments: &[&str]) -> Output {
        build();
        let mut command = Command::new(binaries().join("local"));
        command
            .arg("--prebuilt")
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("it runs")
    }

    /// The same address for a socket.
    #[must_use]
    pub fn socket_base(&self) -> String {
        self.base.replacen("http", "ws", 1)
    }

    /// A client for plain requests; it keeps connections.
    #[must_use]
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// The process ids of the system's children: the functions' environments.
    #[must_use]
    pub fn children(&self) -> Vec<(i32, String)> {
        let parent = self.child.id().to_string();
        let mut children = Vec::new();
        for entry in fs::read_dir("/proc").expect("a Linux system").flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
                continue;
            };
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
                continue;
            };
            // `pid (name) state parent …`, and a name may hold anything.
            let Some((name, rest)) = stat
                .split_once('(')
                .and_then(|(_, rest)| rest.rsplit_once(')'))
            else {
                continue;
            };
            if rest.split_whitespace().nth(1) == Some(&parent) {
                children.push((pid, name.to_owned()));
            }
        }
        children
    }

    /// The process ids of a function's environments.
    #[must_use]
    pub fn environments_of(&self, function: &str) -> Vec<i32> {
        let of = |(pid, name)| (name == function).then_some(pid);
        self.children().into_iter().filter_map(of).collect()
    }

    /// The only environment of a function that has run.
    ///
    /// # Panics
    /// When there is none, or more than one.
    #[must_use]
    pub fn environment_of(&self, function: &str) -> i32 {
        match self.environments_of(function).as_slice() {
            [pid] => *pid,
            others => panic!("{function} has {} environments", others.len()),
        }
    }

    /// Signals one of the system's processes.
    ///
    /// # Panics
    /// When it is not there.
    pub fn signal(&self, pid: i32, signal: Signal) {
        kill(Pid::from_raw(pid), signal).expect("it can be signalled");
    }

    /// Kills an environment, as a crash would, and waits until that was noticed.
    ///
    /// # Panics
    /// When nobody notices.
    pub fn crash(&self, pid: i32) {
        self.signal(pid, Signal::SIGKILL);
        let started = Instant::now();
        while self.children().iter().any(|(child, _)| *child == pid) {
            assert!(started.elapsed() < PATIENCE, "nobody noticed");
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }

    /// A variable that the functions are started with, but for the fault proxy.
    ///
    /// # Panics
    /// When there is no such variable.
    #[must_use]
    pub fn variable(&self, name: &str) -> String {
        let value = self.find_variable(name);
        value.unwrap_or_else(|| panic!("no {name}"))
    }

    /// The same, or `None` when there is no such variable.
    ///
    /// # Panics
    /// When the file that they are written to is gone.
    #[must_use]
    pub fn find_variable(&self, name: &str) -> Option<String> {
        let variables = fs::read_to_string(&self.env_file).expect("written");
        let mut lines = variables.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.trim_matches('\'').to_owned())
    }

    /// Runs the reaper once, and gives how much it has done and what failed.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn reap(&self) -> (u64, u64) {
        let lambda = self.variable("AWS_ENDPOINT_URL_LAMBDA");
        let url = format!("{lambda}/2015-03-31/functions/reaper/invocations");
        let request = self.client.post(url).body("{}");
        let signed = request.header("authorization", "AWS4-HMAC-SHA256 Credential=tests");
        let answer = signed.send().await.expect("an answer");
        let text = answer.text().await.expect("a body");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        let count = |name: &str| answer[name].as_u64().unwrap_or_else(|| panic!("{text}"));
        (count("done"), count("failed"))
    }

    /// What it has said so far, line by line, its functions' logs included.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("nobody panics").clone()
    }

    /// What its functions have written so far: whose, and each line's JSON.
    ///
    /// # Panics
    /// When a line is none.
    #[must_use]
    pub fn lines(&self) -> Vec<(String, Value)> {
        let log = self.log();
        let lines = log.iter().filter_map(|line| {
            let (function, line) = line.strip_prefix('[')?.split_once("] ")?;
            let json: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
            Some((function.to_owned(), json))
        });
        lines.collect()
    }

    /// Asks it to end, as Ctrl-C does, and waits.
    ///
    /// # Panics
    /// When it does not end.
    pub fn terminate(&mut self, signal: Signal) -> ExitStatus {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        kill(pid, signal).expect("it can be signalled");
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

impl Drop for System {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.env_file);
        if matches!(self.child.try_wait(), Ok(None)) {
            if std::thread::panicking() {
                let _ = self.child.kill();
                let _ = self.child.wait();
            } else {
                self.terminate(Signal::SIGTERM);
            }
        }
    }
}
