//! The real system as a child process: it builds and starts `local`, finds the processes of its functions,
//! and signs requests for its app.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use md5::Digest as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shared::model::secret::Secret;

use crate::runtime::Problem;

/// How long it may take to start, once it is built, and to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the process of `local` is called; the others are called as their functions.
pub(crate) const LOCAL: &str = "local";
/// Its app.
pub(crate) const APP_ID: &str = "1001";
pub(crate) const APP_KEY: &str = "bench-key";
pub(crate) const APP_SECRET: &str = "bench-secret";

/// A running system. It ends with this, by its process id.
pub(crate) struct System {
    child: Child,
    /// `http://127.0.0.1:{port}`.
    pub(crate) base: String,
    /// The same of the proxy that counts what the functions ask for, where it was asked for.
    pub(crate) faults: Option<String>,
}

/// A process of a system's.
pub(crate) struct Running {
    /// `local`, or the function's name.
    pub(crate) name: String,
    /// Its folder below `/proc`.
    pub(crate) folder: PathBuf,
}

impl System {
    /// Starts `local`, which lies beside this binary with the functions, with more arguments. Its app has no
    /// optional features. `said` is handed each line that it prints, for as long as it lives.
    pub(crate) fn start(
        arguments: &[String],
        said: impl FnMut(&str) + Send + 'static,
    ) -> Result<Self, Problem> {
        let app = ["--app", &format!("{APP_ID}:{APP_KEY}:{APP_SECRET}")];
        Self::start_for(&app.map(OsString::from), arguments, said)
    }

    /// The same with the apps in a file, as `APPS` has them.
    pub(crate) fn start_with_apps(
        file: &Path,
        arguments: &[String],
        said: impl FnMut(&str) + Send + 'static,
    ) -> Result<Self, Problem> {
        Self::start_for(&["--apps".into(), file.into()], arguments, said)
    }

    fn start_for(
        apps: &[OsString],
        arguments: &[String],
        mut said: impl FnMut(&str) + Send + 'static,
    ) -> Result<Self, Problem> {
        let mut child = Command::new(folder()?.join(LOCAL))
            .args(["--prebuilt", "--port", "0"])
            .args(apps)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("no standard output")?;
        let mut system = Self {
            child,
            base: String::new(),
            faults: None,
        };
        let (lines, is_told) = mpsc::channel();
        // Reads on after that, or its log would block it.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                said(&line);
                // Nobody waits for what follows the banner.
                let _ = lines.send(line);
            }
        });
        while system.base.is_empty() {
            let line = is_told
                .recv_timeout(PATIENCE)
                .map_err(|_| "the system did not get ready")?;
            if let Some(faults) = line.strip_prefix("faults ") {
                system.faults = Some(faults.to_owned());
            } else if let Some(base) = line.strip_prefix("ready ") {
                base.clone_into(&mut system.base);
            }
        }
        Ok(system)
    }

    /// Its processes that are running now.
    pub(crate) fn processes(&self) -> Result<Vec<Running>, Problem> {
        let own = self.child.id().to_string();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let folder = entry?.path();
            // What is no process, or has just ended, has none.
            let Ok(stat) = fs::read_to_string(folder.join("stat")) else {
                continue;
            };
            if let Some((pid, name, parent)) = identity(&stat)
                && (pid == own || parent == own)
            {
                let name = name.to_owned();
                found.push(Running { name, folder });
            }
        }
        Ok(found)
    }
}

impl Running {
    /// CPU nanoseconds that it has had: the scheduler's own, of which `stat` shows hundredths of a second.
    pub(crate) fn cpu_nanos(&self) -> Result<u64, Problem> {
        let mut nanos = 0;
        for thread in fs::read_dir(self.folder.join("task"))? {
            let schedule = fs::read_to_string(thread?.path().join("schedstat"))?;
            let on_cpu = schedule.split_whitespace().next().ok_or("no schedstat")?;
            nanos += on_cpu.parse::<u64>()?;
        }
        Ok(nanos)
    }

    /// Megabytes of memory that it holds.
    pub(crate) fn rss_mb(&self) -> Result<f64, Problem> {
        let status = fs::read_to_string(self.folder.join("status"))?;
        let held = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .ok_or("no VmRSS")?;
        let kb: f64 = held.trim_end_matches("kB").trim().parse()?;
        Ok(kb / 1_024.0)
    }
}

impl Drop for System {
    fn drop(&mut self) {
        // It ends its functions, which a kill would not. It may have ended by itself.
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process id, the name and the parent's id in a process's `stat`: `pid (name) state parent …`, and a name
/// may hold anything.
fn identity(stat: &str) -> Option<(&str, &str, &str)> {
    let (pid, rest) = stat.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    Some((pid, name, rest.split_whitespace().nth(1)?))
}

/// Where this binary lies.
pub(crate) fn folder() -> Result<PathBuf, Problem> {
    let this = std::env::current_exe()?;
    Ok(this.parent().ok_or("no target folder")?.to_owned())
}

/// Builds `local` and the functions as they are deployed, or for debugging where this process is.
pub(crate) fn build() -> Result<(), Problem> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.current_dir(workspace).arg("build");
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    build.args(["-p", "local", "-p", "functions", "--bins"]);
    // What cargo told this process of its own package would be taken for news by build scripts.
    for (name, _) in std::env::vars_os() {
        let of = |begin: &str| name.to_string_lossy().starts_with(begin);
        if of("CARGO_PKG_") || of("CARGO_MANIFEST_") {
            build.env_remove(name);
        }
    }
    if build.status()?.success() {
        Ok(())
    } else {
        Err("the system does not build".into())
    }
}

/// The app's secret.
pub(crate) fn secret() -> Secret {
    Secret::new(APP_SECRET.to_owned())
}

/// The path of a request to publish with the query that signs it.
pub(crate) fn signed(path: &str, body: &str) -> Result<String, Problem> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let digest = hex::encode(md5::Md5::digest(body));
    let query = format!(
        "auth_key={APP_KEY}&auth_timestamp={}&auth_version=1.0&body_md5={digest}",
        now.as_secs()
    );
    let signature = secret().sign(format!("POST\n{path}\n{query}").as_bytes());
    Ok(format!("{path}?{query}&auth_signature={signature}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_whatever_its_name() {
        assert_eq!(
            identity("7 (a) b (c) S 42 7 7 0 -1"),
            Some(("7", "a) b (c", "42"))
        );
        assert_eq!(identity(""), None);
    }
}
