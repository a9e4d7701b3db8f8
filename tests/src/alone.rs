//! Tests that run in a process of their own: for what belongs to a whole process, such as its environment, its threads and
//! what it prints.

use std::env;
use std::process::Command;

/// A command that runs this one test of the binary, even if it is ignored, and shows its output.
///
/// `module` is the caller's `module_path!()`.
///
/// # Panics
/// If this program's own file is gone.
pub fn test(module: &str, name: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("a test knows its own path"));
    let path = within_crate(module).map_or(name.to_owned(), |module| format!("{module}::{name}"));
    command.args([&path, "--exact", "--include-ignored", "--nocapture"]);
    command
}

/// Runs one test of this binary in a process of its own. Its output is shown only if it fails.
///
/// # Panics
/// If the test fails.
#[track_caller]
pub fn passes(module: &str, name: &str) {
    let ran = test(module, name).output().expect("this program can be run again");
    let printed = || String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{name} failed:\n{}", printed());
}

/// A command that runs all tests of a module of this binary, and of those below it.
///
/// # Panics
/// If this program's own file is gone.
pub fn module(module: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("a test knows its own path"));
    command.args(within_crate(module).map(|module| format!("{module}::")));
    command
}

/// libtest leaves out the name of the crate.
fn within_crate(module: &str) -> Option<&str> {
    module.split_once("::").map(|(_, rest)| rest)
}
