//! Crates outside of this clone, built and run as their authors do: `tests/example/` with primitives of its own, and a
//! backend of its own.

use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs};
use tempfile::TempDir;
use tests::within;

fn clone() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package is a folder of the workspace")
}

/// A crate in a folder of its own, removed when dropped.
struct Outside(TempDir);

impl Outside {
    /// Makes one with this manifest and no source file.
    ///
    /// The crate gets the versions and the profile of the clone, and cargo puts what it compiles beside what the clone's
    /// own tests need. So almost all of its dependencies are compiled already.
    fn new(manifest: &str) -> Outside {
        let outside = Outside(tempfile::tempdir().unwrap());
        let workspace = fs::read_to_string(clone().join("Cargo.toml")).unwrap();
        let profile = workspace.split("\n[").filter(|section| section.starts_with("profile.dev"));
        let profile = profile.map(|section| format!("\n[{section}\n")).collect::<String>();
        outside.write("Cargo.toml", &format!("{manifest}{profile}"));
        outside.write("Cargo.lock", &fs::read_to_string(clone().join("Cargo.lock")).unwrap());
        outside
    }

    fn write(&self, file: &str, text: &str) {
        let file = self.0.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Runs cargo in the crate. Returns whether it succeeded, and what it printed.
    fn cargo(&self, args: &[&str]) -> (bool, String) {
        let target = env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
        let (command, rest) = args.split_first().expect("a command of cargo");
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.current_dir(self.0.path()).args([command, "--offline", "--target-dir"]).arg(target).args(rest);
        // What cargo sets for this test is not meant for another package.
        let inherited = env::vars().map(|(name, _)| name).filter(|name| name.starts_with("CARGO_"));
        inherited.filter(|name| name != "CARGO_HOME").for_each(|name| _ = cargo.env_remove(name));
        let Output { status, stdout, stderr } =
            cargo.env_remove("EXECUTOR_SEED").env("RUST_BACKTRACE", "0").output().unwrap();
        (status.success(), [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat())
    }
}

#[test]
#[ignore = "builds crates: tests/long.sh"]
fn a_crate_outside_of_the_clone_checks_its_own_primitives() {
    within(600, || {
        let example = clone().join("tests/example");
        let manifest = fs::read_to_string(example.join("Cargo.toml")).unwrap();
        let path = format!("path = \"{}\"", clone().join("tests").display());
        let outside = Outside::new(&manifest.replace("path = \"..\"", &path));
        for folder in ["src", "tests"] {
            for file in fs::read_dir(example.join(folder)).unwrap().map(Result::unwrap) {
                let name = format!("{folder}/{}", file.file_name().display());
                outside.write(&name, &fs::read_to_string(file.path()).unwrap());
            }
        }

        let (passes, said) = outside.cargo(&["test"]);
        assert!(passes, "{said}");
        let names = [
            "the_fair_mutex_conforms",
            "the_simple_mutex_conforms_as_far_as_it_promises",
            "goes_to_the_next_one",
            "at_a_time_has_the_value",
        ];
        names
            .into_iter()
            .for_each(|name| assert!(said.contains(&format!("{name} ... ok")), "{name} did not run: {said}"));

        for (test, invariant) in [
            ("the_wrong_mutex_conforms", "a release wakes a waiter"),
            ("the_simple_mutex_is_cancel_safe", "a wait that is over leaves no waker behind"),
        ] {
            let (passes, said) = outside.cargo(&["test", "--test", "conformance", "--", "--ignored", test]);
            assert!(!passes, "{test} passes: {said}");
            assert!(said.contains(&format!("the mutex breaks \"{invariant}\"")), "{test}: {said}");
            assert!(said.contains("repeat it: EXECUTOR_SEED="), "no seed: {said}");
            let recording = said.lines().find_map(|line| line.split_once("demo step --replay "));
            let (_, recording) = recording.unwrap_or_else(|| panic!("no recording: {said}"));
            fs::remove_file(recording).unwrap_or_else(|error| panic!("{recording}: {error}"));
        }
    });
}

/// A crate whose main file is the example `own_backend`, and which puts that backend through the suite.
#[test]
#[ignore = "builds crates: tests/long.sh"]
fn a_backend_in_a_crate_outside_of_the_clone_runs_and_goes_through_the_suite() {
    within(600, || {
        let path = |name| format!("{name} = {{ path = {:?}, default-features = false }}\n", clone().join(name));
        let dependencies = ["executor", "reactor", "tests"].map(path).concat();
        let head = "[package]\nname = \"course\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n";
        let outside = Outside::new(&format!("{head}{dependencies}futures-lite = \"2\"\npolling = \"3\"\n"));
        let program = fs::read_to_string(clone().join("executor/examples/own_backend.rs")).unwrap();
        outside.write("src/main.rs", &program);
        let conforms = "#[test]\nfn conforms() {\n    tests::conformance::backend(own::OneShot::make);\n}\n";
        outside.write("tests/conforms.rs", &format!("#[path = \"../src/main.rs\"]\nmod own;\n{conforms}"));

        let (passes, said) = outside.cargo(&["test", "--test", "conforms"]);
        assert!(passes && said.contains("test conforms ... ok"), "{said}");
        let (succeeds, printed) = outside.cargo(&["run", "--quiet"]);
        assert!(succeeds && printed.contains("round 3: ping"), "{printed}");
        let waits = |line: &str| line.strip_prefix("waits while idle for 300 ms: ")?.parse::<u32>().ok();
        let waits = printed.lines().find_map(waits);
        assert!(waits.is_some_and(|waits| waits <= 2), "{printed}");
    });
}
