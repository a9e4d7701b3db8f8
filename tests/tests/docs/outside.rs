//! A crate outside of this clone, with primitives of its own: `tests/example/`, copied to a folder of its own and tested
//! there.

use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs};
use tests::within;

/// Copies a folder, without what cargo made in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap).filter(|entry| entry.file_name() != "target") {
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => _ = fs::copy(entry.path(), to).unwrap(),
        }
    }
}

fn cargo(folder: &Path, args: &[&str]) -> (bool, String) {
    // As in `io/backends.rs`: cargo compiles the crates of the clone once for both tests.
    let target = env::current_exe().unwrap().ancestors().nth(3).unwrap().join("outside");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.current_dir(folder).args(["test", "--offline", "--target-dir"]).arg(target).args(args);
    // What cargo tells this test about itself is not meant for another package.
    let inherited = env::vars().map(|(name, _)| name).filter(|name| name.starts_with("CARGO_") && name != "CARGO_HOME");
    inherited.for_each(|name| _ = cargo.env_remove(name));
    let Output { status, stdout, stderr } =
        cargo.env_remove("EXECUTOR_SEED").env("RUST_BACKTRACE", "0").output().unwrap();
    (status.success(), [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat())
}

#[test]
fn a_crate_outside_of_the_clone_checks_its_own_primitives() {
    within(600, || {
        let clone = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let outside = tempfile::tempdir().unwrap();
        copy(&clone.join("tests/example"), outside.path());
        // The versions that are here already, so that nothing need be fetched.
        fs::copy(clone.join("Cargo.lock"), outside.path().join("Cargo.lock")).unwrap();
        let manifest = fs::read_to_string(outside.path().join("Cargo.toml")).unwrap();
        let path = format!("path = \"{}\"", clone.join("tests").display());
        fs::write(outside.path().join("Cargo.toml"), manifest.replace("path = \"..\"", &path)).unwrap();

        let (passes, said) = cargo(outside.path(), &[]);
        assert!(passes, "{said}");
        let names =
            ["the_fair_mutex_conforms", "the_simple_mutex_conforms_as_far_as_it_promises", "goes_on", "at_a_time"];
        names
            .into_iter()
            .for_each(|name| assert!(said.contains(&format!("{name} ... ok")), "{name} did not run: {said}"));

        for (test, invariant) in [
            ("the_wrong_mutex_conforms", "a release wakes a waiter"),
            ("the_simple_mutex_is_cancel_safe", "a wait that is over leaves no waker behind"),
        ] {
            let (passes, said) = cargo(outside.path(), &["--test", "conformance", "--", "--ignored", test]);
            assert!(!passes, "{test} passes: {said}");
            assert!(said.contains(&format!("the mutex breaks \"{invariant}\"")), "{test}: {said}");
            assert!(said.contains("repeat it: EXECUTOR_SEED="), "no seed: {said}");
            let recording = said.lines().find_map(|line| line.split_once("demo step --replay "));
            let (_, recording) = recording.unwrap_or_else(|| panic!("no recording: {said}"));
            fs::remove_file(recording).unwrap_or_else(|error| panic!("{recording}: {error}"));
        }
    });
}
