//! The unmodified server SDKs for Python and Rust against the real binaries. (The one for Node is among the
//! `clients`.) Their programs are `clients/python/server_test.py` and `clients/rust/`; this file checks what
//! the subscribers receive.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;
use tests::{Socket, System, target, workspace};

/// A system with somebody on `orders` twice, and on `presence-lobby` as 7 and, twice, as 8.
struct Occupied {
    system: System,
    orders: [Socket; 2],
    lobby: Vec<Socket>,
}

impl Occupied {
    async fn start() -> Self {
        let system = System::start_with(&["--quiet"]);
        let mut orders = [
            Socket::connect(&system).await,
            Socket::connect(&system).await,
        ];
        for socket in &mut orders {
            socket.subscribe("orders").await;
        }
        let mut lobby = Vec::new();
        for user in ["7", "8", "8"] {
            let mut socket = Socket::connect(&system).await;
            socket.attend("presence-lobby", json!(user)).await;
            socket.roster("presence-lobby").await;
            lobby.push(socket);
        }
        // The first one is told that the second one has come.
        lobby[0].expect("pusher_internal:member_added").await;
        Self {
            system,
            orders,
            lobby,
        }
    }

    /// Runs an SDK's program, which must succeed.
    async fn run(&self, mut command: Command) {
        let host = self.system.base.trim_start_matches("http://").to_owned();
        let ran = tokio::task::spawn_blocking(move || command.env("HOST", host).status());
        let status = ran.await.expect("it does not panic").expect("it runs");
        assert!(status.success(), "{status}");
    }

    /// Takes what came on `orders`.
    async fn came(&mut self, events: &[(&str, &str)]) {
        for socket in &mut self.orders {
            for (name, data) in events {
                let frame = socket.expect(name).await;
                assert_eq!(frame["data"], *data, "{name}");
            }
            socket.nothing_came().await;
        }
    }
}

/// Python with the SDK, in a virtual environment that is made anew when what it needs changes. Without
/// Python this fails and says so: the SDK is never skipped.
fn python() -> PathBuf {
    let folder = target().join("clients-python");
    let python = folder.join("bin/python");
    let needed = std::fs::read_to_string(workspace().join("tests/clients/python/requirements.txt"));
    let needed = needed.expect("it can be read");
    let marker = folder.join("requirements.txt");
    if std::fs::read_to_string(&marker).is_ok_and(|installed| installed == needed) {
        return python;
    }
    let made = Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&folder)
        .status();
    let made = made.unwrap_or_else(|error| {
        panic!("Python 3 must be installed to test its SDK: python3 cannot be run: {error}")
    });
    assert!(
        made.success(),
        "Python's venv (on Debian python3-venv) must be installed to test its SDK"
    );
    let installed = Command::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ])
        .arg(workspace().join("tests/clients/python/requirements.txt"))
        .status();
    assert!(
        installed.expect("pip runs").success(),
        "the SDK for Python cannot be installed"
    );
    std::fs::write(marker, needed).expect("it can be written");
    python
}

#[tokio::test]
async fn pythons_sdk_publishes_and_asks() {
    let mut occupied = Occupied::start().await;
    let mut ended = Socket::connect(&occupied.system).await;
    ended.sign_in(json!({"id": "ended"})).await;
    let mut command = Command::new(python());
    command.arg(workspace().join("tests/clients/python/server_test.py"));
    occupied.run(command).await;
    // In the order of the tests' names: the batches with and without what it asks, and the others.
    occupied
        .came(&[
            ("created", r#"{"id": 1}"#),
            ("many", "text"),
            ("exclusive", "naïve ☕"),
            ("batched", r#"{"n": 1}"#),
            ("batched", "3"),
            ("batched", r#"{"n": 1}"#),
            ("batched", "3"),
        ])
        .await;
    for socket in &mut occupied.lobby {
        socket.expect("many").await;
        assert_eq!(socket.expect("batched").await["data"], "2");
        socket.nothing_came().await;
    }
    let told = ended.expect("pusher:error").await;
    assert_eq!(told["data"]["code"], 4009);
    assert_eq!(ended.close_code().await, Some(1000));
}

#[tokio::test]
async fn rusts_sdk_publishes_and_asks() {
    let mut occupied = Occupied::start().await;
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["run", "--quiet", "--locked", "--manifest-path"])
        .arg(workspace().join("tests/clients/rust/Cargo.toml"))
        .arg("--target-dir")
        .arg(target().join("clients-rust"));
    occupied.run(command).await;
    occupied
        .came(&[
            ("created", r#"{"id":1}"#),
            ("many", r#""text""#),
            ("exclusive", r#""text""#),
        ])
        .await;
    for socket in &mut occupied.lobby {
        socket.expect("many").await;
        socket.nothing_came().await;
    }
}

#[tokio::test]
async fn what_is_to_be_verified_on_aws_holds_here() {
    let occupied = Occupied::start().await;
    let mut command = Command::new(python());
    let host = occupied.system.base.trim_start_matches("http://");
    command
        .arg(workspace().join("docs/verify.py"))
        .args(["--plain", "--host", host, "--id", "1001"])
        .args(["--key", "local-key", "--secret", "local-secret"]);
    occupied.run(command).await;
}
