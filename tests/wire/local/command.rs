//! The command: what it prints, which arguments it accepts, and how it ends.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tests::{PATIENCE, Socket, System, now_secs};

#[tokio::test]
async fn it_says_where_it_is_and_is_ready() {
    let system = System::start();
    let banner = system.banner.join("\n");
    let host = system.base.strip_prefix("http://").expect("http");
    assert_eq!(
        system.banner.last(),
        Some(&format!("ready {}", system.base))
    );
    for said in [
        format!("ws://{host}/app/local-key"),
        format!("http://{host}/apps/1001"),
        format!("http://{host}/status/local-key"),
        "local-secret".to_owned(),
        "new Pusher(".to_owned(),
    ] {
        assert!(banner.contains(&said), "{said} is not in:\n{banner}");
    }
    assert_eq!(
        system.request("GET", "/ready", Vec::new()).await.status,
        200
    );
    assert_eq!(
        system.request("GET", "/nowhere", Vec::new()).await.status,
        404
    );
}

#[tokio::test]
async fn it_ends_within_two_seconds_and_leaves_no_process() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut system = System::start();
        let mut socket = Socket::connect(&system).await;
        socket.subscribe("orders").await;
        system
            .publish(json!({"name": "e", "channel": "orders", "data": "d"}))
            .await;
        let children = system.children();
        assert!(children.len() >= 3, "{children:?}");
        let asked = Instant::now();
        let status = system.terminate(signal);
        assert!(
            asked.elapsed() < Duration::from_secs(2),
            "{:?}",
            asked.elapsed()
        );
        assert!(status.success(), "{status}");
        for (pid, name) in children {
            assert_eq!(
                kill(Pid::from_raw(pid), None),
                Err(Errno::ESRCH),
                "{name} is left"
            );
        }
        socket.expect("e").await;
        assert_eq!(socket.close_code().await, Some(1001));
    }
}

#[tokio::test]
async fn its_apps_can_be_replaced() {
    let system = System::start_with(&[
        "--app",
        "7:seven:s:e:c",
        "--app",
        "8:eight:secret",
        "--quiet",
    ]);
    Socket::connect_at(&system, "/app/seven?protocol=7").await;
    Socket::connect_at(&system, "/app/eight?protocol=7").await;
    let mut refused = Socket::open(&system, "/app/local-key?protocol=7")
        .await
        .expect("accepted");
    assert_eq!(refused.expect("pusher:error").await["data"]["code"], 4001);
}

#[tokio::test]
async fn its_apps_can_come_from_a_file() {
    let file = std::env::temp_dir().join(format!("channels-apps-{}.json", std::process::id()));
    let apps = json!([{"id": "7", "key": "seven", "secret": "it's"}]);
    std::fs::write(&file, format!("{apps:#}")).expect("written");
    let system = System::start_with(&["--apps", file.to_str().expect("a path")]);
    std::fs::remove_file(file).expect("removed");
    let banner = system.banner.join("\n");
    for said in ["app 7  key seven  secret it's", "/apps/7/events"] {
        assert!(banner.contains(said), "{said} is not in:\n{banner}");
    }
    Socket::connect_at(&system, "/app/seven?protocol=7").await;
}

#[test]
fn a_wrong_argument_or_a_taken_port_is_explained() {
    let system = System::start();
    let port = system.base.rsplit_once(':').expect("a port").1.to_owned();
    for (arguments, said) in [
        (vec!["--app", "7:seven"], "--app"),
        (vec!["--app", "7:a:s", "--app", "7:b:s"], "7"),
        (vec!["--app", "7:a/b:s"], "a/b"),
        (vec!["--apps", "/nowhere/at/all"], "/nowhere/at/all"),
        (vec!["--apps", "/nowhere", "--app", "7:a:s"], "--app"),
        (vec!["--port", &port], port.as_str()),
        (vec!["--data", "/nowhere/at/all"], "/nowhere/at/all"),
        (vec!["--greet-via", "pigeon"], "pigeon"),
    ] {
        let output = System::refused(&arguments);
        assert!(!output.status.success(), "{arguments:?}");
        let explanation = String::from_utf8_lossy(&output.stderr);
        assert!(explanation.contains(said), "{arguments:?}: {explanation}");
        assert!(!explanation.contains("panicked"), "{explanation}");
    }
}

#[tokio::test]
async fn a_data_file_outlives_the_system() {
    let folder = std::env::temp_dir().join(format!("channels-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("table.db");
    let data = ["--data", file.to_str().expect("a path")];
    let system = System::start_with(&data);
    system
        .publish(json!({"name": "kept", "channel": "orders", "data": "d"}))
        .await;
    drop(system);
    let system = System::start_with(&data);
    let events = system.poll("channels=orders").await.json()["events"].clone();
    assert_eq!(events[0]["type"], "kept", "{events}");
    drop(system);
    std::fs::remove_dir_all(folder).expect("removed");
}

#[tokio::test]
async fn what_has_expired_is_removed_as_often_as_is_asked_for() {
    let system = System::start_with(&["--sweep-every", "1"]);
    let table = system.table();
    for (key, ttl) in [("gone", now_secs() - 10), ("kept", now_secs() + 3_600)] {
        table.put(&json!({"pk": key, "sk": "-", "ttl": ttl})).await;
    }
    let started = Instant::now();
    while !table.rows("gone").await.is_empty() {
        assert!(started.elapsed() < PATIENCE, "it is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(table.rows("kept").await.len(), 1);
}
