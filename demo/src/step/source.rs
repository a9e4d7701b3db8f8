//! The text of the source files that a recording names.
//!
//! A recording may be untrusted, and the files that it names become part of a page that is passed on. So only regular
//! Rust source files of limited size are read, and only below a directory that the user chose: with `--source`, or by
//! running this program in or above the directory that the recorded program ran in. `cap-std` resolves paths inside
//! that directory, so neither `..` nor a symbolic link leads out of it.

use super::printable::printable;
use super::programs::Program;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use clap::ValueEnum;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

/// The largest file that is read, in bytes. A larger one is probably generated.
const FILE: u64 = 2 << 20;
/// Maximum size of all files that are read, in bytes.
const ALL: u64 = 64 << 20;

/// Finds source files: in the directory that was passed with `--source`, in the directory that the program ran in if it
/// is the current directory or below it, and in the workspace that this program was built in. The sources of the
/// built-in programs are always found.
#[derive(Debug)]
pub struct Sources {
    asked: Option<Root>,
    recorded: Option<Root>,
    built: Option<Root>,
    /// The reason if the directory of the recording is not read.
    refused: Option<String>,
    read: RefCell<HashMap<String, Found>>,
    /// The number of bytes read so far.
    size: Cell<u64>,
}

/// The lines of a file, or why there are none.
type Found = Result<Rc<[String]>, Rc<str>>;

impl Sources {
    /// Searches this directory first.
    pub fn new(base: Option<PathBuf>) -> Sources {
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Root::open);
        let (recorded, refused, read, size) = Default::default();
        Sources { asked: base.as_deref().and_then(Root::open), recorded, built, refused, read, size }
    }

    /// Then searches the directory that the recorded program ran in, if it is the current directory or below it.
    #[must_use]
    pub fn recorded_in(mut self, directory: &str) -> Sources {
        let shown = printable(directory);
        let root = Path::new(directory).is_absolute().then(|| Root::open(Path::new(directory))).flatten();
        let current = env::current_dir().and_then(|current| current.canonicalize());
        match (root, current) {
            // `/` does not count: everything is below it.
            (Some(root), Ok(current)) if root.path.starts_with(&current) && root.path.parent().is_some() => {
                self.recorded = Some(root);
            }
            (Some(_), _) => {
                let why = format!(
                    "the program ran in {shown}, which is not below the current directory; pass --source {shown} to read it"
                );
                self.refused = Some(why);
            }
            (None, _) if directory.is_empty() => {}
            (None, _) => {
                self.refused = Some(format!(
                    "the program ran in {shown}, which does not exist here; pass --source DIR to say where it is"
                ))
            }
        }
        self
    }

    /// The lines of a file, if it was found.
    pub fn lines(&self, file: &str) -> Option<Rc<[String]>> {
        self.found(file).ok()
    }

    /// The lines of a file, if it is in the directory that was passed with `--source`.
    pub(super) fn chosen(&self, file: &str) -> Option<Rc<[String]>> {
        let is_there = self.asked.as_ref()?.dir.is_file(file);
        is_there.then(|| self.lines(file)).flatten()
    }

    /// The reason if a file was not found or not read.
    pub fn why_not(&self, file: &str) -> Option<Rc<str>> {
        self.found(file).err()
    }

    fn found(&self, file: &str) -> Found {
        if let Some(read) = self.read.borrow().get(file) {
            return read.clone();
        }
        let lines = |text: String| text.lines().map(|line| line.replace('\t', "    ")).collect();
        let found = self.text(file).map(lines).map_err(Rc::from);
        self.read.borrow_mut().insert(file.to_owned(), found.clone());
        found
    }

    fn text(&self, file: &str) -> Result<String, String> {
        let own = || Program::value_variants().iter().map(|program| program.source());
        if !is_source(Path::new(file)) {
            return Err("it is not a Rust source file".into());
        }
        let mut why = None;
        for root in [&self.asked, &self.recorded, &self.built].into_iter().flatten() {
            match root.read(Path::new(file), ALL.saturating_sub(self.size.get()).min(FILE)) {
                Ok(text) => {
                    self.size.set(self.size.get() + text.len() as u64);
                    return Ok(text);
                }
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
                Err(error) => why = why.or(Some(error.to_string())),
            }
        }
        if let Some((_, text)) = own().find(|(name, _)| *name == file) {
            return Ok(text.to_owned());
        }
        let not_found = || "it was not found; pass --source DIR to say where it is".to_owned();
        Err(why.or_else(|| self.refused.clone()).unwrap_or_else(not_found))
    }
}

fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// A directory whose source files may be read.
#[derive(Debug)]
struct Root {
    path: PathBuf,
    dir: Dir,
}

impl Root {
    fn open(path: &Path) -> Option<Root> {
        let path = path.canonicalize().ok()?;
        let dir = Dir::open_ambient_dir(&path, ambient_authority()).ok()?;
        Some(Root { path, dir })
    }

    /// Reads a file whose path is relative to this directory, or to one above it such as the top of a workspace.
    fn read(&self, file: &Path, limit: u64) -> io::Result<String> {
        let mut error = io::Error::from(ErrorKind::NotFound);
        for inside in self.names(file) {
            match self.read_inside(&inside, limit) {
                Err(other) if other.kind() == ErrorKind::NotFound => {}
                Err(other) => error = other,
                read => return read,
            }
        }
        Err(error)
    }

    /// The paths that a file may have below this directory.
    fn names(&self, file: &Path) -> Vec<PathBuf> {
        if file.is_absolute() {
            return file.strip_prefix(&self.path).map(Path::to_owned).into_iter().collect();
        }
        let own: Vec<OsString> = self.path.iter().skip(1).map(OsString::from).collect();
        let without =
            |first: usize| file.strip_prefix(own[first..].iter().collect::<PathBuf>()).ok().map(Path::to_owned);
        [file.to_owned()].into_iter().chain((0..own.len()).filter_map(without)).collect()
    }

    fn read_inside(&self, file: &Path, limit: u64) -> io::Result<String> {
        let refused = |what: String| io::Error::new(ErrorKind::InvalidInput, what);
        if file.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(refused("its path leads out of the directory".into()));
        }
        // A link inside the directory is followed, but only to a source file.
        let file = self.dir.canonicalize(file)?;
        if !is_source(&file) || !self.dir.metadata(&file)?.is_file() {
            return Err(refused("it is not a Rust source file".into()));
        }
        let mut options = OpenOptions::new();
        // If the file has been replaced with a pipe, this open does not wait for a writer.
        let opened =
            self.dir.open_with(&file, options.read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32))?;
        if !opened.metadata()?.is_file() {
            return Err(refused("it is not a Rust source file".into()));
        }
        let mut text = String::new();
        opened.take(limit + 1).read_to_string(&mut text)?;
        match text.len() as u64 > limit {
            true => Err(refused(format!("it is larger than {limit} bytes"))),
            false => Ok(text),
        }
    }
}
