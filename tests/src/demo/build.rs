//! The programs that tests run: builds those of this workspace, finds those of the system.
//!
//! Used through `tests::demo`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::{env, fs};

/// The demo's program, built in the profile and the target directory of the tests that run.
///
/// # Panics
/// If it can't be built.
pub fn demo() -> &'static Path {
    static DEMO: OnceLock<PathBuf> = OnceLock::new();
    // Without an example, cargo would choose other features of the packages below, and compile all of them again.
    DEMO.get_or_init(|| build(&["--bin", "demo", "--example", "hello"]).join("demo"))
}

/// The program of an example of the demo, built in the same way.
///
/// # Panics
/// If it can't be built.
pub fn example(name: &str) -> PathBuf {
    // Built once; other tests that need it meanwhile wait.
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let build = || build(&["--example", name]).join("examples").join(name);
    built.entry(name.to_owned()).or_insert_with(build).clone()
}

/// The folder with the programs of the executor's examples, built in the same way.
///
/// # Panics
/// If they can't be built.
pub fn executor_examples() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../executor/examples");
        let files = fs::read_dir(folder).expect("the executor has examples");
        let names = files.filter_map(|file| Some(file.ok()?.path().file_stem()?.to_str()?.to_owned()));
        let choice: Vec<_> = names.flat_map(|name| ["--example".to_owned(), name]).collect();
        build(&choice.iter().map(String::as_str).collect::<Vec<_>>()).join("examples")
    })
}

/// The program of an example of the executor, built with an optimized runtime without assertions.
///
/// All other packages are those that the tests have compiled already, optimized or not.
///
/// # Panics
/// If it can't be built.
pub fn optimized_executor_example(name: &str) -> PathBuf {
    let (profile, _) = profile();
    let settings = ["opt-level=3", "codegen-units=1", "debug-assertions=false", "overflow-checks=false"];
    let of = |package| settings.map(|setting| format!("--config=profile.{profile}.package.{package}.{setting}"));
    let settings = [of("executor"), of("reactor")].concat();
    let choice: Vec<_> = settings.iter().map(String::as_str).chain(["--example", name]).collect();
    let _alone = lock_cargo();
    let folder = cargo_build(&choice);
    // The next build of the examples replaces the program, so this one gets a name of its own.
    let kept = folder.join(format!("{name}-optimized"));
    copy_program(&folder.join("examples").join(name), &kept);
    kept
}

/// Copies a program that is to be run.
///
/// Runs `cp`, because a program that is open for writing cannot be run: if this process wrote the file, a process that
/// another test starts meanwhile would inherit the open descriptor.
///
/// # Panics
/// If it can't be copied.
pub fn copy_program(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg(from).arg(to).status();
    assert!(copied.is_ok_and(|status| status.success()), "{} cannot be copied to {}", from.display(), to.display());
}

/// Builds what these arguments of cargo choose, and returns the folder of the profile.
fn build(what: &[&str]) -> PathBuf {
    let _alone = lock_cargo();
    cargo_build(what)
}

/// As long as this is held, no other test of this process builds anything.
fn lock_cargo() -> MutexGuard<'static, ()> {
    static CARGO: Mutex<()> = Mutex::new(());
    CARGO.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`build`]. The caller holds the lock.
///
/// The choice is among all packages of the workspace: so cargo uses what `cargo test --workspace` has compiled already.
fn cargo_build(what: &[&str]) -> PathBuf {
    let (profile, folder) = profile();
    let target = folder.parent().expect("the profile's folder is in the target directory");
    let mut build = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    // Removes the variables of this test's package: a build script that reads them, like ring's, would run each time.
    for (name, _) in env::vars_os() {
        let bytes = name.as_encoded_bytes();
        if bytes.starts_with(b"CARGO_MANIFEST_") || bytes.starts_with(b"CARGO_PKG_") {
            build.env_remove(name);
        }
    }
    build.args(["build", "--quiet", "--workspace", "--profile", &profile, "--target-dir"]).arg(target);
    let built = build.args(what).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(built.status.success(), "cargo build {what:?}:\n{}", String::from_utf8_lossy(&built.stderr));
    folder
}

/// The profile that this test was built in, and that profile's folder.
fn profile() -> (String, PathBuf) {
    // This program is target/<profile>/deps/<test>-<hash>.
    let this = env::current_exe().expect("a test knows its own path");
    let folder = this.ancestors().nth(2).expect("a test is two folders below its profile's");
    let profile = match folder.file_name().and_then(OsStr::to_str) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    (profile.to_owned(), folder.to_owned())
}

/// A program of the system.
#[derive(Clone, Debug)]
pub struct Program(PathBuf);

impl Program {
    /// Looks for a program in the usual folders. Prints a message if it is not installed.
    pub fn find(name: &str) -> Option<Program> {
        let path = env::var_os("PATH").unwrap_or_default();
        // Daemons are often outside of an ordinary user's PATH.
        let places = env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
        let found = places.map(|place| place.join(name)).find(|file| file.is_file());
        if found.is_none() {
            println!("skipped: {name} is not installed");
        }
        found.map(Program)
    }

    /// A command that starts it.
    pub fn command(&self) -> Command {
        Command::new(&self.0)
    }
}
