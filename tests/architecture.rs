//! The boundaries of the workspace. Each test fails when one is broken, and says where.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tests::workspace;

#[path = "architecture/imports.rs"]
mod imports;

use self::imports::Imports;

/// The folders of `shared`: each uses only those before it.
const FOLDERS: [&str; 20] = [
    "model",
    "pusher",
    "config",
    "log",
    "aws",
    "deployment",
    "upkeep",
    "transport",
    "tokens",
    "delivery",
    "publishing",
    "history",
    "presence",
    "users",
    "channels",
    "webhooks",
    "connections",
    "calls",
    "sessions",
    "worker",
];
/// Those that know values alone.
const PURE: [&str; 2] = ["model", "pusher"];
/// The folders of `functions`, in the same way.
const FUNCTION_FOLDERS: [&str; 5] = ["names", "runtime", "events", "http", "handlers"];

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
    let code = imports::code(&text);
    let path = path
        .strip_prefix(root)
        .expect("below the root")
        .to_string_lossy()
        .into_owned();
    Source {
        path,
        code,
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
        &[
            "shared/src/aws/tls.rs",
            "shared/src/config/roots.rs",
            clients[0],
            clients[1],
        ],
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
        broken.extend(named_outside(
            &product,
            name,
            &["shared/src/config/environment.rs"],
        ));
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn pure_folders_know_no_aws_no_clock_and_no_waiting() {
    let mut broken = Vec::new();
    for folder in PURE {
        let pure = sources(&format!("shared/src/{folder}"));
        for name in [
            "async ",
            "await",
            "tokio",
            "SystemTime",
            "Instant",
            "tracing",
            "std::fs",
            "std::net",
        ] {
            broken.extend(named_outside(&pure, name, &[]));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Uses that go from a folder to one that stands after it.
fn upwards(source: &str, name: &str, folders: &[&str]) -> Vec<String> {
    let imports = Imports::of(&workspace().join(source), name);
    let place = |folder: &String| {
        let place = folders.iter().position(|other| other == folder);
        place.unwrap_or_else(|| panic!("{source}/{folder} is not in the list of folders"))
    };
    let mut broken = Vec::new();
    for (file, used) in imports.edges() {
        let (Some(from), Some(to)) = (file.first(), used.first()) else {
            continue;
        };
        if place(to) > place(from) {
            broken.push(format!("{} uses {}", file.join("/"), used.join("/")));
        }
    }
    broken
}

#[test]
fn each_folder_uses_only_those_before_it() {
    let mut broken = upwards("shared/src", "shared", &FOLDERS);
    broken.extend(upwards("functions/src", "functions", &FUNCTION_FOLDERS));
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_map_lists_the_folders_in_their_order() {
    let map = fs::read_to_string(workspace().join("shared/src/lib.rs")).expect("it can be read");
    let listed = map
        .lines()
        .filter(|line| line.starts_with("//! ") && line[4..].starts_with(char::is_numeric));
    // Those between backticks, up to what is said of them.
    let names = listed.flat_map(|line| {
        let names = line.split(':').next().unwrap_or_default();
        names.split('`').skip(1).step_by(2)
    });
    assert_eq!(names.collect::<Vec<_>>(), FOLDERS);
    let declared: BTreeSet<&str> = map
        .lines()
        .filter_map(|line| {
            line.trim_start_matches("pub ")
                .strip_prefix("mod ")?
                .strip_suffix(';')
        })
        .collect();
    assert_eq!(declared, BTreeSet::from(FOLDERS));
}

#[test]
fn no_files_use_each_other() {
    let mut circles = Vec::new();
    for (source, name, least) in [
        ("shared/src", "shared", 100),
        ("functions/src", "functions", 20),
        ("local/src", "local", 30),
        ("bench/src", "bench", 30),
        ("progress/src", "progress", 1),
        ("tests/src", "tests", 8),
    ] {
        let imports = Imports::of(&workspace().join(source), name);
        assert!(imports.len() >= least, "{source}: {} files", imports.len());
        circles.extend(imports.circles());
    }
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn no_use_case_speaks_a_protocol() {
    let shared = sources("shared/src");
    let broken = named_outside(&shared, "pusher::", &["shared/src/pusher"]);
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_folder_says_what_it_owns() {
    for folder in FOLDERS {
        let path = workspace().join(format!("shared/src/{folder}.rs"));
        let text = fs::read_to_string(&path).expect("it can be read");
        assert!(text.starts_with("//! "), "{}", path.display());
    }
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
        ("pusher:ping", "shared/src/pusher/frame/names.rs"),
        ("pusher:subscribe", "shared/src/pusher/frame/names.rs"),
        ("pusher:error", "shared/src/pusher/frame/names.rs"),
        (
            "subscription_succeeded\"",
            "shared/src/pusher/frame/names.rs",
        ),
        ("4001", "shared/src/pusher/codes.rs"),
        ("4009", "shared/src/pusher/codes.rs"),
        ("4200", "shared/src/pusher/codes.rs"),
        ("4301", "shared/src/pusher/codes.rs"),
        ("\"conn/", "shared/src/aws/table/partition.rs"),
        ("\"subs/", "shared/src/aws/table/partition.rs"),
        ("\"chan/", "shared/src/aws/table/partition.rs"),
        ("\"sent/", "shared/src/aws/table/partition.rs"),
        ("\"memb/", "shared/src/aws/table/partition.rs"),
        ("\"log/", "shared/src/aws/table/partition.rs"),
        ("\"cache/", "shared/src/aws/table/partition.rs"),
        ("\"idem/", "shared/src/aws/table/partition.rs"),
        ("\"rate/", "shared/src/aws/table/partition.rs"),
        ("\"read/", "shared/src/aws/table/partition.rs"),
        ("\"token/", "shared/src/aws/table/partition.rs"),
        ("\"user/", "shared/src/aws/table/partition.rs"),
        ("\"watch/", "shared/src/aws/table/partition.rs"),
        ("\"watches/", "shared/src/aws/table/partition.rs"),
        ("\"out/", "shared/src/aws/table/partition.rs"),
        ("\"http/", "shared/src/model/socket_id.rs"),
        ("\"xhr", "shared/src/pusher/session.rs"),
        ("{socket_id}::user::", "shared/src/pusher/signature.rs"),
        ("\"#server-to-user", "shared/src/model/channel.rs"),
        ("pusher:signin", "shared/src/pusher/frame/names.rs"),
        ("4302", "shared/src/pusher/codes.rs"),
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
    // The others are faults, whose type `log_fault!` adds.
    assert!(count > 8, "{count} lines were found");
    assert!(untyped.is_empty(), "{untyped:#?}");
}

#[test]
fn a_file_can_be_read_in_one_sitting() {
    let mut long = Vec::new();
    for folder in ["shared", "functions", "local", "bench", "progress", "tests"] {
        long.extend(
            sources(folder)
                .into_iter()
                .filter(|source| source.lines > 400)
                .map(|source| source.path),
        );
    }
    // A binary starts a function; what that does is elsewhere.
    let binaries = sources("functions")
        .into_iter()
        .filter(|source| !source.path.contains("/src/"));
    long.extend(
        binaries
            .filter(|source| source.lines > 5)
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
