//! The unmodified clients (pusher-js, laravel-echo, the pusher server SDK) against the real binaries. The
//! tests themselves are `clients/javascript/*.test.mjs`, and run under Node's own runner.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::json;
use tests::{Receiver, System, workspace};

/// The oldest Node that has all that the tests use.
const NODE_MIN: u32 = 20;

fn folder() -> PathBuf {
    workspace().join("tests/clients/javascript")
}

/// Makes sure of Node and installs the clients, once. Without Node this fails and says so: the
/// clients are never skipped.
fn install() {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let version = Command::new("node").arg("--version").output();
        let version = version.unwrap_or_else(|error| {
            panic!("Node {NODE_MIN} or newer must be installed to test the clients: node cannot be run: {error}")
        });
        let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
        let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
        assert!(
            major.is_some_and(|major| major >= NODE_MIN),
            "Node {NODE_MIN} or newer must be installed to test the clients: this is {version}"
        );
        let arguments = ["ci", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"];
        let status = Command::new("npm").args(arguments).current_dir(folder()).status();
        let status = status.unwrap_or_else(|error| panic!("npm, which comes with Node, cannot be run: {error}"));
        assert!(status.success(), "the clients cannot be installed: npm ci failed");
    });
}

fn run(file: &str, system: &System) {
    run_with(file, system, &[]);
}

/// The same with more variables.
fn run_with(file: &str, system: &System, variables: &[(&str, &str)]) {
    install();
    let status = Command::new("node")
        .args(["--test", "--test-reporter=spec", file])
        .current_dir(folder())
        .env("BASE", &system.base)
        .envs(variables.iter().copied())
        .status()
        .expect("node runs");
    assert!(status.success(), "{file}");
}

#[test]
fn they_connect() {
    run("connecting.test.mjs", &System::start());
}

#[test]
fn their_paths_are_what_cloudfront_makes_of_them() {
    run("front.test.mjs", &System::start_with(&["--quiet"]));
}

#[test]
fn they_use_channels() {
    run("channels.test.mjs", &System::start());
}

#[test]
fn they_sign_in() {
    run("users.test.mjs", &System::start_featured(&[]));
}

#[test]
fn they_talk_and_are_shown_what_was_said() {
    run("events.test.mjs", &System::start_featured(&[]));
}

#[test]
fn they_meet() {
    run("presence.test.mjs", &System::start_with(&["--quiet"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn they_believe_webhooks() {
    let receiver = Receiver::start().await;
    let settings = json!({
        "client_events": true,
        "subscription_count": true,
        "webhooks": [{"url": receiver.base}],
        "webhook_batching": true,
    });
    let system = System::start_with_app(&settings, &["--quiet"]);
    let receiver = [("RECEIVER", receiver.base.as_str())];
    run_with("webhooks.test.mjs", &system, &receiver);
}

#[test]
fn their_server_asks_who_is_where() {
    run("server.test.mjs", &System::start_with(&["--quiet"]));
}

#[test]
fn they_do_without_sockets() {
    run("sessions.test.mjs", &System::start_featured(&[]));
}

#[test]
fn they_come_back() {
    run(
        "reconnecting.test.mjs",
        &System::start_with(&["--max-age", "2"]),
    );
}

/// A Chromium. Without one this fails and says so: browsers are never skipped.
fn chromium() -> String {
    if let Ok(named) = std::env::var("CHROMIUM") {
        return named;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ];
    let found = std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|file| file.is_file());
    let found = found.expect(
        "Chromium must be installed to test what browsers do, or Chrome: CHROMIUM names one that is not on the PATH",
    );
    found.to_string_lossy().into_owned()
}

/// Builds the example task, and says where it is.
fn task() -> String {
    let built = local::host::binaries::cargo_build()
        .current_dir(workspace())
        .args(["-p", "progress", "--example", "task"])
        .status();
    assert!(
        built.expect("cargo runs").success(),
        "the example does not build"
    );
    let this = std::env::current_exe().expect("a test has a path");
    let profile = this
        .ancestors()
        .nth(2)
        .expect("target/{profile}/deps/{test}");
    let task = profile.join("examples/task");
    task.to_string_lossy().into_owned()
}

#[test]
fn browsers_read_streams() {
    let (chromium, task) = (chromium(), task());
    let arguments = ["--stream-life", "2", "--max-age", "2", "--quiet"];
    let variables = [("CHROMIUM", chromium.as_str()), ("TASK", task.as_str())];
    run_with(
        "browser.test.mjs",
        &System::start_with(&arguments),
        &variables,
    );
}

#[test]
fn they_miss_nothing() {
    run(
        "resuming.test.mjs",
        &System::start_with(&["--max-age", "2", "--quiet"]),
    );
}
