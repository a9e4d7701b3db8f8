//! Decides which process owns the file of a recording. If several processes have the same `EXECUTOR_TRACE`, the first
//! one owns the file while it runs, and each of the others writes a file beside it. Used by `spool.rs`.
//!
//! A file belongs to the process that holds the lock on it (`flock`). The system releases the lock when the process
//! ends in any way. A recording is moved to its path by renaming. So the new file is locked before it is renamed, and
//! after locking a file this module checks that it is still the one at the path.

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, PoisonError};

/// A path that this process owns until it ends.
struct Claim {
    /// The process that owns it: a forked process inherits this list, but owns none of the paths.
    process: u32,
    asked: PathBuf,
    path: PathBuf,
    /// Holds the lock.
    file: File,
}

static CLAIMS: Mutex<Vec<Claim>> = Mutex::new(Vec::new());

/// Claims a path for this process and creates a file with these contents there. Returns the path: `asked` or, if
/// another process owns that, `asked` with this process's ID appended.
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
    Err(io::Error::other("other running processes already record to this file"))
}

/// Locks the file at this path and writes these contents to it. Returns `None` if another process owns it.
fn take(path: &Path, contents: &[u8]) -> io::Result<Option<File>> {
    // Other processes may create or remove the file at any moment. The number of attempts is limited.
    for _ in 0..100 {
        match open(path) {
            Ok(file) => match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => return Ok(None),
                // If the file system has no locks, assume that there is no other process.
                _ if is_at(&file, path) => return overwrite(file, path, contents).map(Some),
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

/// Replaces a locked file by one with these contents. Returns the file that is locked afterwards.
fn overwrite(mut locked: File, path: &Path, contents: &[u8]) -> io::Result<File> {
    let Ok((new, mut file)) = new_beside(path) else {
        // The directory does not permit a second file.
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

/// Creates a file that is complete and locked when it appears at the path. Returns `None` if there is a file by now.
fn create(path: &Path, contents: &[u8]) -> io::Result<Option<File>> {
    let (new, mut file) = new_beside(path)?;
    let linked = file.write_all(contents).and_then(|()| fs::hard_link(&new, path));
    let linked = match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
        // The file system has no hard links.
        Err(_) if !path.exists() => fs::rename(&new, path).map(|()| Some(file)),
        linked => linked.map(|()| Some(file)),
    };
    let _is_gone = fs::remove_file(&new);
    linked
}

/// Creates a file beside this path, and locks it.
fn new_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}.new", process::id()));
    let new = PathBuf::from(new);
    // A file of that name was left by a killed process that had the same ID.
    let _was_none = fs::remove_file(&new);
    let file = OpenOptions::new().write(true).create_new(true).open(&new)?;
    let _without_locks = flock(&file, FlockOperation::NonBlockingLockExclusive);
    Ok((new, file))
}

/// Writes a file beside this path and then renames it to the path, so that the file there is complete at any moment. If
/// the directory does not permit a second file, overwrites the existing one. A claimed path stays claimed.
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

/// Renames a new file to the path. If the path is claimed, the claim keeps the new file's lock instead of the old
/// one's.
fn put(new: &Path, file: &File, path: &Path) -> io::Result<()> {
    let mut claims = CLAIMS.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(claim) = claims.iter_mut().find(|claim| claim.process == process::id() && claim.path == path) else {
        return fs::rename(new, path);
    };
    if path.exists() && !is_at(&claim.file, path) {
        return Err(io::Error::other("another program has replaced the file, which is left unchanged"));
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
