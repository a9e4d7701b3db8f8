//! The tree that a student works in: the runtime's crates with the holes of one lab, a git repository of its own, and
//! the script `lab`.
//!
//! The tree has the same packages as the clone, so it needs no other downloads and the same `Cargo.lock` fits. A file is
//! written only if its text changes, so cargo rebuilds only what has changed.

use super::build::cargo;
use super::course::{Course, Edits, LABS, Lab, read, write};
use super::error::LabError;
use super::state::State;
use ring::digest::{Context, SHA256};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, io};

/// The parts of the clone that a tree has.
const PARTS: [&str; 8] =
    ["Cargo.toml", "Cargo.lock", "rustfmt.toml", "LICENSE-MIT", "LICENSE-APACHE", "reactor", "executor", "demo"];
/// The parts of the package `tests`. The integration tests of the project are left out.
const PARTS_OF_TESTS: [&str; 6] =
    ["tests/Cargo.toml", "tests/src", "tests/benches", "tests/models", "tests/fuzz/Cargo.toml", "tests/fuzz/src"];

/// Writes the tree of a lab, or changes an existing one to it. `edits` are the files that differ from ours.
///
/// # Errors
/// If a file can't be read or written.
pub(crate) fn write_tree(course: &Course, lab: &Lab, to: &Path, edits: &Edits) -> Result<(), LabError> {
    let parts = PARTS.into_iter().chain(PARTS_OF_TESTS).map(PathBuf::from);
    let mut files = Vec::new();
    for part in parts.chain([PathBuf::from(lab.path())]) {
        list(&course.root, &part, &mut files).map_err(|source| LabError::Unreadable { path: part, source })?;
    }
    remove_other_labs(&to.join(LABS), &lab.folder)?;
    for file in &files {
        let name = file.to_str().unwrap_or_default();
        let text = match edits.get(name) {
            Some(edited) => edited.clone().into_bytes(),
            None => {
                let path = course.root.join(file);
                fs::read(&path).map_err(|source| LabError::Unreadable { path, source })?
            }
        };
        let text = if name == "Cargo.toml" { without_warnings(text) } else { text };
        write_if_changed(&to.join(file), &text)?;
    }
    remove_other_sources(to, &files)?;
    let chapter = read(&course.root.join(lab.path()).join("README.md"))?;
    write_if_changed(&to.join("README.md"), chapter.as_bytes())?;
    write_if_changed(&to.join(".gitignore"), b"/target\n/.lab\n/download\n")?;
    let script = to.join("lab");
    write_if_changed(&script, script_text(&course.root)?.as_bytes())?;
    fs::set_permissions(&script, Permissions::from_mode(0o755))
        .map_err(|source| LabError::Unwritable { path: script, source })
}

/// A starter has parameters, imports and functions that nothing uses yet.
fn without_warnings(manifest: Vec<u8>) -> Vec<u8> {
    const LINTS: &str = "[workspace.lints.rust]\n";
    let text = String::from_utf8_lossy(&manifest).replacen(
        LINTS,
        &format!("{LINTS}# A starter has parameters, imports and functions that nothing uses yet.\nunused = {{ level = \"allow\", priority = -2 }}\n"),
        1,
    );
    text.into_bytes()
}

fn script_text(root: &Path) -> Result<String, LabError> {
    let program = env::current_exe().map_err(LabError::program("demo"))?;
    let [program, root] = [&*program, root].map(quoted);
    Ok(format!(
        "#!/bin/sh\n\
         # Runs `demo lab` in this tree: ./lab check, ./lab show, ./lab hint, ./lab beside, ./lab next\n\
         CDPATH= cd -- \"$(dirname -- \"$0\")\" || exit 1\n\
         program={program}\n\
         clone={root}\n\
         if [ ! -x \"$program\" ]; then\n    \
             echo \"lab: $program does not exist; run 'cargo build --release' in $clone\" >&2\n    \
             echo \"if the clone has moved, run here: cargo run --release --manifest-path CLONE/Cargo.toml -- lab update\" >&2\n    \
             exit 1\n\
         fi\n\
         exec \"$program\" lab \"$@\"\n"
    ))
}

/// A path for a shell.
pub(crate) fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

fn list(root: &Path, part: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let path = root.join(part);
    if !path.is_dir() {
        if path.exists() {
            files.push(part.into());
        }
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        let inside = part.join(&name);
        match name == "target" || name == "lab.toml" || inside == Path::new(LABS) {
            true => {}
            // What a link leads to may be outside of the tree, and is not removed with the link.
            false if entry.file_type()?.is_symlink() => files.push(inside),
            false => list(root, &inside, files)?,
        }
    }
    Ok(())
}

fn write_if_changed(path: &Path, text: &[u8]) -> Result<(), LabError> {
    match fs::read(path) {
        Ok(before) if before == text => Ok(()),
        _ => write(path, text),
    }
}

fn remove_other_labs(labs: &Path, keep: &str) -> Result<(), LabError> {
    for entry in fs::read_dir(labs).into_iter().flatten().flatten() {
        if entry.file_name() != OsStr::new(keep) {
            let path = entry.path();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let removed = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(|source| LabError::Unwritable { path, source })?;
        }
    }
    Ok(())
}

/// Removes the files that the clone does not have, so that a tree can follow a newer clone. Files that the student added
/// in the folder of the lab stay.
fn remove_other_sources(to: &Path, files: &[PathBuf]) -> Result<(), LabError> {
    let known: BTreeSet<&Path> = files.iter().map(|file| &**file).collect();
    let mut there = Vec::new();
    for part in ["reactor", "executor", "demo", "tests"] {
        list(to, Path::new(part), &mut there).map_err(|source| LabError::Unreadable { path: part.into(), source })?;
    }
    for file in there.iter().filter(|file| !known.contains(&***file)) {
        fs::remove_file(to.join(file)).map_err(|source| LabError::Unwritable { path: file.clone(), source })?;
    }
    Ok(())
}

/// A student's tree.
pub(crate) struct Tree {
    /// Its top.
    pub(crate) top: PathBuf,
    pub(crate) state: State,
    pub(crate) course: Course,
}

impl Tree {
    /// Opens the tree that the current directory is in. Its labs are those of `root`; or of the clone that the tree was
    /// made from; or, if that has moved, of the clone that this program was built in.
    ///
    /// # Errors
    /// If it is in none, or the clone is gone.
    pub(crate) fn open(root: Option<&Path>) -> Result<Tree, LabError> {
        let here = env::current_dir().map_err(|source| LabError::Unreadable { path: ".".into(), source })?;
        let top = here.ancestors().find(|path| State::path(path).exists()).ok_or(LabError::NoTree)?;
        let mut state = State::read(top)?;
        let course = match root {
            None if !state.root.join(LABS).is_dir() => Course::open(None)?,
            root => Course::open(Some(root.unwrap_or(&state.root)))?,
        };
        state.root.clone_from(&course.root);
        Ok(Tree { top: top.into(), state, course })
    }

    pub(crate) fn lab(&self) -> Result<&Lab, LabError> {
        self.course.lab(self.state.lab)
    }

    /// The text of a file of the tree.
    pub(crate) fn text(&self, file: &str) -> Result<String, LabError> {
        read(&self.top.join(file))
    }

    pub(crate) fn save(&self) -> Result<(), LabError> {
        self.state.write(&self.top)
    }
}

/// The parts of a tree that its tests consist of, from its top.
pub(crate) fn parts_of_tests(lab: &Lab) -> [String; 4] {
    let others = ["tests/src/kit", "tests/src/conformance", "tests/models"];
    let [kit, suites, models] = others.map(String::from);
    [format!("{}/tests", lab.path()), kit, suites, models]
}

/// A hash of the tests in a tree. It changes if a student changes them, and not if the clone does.
pub(crate) fn hash_of_tests(top: &Path, lab: &Lab) -> Result<String, LabError> {
    let mut files = Vec::new();
    for part in parts_of_tests(lab).map(PathBuf::from) {
        list(top, &part, &mut files).map_err(|source| LabError::Unreadable { path: part, source })?;
    }
    files.sort();
    let mut context = Context::new(&SHA256);
    for file in files {
        context.update(file.as_os_str().as_encoded_bytes());
        context.update(read(&top.join(&file))?.as_bytes());
    }
    Ok(context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Removes packages from `Cargo.lock` that only other labs need; otherwise the first build would change the file. If that
/// fails, the first build says why.
fn fit_lock_file(top: &Path) {
    _ = cargo(top).args(["update", "--workspace", "--offline", "--quiet"]).output();
}

/// Commits everything in the tree. If that fails, prints why and continues: the labs need no history.
pub(crate) fn commit(top: &Path, message: &str) {
    fit_lock_file(top);
    if let Err(why) = try_commit(top, message) {
        eprintln!("the tree is not committed: {why}");
    }
}

/// Commits the student's work before the tree changes. Without a repository, copies the files of the lab's functions
/// into the folder `.lab`.
///
/// # Errors
/// If the work can be neither committed nor copied. The tree must not change then.
pub(crate) fn commit_work(top: &Path, lab: &Lab, message: &str) -> Result<(), LabError> {
    let Err(why) = try_commit(top, message) else { return Ok(()) };
    if top.join(".git").exists() {
        return Err(LabError::Other(format!("your work can't be committed, so the tree stays as it is: {why}")));
    }
    let kept = top.join(".lab").join(&lab.folder);
    for file in lab.files() {
        let path = top.join(file);
        if path.exists() {
            write(&kept.join(file), read(&path)?)?;
        }
    }
    eprintln!("the tree is not committed: {why}; your functions of this lab are copied to {}", kept.display());
    Ok(())
}

fn try_commit(top: &Path, message: &str) -> Result<(), String> {
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(top).args(args).stdin(Stdio::null());
        // A program that git has started has these, and they name another repository.
        ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"].iter().for_each(|name| _ = git.env_remove(name));
        let output = git.output().map_err(|error| format!("cannot run git: {error}"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()),
        }
    };
    if !top.join(".git").exists() {
        git(&["init", "--quiet"])?;
    }
    // A person without a name in git's settings can still begin a lab.
    let has_name = git(&["config", "user.email"]).is_ok() && git(&["config", "user.name"]).is_ok();
    let name = if has_name { &[][..] } else { &["-c", "user.name=student", "-c", "user.email=student@localhost"] };
    git(&["add", "--all"])?;
    if git(&["diff", "--cached", "--quiet"]).is_ok() {
        return Ok(());
    }
    // A hook may refuse the commit, and a signature may ask for a password.
    git(&[name, &["commit", "--quiet", "--no-verify", "--no-gpg-sign", "--message", message]].concat())
}
