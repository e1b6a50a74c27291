//! The boundaries of the workspace. Each test fails when one is broken, and says where.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tests::workspace;

/// The modules of `shared` that know values alone.
const PURE: [&str; 25] = [
    "api",
    "app",
    "channel",
    "cursor",
    "error",
    "event",
    "frame",
    "hold",
    "limits",
    "metrics",
    "pace",
    "presence",
    "rate",
    "reading",
    "secret",
    "session",
    "settings",
    "shard",
    "signature",
    "socket_id",
    "task",
    "time",
    "token",
    "user",
    "webhook",
];
/// Those that know the pure ones and the edge.
const USE_CASES: [&str; 28] = [
    "admission",
    "announce",
    "answer",
    "attend",
    "deliver",
    "deployment",
    "fanout",
    "follow",
    "issue",
    "kept",
    "later",
    "lifecycle",
    "message",
    "notify",
    "occupancy",
    "once",
    "pickup",
    "publish",
    "reap",
    "relay",
    "replay",
    "reply",
    "resume",
    "stream",
    "subscribe",
    "users",
    "subscription_count",
    "terminate",
];
/// The edge.
const EDGE: [&str; 5] = ["aws", "config", "receiver", "schema", "tls"];

/// A source file without its tests and its comments, which may name what the code may not.
struct Source {
    /// From the workspace's root.
    path: String,
    code: String,
    lines: usize,
}

fn sources(folder: &str) -> Vec<Source> {
    let root = workspace();
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .flatten()
        {
            let path = entry.path();
            if path.is_dir() {
                if entry.file_name() != "node_modules" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(source(&root, path));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no sources");
    found
}

fn source(root: &Path, path: PathBuf) -> Source {
    let text = fs::read_to_string(&path).expect("it can be read");
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code: Vec<&str> = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let path = path
        .strip_prefix(root)
        .expect("below the root")
        .to_string_lossy()
        .into_owned();
    Source {
        path,
        code: code.join("\n"),
        lines: text.lines().count(),
    }
}

/// Where code names something outside the paths that may.
fn named_outside(sources: &[Source], name: &str, allowed: &[&str]) -> Vec<String> {
    let outside = |source: &&Source| {
        source.code.contains(name) && !allowed.iter().any(|path| source.path.starts_with(path))
    };
    sources
        .iter()
        .filter(outside)
        .map(|source| format!("{} names {name}", source.path))
        .collect()
}

fn product() -> Vec<Source> {
    ["shared/src", "functions"]
        .iter()
        .flat_map(|folder| sources(folder))
        .collect()
}

#[test]
fn only_the_edge_names_aws_and_only_the_functions_name_lambda() {
    let product = product();
    let mut broken = Vec::new();
    for name in [
        "aws_sdk_",
        "aws_smithy",
        "aws_sigv4",
        "aws_credential_types",
    ] {
        broken.extend(named_outside(&product, name, &["shared/src/aws"]));
    }
    // What AWS's own client does not do: it sends over our connections, and nothing to servers of others.
    let clients = ["shared/src/aws/pool.rs", "shared/src/aws/receiver.rs"];
    for name in ["hyper_", "hyper::"] {
        broken.extend(named_outside(&product, name, &clients));
    }
    broken.extend(named_outside(
        &product,
        "rustls::",
        &["shared/src/aws/tls.rs", clients[0], clients[1]],
    ));
    broken.extend(named_outside(
        &product,
        "rustls_native_certs",
        &["shared/src/aws/tls.rs"],
    ));
    for name in ["lambda_http", "lambda_runtime"] {
        broken.extend(named_outside(&product, name, &["functions/"]));
    }
    for name in ["std::env", "env::var"] {
        broken.extend(named_outside(&product, name, &["shared/src/config.rs"]));
    }
    // The edge says what happened; what follows from it is decided above.
    for name in [
        "crate::deliver",
        "crate::lifecycle",
        "crate::pickup",
        "crate::fanout",
        "crate::publish",
        "crate::subscribe",
        "crate::subscription_count",
        "crate::later",
        "crate::message",
        "crate::notify",
        "crate::relay",
        "crate::replay",
        "crate::users",
        "crate::reply",
        "crate::answer",
        "crate::occupancy",
        "crate::once",
        "crate::terminate",
    ] {
        let of_edge = |source: &Source| {
            EDGE.iter()
                .any(|module| source.path.starts_with(&format!("shared/src/{module}")))
        };
        let edge: Vec<Source> = sources("shared/src").into_iter().filter(of_edge).collect();
        broken.extend(named_outside(&edge, name, &[]));
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn pure_modules_know_no_aws_no_clock_and_no_waiting() {
    let mut broken = Vec::new();
    let of_pure = |source: &Source| {
        let module = source
            .path
            .trim_start_matches("shared/src/")
            .split(['/', '.'])
            .next()
            .unwrap_or_default();
        PURE.contains(&module)
    };
    let pure: Vec<Source> = sources("shared/src").into_iter().filter(of_pure).collect();
    assert!(pure.len() >= PURE.len());
    for name in [
        "async ",
        "await",
        "tokio",
        "SystemTime",
        "Instant",
        "crate::aws",
        "crate::config",
        "tracing",
        "std::fs",
        "std::net",
    ] {
        broken.extend(named_outside(&pure, name, &[]));
    }
    for module in USE_CASES {
        broken.extend(named_outside(&pure, &format!("crate::{module}"), &[]));
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_module_has_its_layer() {
    let declared: BTreeSet<String> = fs::read_to_string(workspace().join("shared/src/lib.rs"))
        .expect("it can be read")
        .lines()
        .filter_map(|line| {
            line.trim_start_matches("pub ")
                .strip_prefix("mod ")?
                .strip_suffix(';')
                .map(str::to_owned)
        })
        .collect();
    let layered: BTreeSet<String> = PURE
        .iter()
        .chain(&USE_CASES)
        .chain(&EDGE)
        .map(|&module| module.to_owned())
        .collect();
    assert_eq!(declared, layered);
}

#[test]
fn a_rule_has_one_home() {
    let product = product();
    let mut broken = Vec::new();
    for (literal, home) in [
        ("\"private-", "shared/src/model/channel.rs"),
        ("\"presence-", "shared/src/model/channel.rs"),
        ("\"pusher:\"", "shared/src/model/event.rs"),
        ("\"client-", "shared/src/model/event.rs"),
        ("pusher:ping", "shared/src/pusher/frame.rs"),
        ("pusher:subscribe", "shared/src/pusher/frame.rs"),
        ("pusher:error", "shared/src/pusher/frame.rs"),
        ("subscription_succeeded\"", "shared/src/pusher/frame.rs"),
        ("4001", "shared/src/model/error/status.rs"),
        ("4009", "shared/src/model/error/status.rs"),
        ("4200", "shared/src/model/error/status.rs"),
        ("4301", "shared/src/model/error/status.rs"),
        ("\"conn/", "shared/src/aws/table.rs"),
        ("\"subs/", "shared/src/aws/table.rs"),
        ("\"chan/", "shared/src/aws/table.rs"),
        ("\"sent/", "shared/src/aws/table.rs"),
        ("\"memb/", "shared/src/aws/table.rs"),
        ("\"log/", "shared/src/aws/table.rs"),
        ("\"cache/", "shared/src/aws/table.rs"),
        ("\"idem/", "shared/src/aws/table.rs"),
        ("\"rate/", "shared/src/aws/table.rs"),
        ("\"read/", "shared/src/aws/table.rs"),
        ("\"token/", "shared/src/aws/table.rs"),
        ("\"user/", "shared/src/aws/table.rs"),
        ("\"watch/", "shared/src/aws/table.rs"),
        ("\"watches/", "shared/src/aws/table.rs"),
        ("\"out/", "shared/src/aws/table.rs"),
        ("\"http/", "shared/src/model/socket_id.rs"),
        ("\"xhr", "shared/src/pusher/session.rs"),
        ("{socket_id}::user::", "shared/src/pusher/signature.rs"),
        ("\"#server-to-user", "shared/src/model/channel.rs"),
        ("pusher:signin", "shared/src/pusher/frame.rs"),
        ("4302", "shared/src/model/error/status.rs"),
        ("\"x-pusher-", "shared/src/model/webhook/target.rs"),
        ("\"auth_signature\"", "shared/src/pusher/api/signed.rs"),
        ("\"user_count\"", "shared/src/pusher/api/attributes.rs"),
        ("10_240", "shared/src/model/limits.rs"),
        ("\"AWS_", "shared/src/config/variable.rs"),
        ("AWS4-HMAC-SHA256", "shared/src/aws/signer.rs"),
        ("@connections/", "shared/src/aws/connections.rs"),
    ] {
        broken.extend(named_outside(&product, literal, &[home]));
        assert!(
            product
                .iter()
                .any(|source| source.path == home && source.code.contains(literal)),
            "{literal} is not in {home}"
        );
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_error_in_the_log_says_of_which_type_it_is() {
    let mut untyped = Vec::new();
    let mut count = 0;
    for source in product() {
        for said in source.code.split("tracing::error!(").skip(1) {
            count += 1;
            let said = said.split(");").next().unwrap_or_default();
            if !said.contains("error_type") {
                untyped.push(format!("{}: {said}", source.path));
            }
        }
    }
    assert!(count > 30, "{count} lines were found");
    assert!(untyped.is_empty(), "{untyped:#?}");
}

#[test]
fn a_file_can_be_read_in_one_sitting() {
    let mut long = Vec::new();
    for folder in ["shared", "functions", "local", "bench", "tests"] {
        long.extend(
            sources(folder)
                .into_iter()
                .filter(|source| source.lines > 450)
                .map(|source| source.path),
        );
    }
    // A binary starts a function; what that does is elsewhere.
    let binaries = sources("functions")
        .into_iter()
        .filter(|source| !source.path.contains("/src/"));
    long.extend(
        binaries
            .filter(|source| source.lines > 100)
            .map(|source| source.path),
    );
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn every_function_is_a_binary_and_every_binary_a_function() {
    let manifest =
        fs::read_to_string(workspace().join("functions/Cargo.toml")).expect("it can be read");
    let binaries: BTreeSet<&str> = manifest
        .split("[[bin]]")
        .skip(1)
        .filter_map(|section| {
            section
                .lines()
                .find_map(|line| line.strip_prefix("name = "))?
                .trim_matches('"')
                .into()
        })
        .collect();
    let files: BTreeSet<String> = sources("functions")
        .into_iter()
        .filter_map(|source| {
            source
                .path
                .strip_prefix("functions/")?
                .strip_suffix(".rs")
                .map(str::to_owned)
        })
        .filter(|name| !name.contains('/'))
        .collect();
    assert_eq!(binaries, files.iter().map(String::as_str).collect());
    let listed =
        fs::read_to_string(workspace().join("functions/src/names.rs")).expect("it can be read");
    for binary in binaries {
        assert!(
            listed.contains(&format!("\"{binary}\"")),
            "{binary} is not listed"
        );
    }
}
