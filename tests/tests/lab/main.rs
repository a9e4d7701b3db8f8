//! `demo lab`: the course.
//!
//! Alone: `cargo test -p tests --test lab`. The tests that build a tree take a minute: `tests/long.sh`.

mod built;
mod commands;
mod manifests;
mod trees;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// The top of the clone.
fn clone() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package is a folder of the workspace")
}

/// What a command printed, and its exit code.
struct Printed {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Printed {
    fn of(output: Output) -> Printed {
        let Output { status, stdout, stderr } = output;
        let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        Printed { code: status.code().unwrap_or(-1), stdout, stderr }
    }

    /// Both outputs, for the message of a failed test.
    fn all(&self) -> String {
        format!("exit code {}\n{}{}", self.code, self.stdout, self.stderr)
    }

    #[track_caller]
    fn succeeds(self) -> String {
        assert_eq!(self.code, 0, "{}", self.all());
        self.stdout
    }

    /// It fails with this exit code, and prints this.
    #[track_caller]
    fn fails(&self, code: i32, says: &str) {
        assert!(
            self.code == code && self.all().contains(says),
            "expected exit code {code} and `{says}`: {}",
            self.all()
        );
    }
}

/// `demo lab` in a directory.
fn lab_in(directory: &Path) -> Command {
    let mut command = Command::new(tests::demo::demo());
    command.arg("lab").current_dir(directory).stdin(Stdio::null()).env_remove("EXECUTOR_TRACE");
    command
}

fn lab(directory: &Path, args: &[&str]) -> Printed {
    Printed::of(lab_in(directory).args(args).output().expect("demo can be run"))
}

/// A student's tree, removed when dropped.
struct Tree {
    _place: TempDir,
    top: PathBuf,
}

impl Tree {
    fn start(number: u32) -> Tree {
        let place = tempfile::tempdir().unwrap();
        let top = place.path().join("rt");
        lab(place.path(), &["start", &number.to_string(), "rt"]).succeeds();
        Tree { _place: place, top }
    }

    /// Runs the script of the tree.
    fn run(&self, args: &[&str]) -> Printed {
        let output = Command::new(self.top.join("lab")).args(args).stdin(Stdio::null()).output();
        Printed::of(output.expect("the script can be run"))
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.top.join(file)).unwrap()
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.top.join(file), text).unwrap();
    }

    fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git").arg("-C").arg(&self.top).args(args).output().expect("git can be run");
        Printed::of(output).succeeds()
    }
}
