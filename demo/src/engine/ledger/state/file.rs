//! The file of a crawl: opens it, creates it, and writes changes into it. Its functions block, so the pool calls them.
//!
//! Changes are written in the order in which they were pushed, a batch in one transaction. So the file always holds the
//! crawl as it was at one moment.

use super::change::{Change, Queued};
use super::crawl::Crawl;
use super::error::StateError;
use super::tables::{self, Rest};
use crate::engine::ledger::Done;
use redb::{Builder, Database};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, io, mem};

/// The cache of the database. The default, 1 GiB, suits only programs that keep nothing else in memory.
const CACHE: usize = 8 * 1024 * 1024;

/// The file of a crawl.
pub struct StateFile {
    writing: Mutex<Writing>,
    pending: Mutex<Vec<Change>>,
}

struct Writing {
    database: Database,
    /// The error after which nothing more is written: later changes are useless without those that failed.
    failed: Option<StateError>,
}

impl StateFile {
    /// Opens the file of a crawl that `given` continues, or begins one if the file does not exist or is empty. Returns
    /// which crawl the file holds, and whether it is new.
    ///
    /// # Errors
    /// Fails if the file is of another kind or another crawl, if another process uses it, and if the system refuses it.
    pub fn open(path: &Path, given: &Crawl) -> Result<(StateFile, Crawl, bool), StateError> {
        match fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() => return Err(StateError::NotAState),
            Ok(metadata) if metadata.len() > 0 => {}
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(StateError::Open(error.to_string())),
            _ => return Ok((StateFile::begin(path, given)?, given.clone(), true)),
        }
        let database = builder().open(path).map_err(StateError::of_open)?;
        let crawl = tables::crawl(&database)?;
        crawl.is_continued_by(given)?;
        Ok((StateFile::new(database), crawl, false))
    }

    fn new(database: Database) -> StateFile {
        StateFile { writing: Mutex::new(Writing { database, failed: None }), pending: Mutex::default() }
    }

    /// Begins a crawl. The file gets its name when it is complete, so a killed process never leaves a file that cannot
    /// be opened.
    fn begin(path: &Path, crawl: &Crawl) -> Result<StateFile, StateError> {
        if crawl.starts.is_empty() {
            return Err(StateError::Empty);
        }
        let mut unfinished = OsString::from(path);
        unfinished.push(".new");
        let unfinished = PathBuf::from(unfinished);
        let database = create(&unfinished)?;
        // Another process may have named its file after `path` was checked and before `unfinished` was locked.
        let is_named = fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0);
        let begun = match is_named {
            true => Err(StateError::InUse),
            false => tables::begin(&database, crawl).map_err(|error| StateError::Open(error.to_string())),
        };
        let named =
            begun.and_then(|()| fs::rename(&unfinished, path).map_err(|error| StateError::Open(error.to_string())));
        if named.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        named.map(|()| StateFile::new(database))
    }

    /// Adds a change to those that the next [`write`](StateFile::write) writes. Does not block.
    pub fn push(&self, change: Change) {
        lock(&self.pending).push(change);
    }

    /// Writes all changes that were pushed, in one transaction, and waits until they are on the disk.
    ///
    /// # Errors
    /// Fails if the system refuses it. Every later call returns the same error.
    pub fn write(&self) -> Result<(), StateError> {
        let mut writing = lock(&self.writing);
        if let Some(error) = &writing.failed {
            return Err(error.clone());
        }
        // Taken under the lock of `writing`, so that no later change is written before these.
        let changes = mem::take(&mut *lock(&self.pending));
        if changes.is_empty() {
            return Ok(());
        }
        let written = tables::write(&writing.database, &changes).map_err(StateError::from);
        writing.failed = written.clone().err();
        written
    }

    /// The first pages with at least this number that are not done; none if there are no more.
    pub fn queued(&self, from: u32) -> Result<Vec<Queued>, StateError> {
        tables::queued(&lock(&self.writing).database, from)
    }

    /// The first pages with at least this number that are done; none if there are no more.
    pub fn done(&self, from: u32) -> Result<Vec<(u32, Done)>, StateError> {
        tables::done(&lock(&self.writing).database, from)
    }

    /// What is kept besides the pages.
    pub fn rest(&self) -> Result<Rest, StateError> {
        tables::rest(&lock(&self.writing).database)
    }
}

/// Creates a database that this process alone uses. A database that a killed process left is replaced.
fn create(path: &Path) -> Result<Database, StateError> {
    match builder().create(path).map_err(StateError::of_open) {
        Ok(database) if tables::crawl(&database) == Err(StateError::NotAState) => return Ok(database),
        Ok(_) | Err(StateError::NotAState | StateError::Damaged(_)) => {}
        Err(error) => return Err(error),
    }
    fs::remove_file(path).map_err(|error| StateError::Open(error.to_string()))?;
    builder().create(path).map_err(StateError::of_open)
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    // Detects a changed or truncated file when it is opened, not in the middle of a crawl.
    builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
    builder
}

/// Locks a mutex whose data stays consistent even if a thread panics while it holds the lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
