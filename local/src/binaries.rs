//! The function binaries: built by cargo, found beside this one.

use std::path::{Path, PathBuf};

use functions::FUNCTIONS;
use tokio::process::Command;

/// Builds the functions as this binary was built, unless its sources are elsewhere by now.
///
/// # Errors
/// A sentence, when cargo cannot be run or fails.
pub async fn build() -> Result<(), String> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if !workspace.join("Cargo.toml").is_file() {
        return Ok(());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    // With this package, so that the dependencies have the features that they have already.
    build
        .current_dir(workspace)
        .args(["build", "-p", "local", "-p", "functions", "--bins"]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
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
