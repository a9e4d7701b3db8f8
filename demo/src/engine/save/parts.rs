//! The directory `.parts`: incomplete files of this run, and those that earlier runs left.
//!
//! Each run has its own directory there, with a random name and a file `lock` that it keeps locked until it ends, even
//! by SIGKILL. So two runs in one folder never touch each other's parts, and a directory whose lock is free is a
//! leftover. A run takes resumable parts from leftovers, and removes the rest.
//!
//! A part is named by a hash of its URL, so that a later run finds it. Beside it, `NAME.json` says what it is a part
//! of and, if it is not simply the beginning of the body, which bytes it has. A part without this file can't be resumed.

use super::hash::sha256;
use crate::engine::ranges::Ranges;
use crate::engine::resume::Origin;
use cap_std::fs::{Dir, File, OpenOptions};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) const PARTS: &str = ".parts";
const LOCK: &str = "lock";

/// The parts of this run. Its methods block.
pub struct Parts {
    /// The output directory.
    pub root: Arc<Dir>,
    /// This run's directory in `.parts`. It is kept open, so that removing a part takes no file descriptor.
    pub directory: Dir,
    /// Its name.
    name: String,
    /// Locked until this is dropped, and by the system at the end of the process.
    _lock: File,
    /// What is on the disk and may be resumed, by name.
    interrupted: Mutex<HashMap<String, Interrupted>>,
}

/// A part of a body that was interrupted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupted {
    pub origin: Origin,
    /// The bytes that were received.
    pub received: Ranges,
    /// Whether they were received in segments. If not, they are the beginning.
    pub in_segments: bool,
    /// Whether an earlier run left it and this run must not resume it.
    is_of_earlier_run: bool,
}

/// What is written beside a part.
#[derive(Serialize, Deserialize)]
struct Description {
    #[serde(flatten)]
    origin: Origin,
    /// The bytes that are known to be in the file, if they were received in segments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ranges: Option<Ranges>,
}

impl Parts {
    /// Makes a directory for this run, and removes what earlier runs left, except what can be resumed. With `resume`,
    /// this run resumes it.
    ///
    /// # Errors
    /// Fails if the directory can't be made, for example because `.parts` is a file or a symbolic link.
    pub fn open(root: Arc<Dir>, resume: bool) -> io::Result<Parts> {
        let (name, directory, lock) = loop {
            make_directory(&root, PARTS)?;
            let name = format!("{:016x}", fastrand::u64(..));
            if let Some((directory, lock)) = own_directory(&root, &name)? {
                break (name, directory, lock);
            }
        };
        let parts = Parts { root, directory, name, _lock: lock, interrupted: Mutex::default() };
        for entry in parts.root.read_dir(PARTS)? {
            let entry = entry?;
            let Ok(left) = entry.file_name().into_string() else { continue };
            if left != parts.name && entry.file_type()?.is_dir() {
                let _kept_for_another_run = parts.adopt(&format!("{PARTS}/{left}"), resume);
            } else if left != parts.name {
                let _kept = entry.remove_file();
            }
        }
        Ok(parts)
    }

    /// Moves what can be resumed from a directory that no run holds, and removes the directory.
    fn adopt(&self, left: &str, resume: bool) -> io::Result<()> {
        let directory = self.root.open_dir(left)?;
        let lock = match directory.open_with(LOCK, OpenOptions::new().write(true)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return self.root.remove_dir(left), // if it is empty
            lock => lock?,
        };
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        let names: Vec<_> =
            directory.entries()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        for name in names.iter().filter_map(|name| name.strip_suffix(".json")) {
            let Some(part) = resumable(&directory, name) else { continue };
            let known = self.lock().get(name).map_or(0, |known| known.received.count());
            if known < part.received.count() {
                directory.rename(description_of(name), &self.directory, description_of(name))?;
                directory.rename(name, &self.directory, name)?;
                self.lock().insert(name.to_owned(), Interrupted { is_of_earlier_run: !resume, ..part });
            }
        }
        for name in names.iter().filter(|name| *name != LOCK) {
            let _moved = directory.remove_file(name);
        }
        directory.remove_file(LOCK)?;
        self.root.remove_dir(left)
    }

    /// The name of the part of a URL.
    pub fn name_of(url: &str) -> String {
        sha256(url.as_bytes())[..32].to_owned()
    }

    /// The part of a URL that this run may resume.
    pub fn interrupted(&self, url: &str) -> Option<Interrupted> {
        let parts = self.lock();
        if parts.is_empty() {
            return None; // saves computing the hash
        }
        parts.get(&Parts::name_of(url)).filter(|part| !part.is_of_earlier_run && part.origin.url == url).cloned()
    }

    /// The number of parts that a later run can resume.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Creates the file of a part. An earlier part of the same URL is removed. If another body of that URL is being
    /// received, the part gets another name.
    pub fn create(&self, name: &mut String) -> io::Result<File> {
        self.remove(name);
        let new = || OpenOptions::new().write(true).create_new(true).clone();
        match self.directory.open_with(&*name, &new()) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                *name = format!("{name}-{:016x}", fastrand::u64(..));
                self.directory.open_with(&*name, &new())
            }
            created => created,
        }
    }

    /// Takes a part to resume it, and opens its file.
    pub fn take(&self, name: &str) -> io::Result<(File, Interrupted)> {
        // If it is missing, another page took it. If the file can't be opened, it can be taken later.
        let file = self.directory.open_with(name, OpenOptions::new().read(true).write(true))?;
        let part = self.lock().remove(name).ok_or(ErrorKind::NotFound)?;
        Ok((file, part))
    }

    /// Writes the origin of a part. From now on a later run can resume it. With `ranges`, that run relies only on these
    /// bytes; they must be in the file already.
    pub fn describe(&self, name: &str, origin: &Origin, ranges: Option<&Ranges>) -> io::Result<()> {
        let description = Description { origin: origin.clone(), ranges: ranges.cloned() };
        // The rename replaces an earlier description at once, so a killed process never leaves half a description.
        let new = description_of(&format!("{name}.new"));
        let described = self
            .directory
            .write(&new, serde_json::to_vec(&description)?)
            .and_then(|()| self.directory.rename(&new, &self.directory, description_of(name)));
        described.inspect_err(|_| {
            let _half_written = self.directory.remove_file(&new);
        })
    }

    /// Whether a part is described.
    pub fn is_described(&self, name: &str) -> bool {
        self.directory.symlink_metadata(description_of(name)).is_ok()
    }

    /// Keeps a described part for a later attempt or run.
    pub fn keep(&self, name: &str, origin: Origin, received: Ranges, in_segments: bool) {
        let part = Interrupted { origin, received, in_segments, is_of_earlier_run: false };
        self.lock().insert(name.to_owned(), part);
    }

    /// Removes an interrupted part.
    pub fn remove(&self, name: &str) {
        if self.lock().remove(name).is_some() {
            let _of_no_use = self.directory.remove_file(description_of(name));
            let _of_no_use = self.directory.remove_file(name);
        }
    }

    /// Removes the description of a part.
    pub fn forget_origin(&self, name: &str) {
        let _none_written = self.directory.remove_file(description_of(name));
    }

    /// Removes the directories, unless parts are kept in them.
    pub fn close(&self) {
        // Without its lock, a later run would not look into the directory.
        let is_left = |entry: io::Result<cap_std::fs::DirEntry>| entry.is_ok_and(|entry| entry.file_name() != LOCK);
        if self.count() > 0 || self.directory.entries().is_ok_and(|mut entries| entries.any(is_left)) {
            return;
        }
        let _left_for_the_next_run = self
            .directory
            .remove_file(LOCK)
            .and_then(|()| self.root.remove_dir(Path::new(PARTS).join(&self.name)))
            .and_then(|()| self.root.remove_dir(PARTS));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Interrupted>> {
        self.interrupted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a directory, unless there is one. A symbolic link does not count as one.
fn make_directory(root: &Dir, path: &str) -> io::Result<()> {
    match root.create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => match root.symlink_metadata(path)?.is_dir() {
            true => Ok(()),
            false => {
                let why = format!("`{path}` exists and is not a directory; remove or rename it");
                Err(io::Error::new(ErrorKind::NotADirectory, why))
            }
        },
        made => made,
    }
}

/// Makes the directory of a run, and locks it. `None` if another run removed it before it was locked.
fn own_directory(root: &Dir, name: &str) -> io::Result<Option<(Dir, File)>> {
    let made = || {
        let path = Path::new(PARTS).join(name);
        root.create_dir(&path)?;
        let directory = root.open_dir(&path)?;
        let lock = directory.create(LOCK)?;
        // Some network file systems have no locks. There, leftovers are never removed.
        if let Err(rustix::io::Errno::WOULDBLOCK) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            return Err(ErrorKind::NotFound.into());
        }
        directory.symlink_metadata(LOCK)?;
        io::Result::Ok((directory, lock))
    };
    match made() {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists) => Ok(None),
        made => made.map(Some),
    }
}

/// The part of this name, if it can be resumed.
fn resumable(directory: &Dir, name: &str) -> Option<Interrupted> {
    let description = directory.read(description_of(name)).ok()?;
    let Description { origin, ranges } = serde_json::from_slice(&description).ok()?;
    let metadata = directory.symlink_metadata(name).ok()?;
    let (in_segments, received) = (ranges.is_some(), ranges.unwrap_or_else(|| Ranges::from(0..metadata.len())));
    // The file is untrusted.
    let has_them = origin.can_be_sent() && received.count() > 0 && received.end() <= metadata.len();
    let is_whole = metadata.is_file() && has_them && Parts::name_of(&origin.url) == name;
    is_whole.then_some(Interrupted { origin, received, in_segments, is_of_earlier_run: false })
}

fn description_of(name: &str) -> String {
    format!("{name}.json")
}
