//! Which process owns the file of a recording: of the processes with the same `EXECUTOR_TRACE`, the first one owns the file
//! while it runs, and each other one writes beside it. Used by `spool.rs`.
//!
//! A file belongs to the process that holds the lock on it (`flock`), which the system releases when the process ends,
//! however that happens. A recording is put into place by renaming; so the lock is taken on the new file before that, and
//! after a file was locked it is checked to be still the one at that path.

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, PoisonError};

/// A path that this process has for itself until it ends.
struct Claim {
    /// A process that was forked has none of these.
    process: u32,
    asked: PathBuf,
    path: PathBuf,
    /// Holds the lock.
    file: File,
}

static CLAIMS: Mutex<Vec<Claim>> = Mutex::new(Vec::new());

/// The path at which this process may write: the given one, or if another process has that, with this one's number at its
/// end. A file with these contents is there then.
pub(super) fn claim(asked: &Path, contents: &[u8]) -> io::Result<PathBuf> {
    let process = process::id();
    let mut claims = CLAIMS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = claims.iter().find(|claim| claim.process == process && claim.asked == asked) {
        return Ok(known.path.clone());
    }
    let mut beside = asked.as_os_str().to_owned();
    beside.push(format!("-{process}"));
    for path in [asked, Path::new(&beside)] {
        if let Some(file) = take(path, contents)? {
            let path = path.to_owned();
            claims.push(Claim { process, asked: asked.to_owned(), path: path.clone(), file });
            return Ok(path);
        }
    }
    Err(io::Error::other("other processes that run record there"))
}

/// Locks the file at this path and gives it these contents. `None` if another process has it.
fn take(path: &Path, contents: &[u8]) -> io::Result<Option<File>> {
    // Another process may put a file there or take one away at any moment; not for ever.
    for _ in 0..100 {
        match open(path) {
            Ok(file) => match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => return Ok(None),
                // Where the file system has no locks, each process is taken to be alone.
                _ if is_at(&file, path) => return give(file, path, contents).map(Some),
                _ => {}
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(file) = create(path, contents)? {
                    return Ok(Some(file));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Gives a locked file these contents. The file that is locked then.
fn give(mut locked: File, path: &Path, contents: &[u8]) -> io::Result<File> {
    let Ok((new, mut file)) = new_beside(path) else {
        // Where no second file may be made.
        return locked.set_len(0).and_then(|()| locked.write_all(contents)).map(|()| locked);
    };
    match file.write_all(contents).and_then(|()| fs::rename(&new, path)) {
        Ok(()) => Ok(file),
        Err(error) => {
            let _is_gone = fs::remove_file(&new);
            Err(error)
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)
}

/// Makes a file that is whole, and locked, when it appears. `None` if there is one now.
fn create(path: &Path, contents: &[u8]) -> io::Result<Option<File>> {
    let (new, mut file) = new_beside(path)?;
    let linked = file.write_all(contents).and_then(|()| fs::hard_link(&new, path));
    let linked = match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        // A file system without links.
        Err(_) if !path.exists() => fs::rename(&new, path).map(|()| Some(file)),
        linked => linked.map(|()| Some(file)),
    };
    let _is_gone = fs::remove_file(&new);
    linked
}

/// Makes a file beside the one of this path, and locks it.
fn new_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}.new", process::id()));
    let new = PathBuf::from(new);
    // One that is there was left by a process of this number that was killed.
    let _was_none = fs::remove_file(&new);
    let file = OpenOptions::new().write(true).create_new(true).open(&new)?;
    let _without_locks = flock(&file, FlockOperation::NonBlockingLockExclusive);
    Ok((new, file))
}

/// Has a file written beside the one of this path and then puts it into its place: so that there is a whole one at any
/// moment. Where no second file may be made, the first one is written over. A path that was claimed stays so.
pub(super) fn replace<T>(path: &Path, write: impl FnOnce(&File) -> io::Result<T>) -> io::Result<(File, T)> {
    let Ok((new, file)) = new_beside(path) else {
        let file = OpenOptions::new().write(true).truncate(true).open(path)?;
        let written = write(&file)?;
        return Ok((file, written));
    };
    let put = write(&file).and_then(|written| put(&new, &file, path).map(|()| written));
    if put.is_err() {
        let _is_gone = fs::remove_file(&new);
    }
    put.map(|written| (file, written))
}

/// Puts a new file into place. If the path was claimed, its lock goes over to the new file.
fn put(new: &Path, file: &File, path: &Path) -> io::Result<()> {
    let mut claims = CLAIMS.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(claim) = claims.iter_mut().find(|claim| claim.process == process::id() && claim.path == path) else {
        return fs::rename(new, path);
    };
    if path.exists() && !is_at(&claim.file, path) {
        return Err(io::Error::other("another program has put a file there, which is left as it is"));
    }
    let locked = file.try_clone()?;
    fs::rename(new, path)?;
    claim.file = locked;
    Ok(())
}

/// Whether this file is the one at that path.
fn is_at(file: &File, path: &Path) -> bool {
    let same = |file: fs::Metadata, path: fs::Metadata| (file.dev(), file.ino()) == (path.dev(), path.ino());
    file.metadata().and_then(|file| Ok(same(file, path.metadata()?))).unwrap_or(false)
}
