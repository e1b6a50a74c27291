//! The function binaries: built by cargo, found beside this one.

use std::path::{Path, PathBuf};

use functions::FUNCTIONS;
use tokio::process::Command;

/// `cargo build`, with the profile of this process.
#[must_use]
pub fn cargo_build() -> std::process::Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = std::process::Command::new(cargo);
    build.arg("build");
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    // What cargo told this process of its own package would be taken for news by build scripts.
    for (name, _) in std::env::vars_os() {
        let of = |begin: &str| name.to_string_lossy().starts_with(begin);
        if of("CARGO_PKG_") || of("CARGO_MANIFEST_") {
            build.env_remove(name);
        }
    }
    build
}

/// Builds the functions as this binary was built, unless its sources are elsewhere by now.
///
/// # Errors
/// A sentence, when cargo cannot be run or fails.
pub async fn build() -> Result<(), String> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if !workspace.join("Cargo.toml").is_file() {
        return Ok(());
    }
    // With this package, so that the dependencies have the features that they have already.
    let mut build = Command::from(cargo_build());
    build
        .current_dir(workspace)
        .args(["-p", "local", "-p", "functions", "--bins"]);
    build.kill_on_drop(true);
    let status = build
        .status()
        .await
        .map_err(|error| format!("cargo cannot be run: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err("the functions do not build".to_owned())
    }
}

/// Where the binaries are.
///
/// # Errors
/// A sentence, when one is missing.
pub fn folder() -> Result<PathBuf, String> {
    let this =
        std::env::current_exe().map_err(|error| format!("this binary is nowhere: {error}"))?;
    let folder = this.parent().map(Path::to_owned).unwrap_or_default();
    match FUNCTIONS.iter().find(|name| !folder.join(name).is_file()) {
        None => Ok(folder),
        Some(missing) => Err(format!(
            "the function {missing} is not in {}: build it first",
            folder.display()
        )),
    }
}
