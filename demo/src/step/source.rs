//! The text of source files, as far as a recording is given it.
//!
//! A recording may come from a stranger, and what it names ends up on a page that is passed on. So only source files are
//! read, regular ones of some size; and only below a directory that the user has chosen: with `--source`, or by being in
//! it, or above it, where the recording says that the program ran. Paths are resolved inside of it by `cap-std`, so that
//! neither `..` nor a symbolic link leads out.

use super::Program;
use super::printable::printable;
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

/// Larger files are not read: no person has written them.
const FILE: u64 = 2 << 20;
/// So much is read in all.
const ALL: u64 = 64 << 20;

/// Finds source files: in the directory that was given, in the one that the program ran in if that is below the current
/// directory, and in the workspace that this program was built in. The built-in programs are found anywhere.
#[derive(Debug)]
pub struct Sources {
    asked: Option<Root>,
    recorded: Option<Root>,
    built: Option<Root>,
    /// Why the directory of the recording is not read, if it is not.
    refused: Option<String>,
    read: RefCell<HashMap<String, Found>>,
    /// How many bytes have been read.
    size: Cell<u64>,
}

/// The lines of a file, or why there are none.
type Found = Result<Rc<[String]>, Rc<str>>;

impl Sources {
    /// Looks in this directory first.
    pub fn new(base: Option<PathBuf>) -> Sources {
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Root::open);
        let (recorded, refused, read, size) = Default::default();
        Sources { asked: base.as_deref().and_then(Root::open), recorded, built, refused, read, size }
    }

    /// Then in the directory that the recorded program ran in, if the current directory is that or above it.
    #[must_use]
    pub fn recorded_in(mut self, directory: &str) -> Sources {
        let shown = printable(directory);
        let root = Path::new(directory).is_absolute().then(|| Root::open(Path::new(directory))).flatten();
        let present = env::current_dir().and_then(|present| present.canonicalize());
        match (root, present) {
            // Everything is below `/`.
            (Some(root), Ok(present)) if root.path.starts_with(&present) && root.path.parent().is_some() => {
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

    /// The lines of a file, if it is found.
    pub fn lines(&self, file: &str) -> Option<Rc<[String]>> {
        self.found(file).ok()
    }

    /// Why a file is left out, if it is.
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

/// A directory of which source files may be read.
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

    /// Reads a file that is called by its way from this directory, or from one above it as by the top of a workspace.
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

    /// What a file may be called from here.
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
        // A link inside of the directory is followed; what it leads to is to be a source file, too.
        let file = self.dir.canonicalize(file)?;
        if !is_source(&file) || !self.dir.metadata(&file)?.is_file() {
            return Err(refused("it is not a Rust source file".into()));
        }
        let mut options = OpenOptions::new();
        // Were it a pipe by now, this would not wait for a writer.
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
