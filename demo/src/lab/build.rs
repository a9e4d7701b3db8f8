//! Builds the tests of a tree with cargo, without the network.

use super::course::Lab;
use super::error::LabError;
use super::manifest::Target;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a build made.
pub(crate) enum Built {
    /// The binary of the tests, and the warnings.
    Tests { binary: PathBuf, warnings: Vec<String> },
    /// The errors of the compiler, as it prints them.
    Errors(Vec<String>),
}

/// Builds one binary with tests of a lab.
///
/// # Errors
/// If cargo can't be run, or a package is missing.
pub(crate) fn build(top: &Path, lab: &Lab, target: Target) -> Result<Built, LabError> {
    let mut cargo = cargo(top);
    cargo.args(["test", "--offline", "--no-run", "--quiet", "--message-format=json-diagnostic-rendered-ansi"]);
    match target {
        Target::Check => cargo.args(["--package", &lab.package(), "--test", "check"]),
        Target::Models => cargo.args(["--package", "models", "--test", "loom"]),
    };
    let output = cargo.output().map_err(LabError::program("cargo"))?;
    let (mut binary, mut warnings, mut errors) = (None, Vec::new(), Vec::new());
    for message in String::from_utf8_lossy(&output.stdout).lines().filter_map(parse) {
        match (message.executable, message.message) {
            (Some(path), _) => binary = Some(path),
            (None, Some(said)) if said.level == "error" => errors.extend(said.rendered),
            (None, Some(said)) if said.level == "warning" => warnings.extend(said.rendered),
            _ => {}
        }
    }
    if let Some(binary) = binary.filter(|_| output.status.success()) {
        return Ok(Built::Tests { binary, warnings });
    }
    if errors.is_empty() {
        let why = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        return match why.contains("offline") || why.contains("no matching package") {
            true => Err(LabError::Offline { root: top.into(), why }),
            false => Err(LabError::Other(why)),
        };
    }
    Ok(Built::Errors(errors))
}

/// Builds the program of a lab, and returns its path.
///
/// # Errors
/// If it does not compile.
pub(crate) fn build_program(top: &Path, lab: &Lab) -> Result<PathBuf, LabError> {
    let mut cargo = cargo(top);
    cargo.args(["build", "--offline", "--quiet", "--package", &lab.package(), "--example", "show"]);
    let output = cargo.output().map_err(LabError::program("cargo"))?;
    match output.status.success() {
        true => Ok(top.join("target/debug/examples/show")),
        false => Err(LabError::Other(String::from_utf8_lossy(&output.stderr).trim_end().to_owned())),
    }
}

/// Cargo, in a tree. What the cargo that may have started this program sets is not meant for other packages.
pub(crate) fn cargo(top: &Path) -> Command {
    const KEPT: [&str; 4] = ["CARGO_HOME", "CARGO_BUILD_JOBS", "CARGO_NET_", "CARGO_HTTP_"];
    let mut cargo = Command::new("cargo");
    cargo.current_dir(top).env_remove("RUSTC_BOOTSTRAP").env_remove("EXECUTOR_SEED");
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_") && !KEPT.iter().any(|kept| text.starts_with(kept)) {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// A line of cargo's messages.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    message: Option<Said>,
}

#[derive(Deserialize)]
struct Said {
    level: String,
    rendered: Option<String>,
}

fn parse(line: &str) -> Option<Message> {
    serde_json::from_str(line).ok()
}
