//! A directory for files that are not kept: those that `download` prints, and what `check` searches.

use crate::Failure;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// A directory of this process. Dropping this removes the directory and its contents.
pub struct Temporary(PathBuf);

impl Temporary {
    /// Creates it.
    ///
    /// # Errors
    /// Fails if the system's directory for temporary files is not writable.
    pub fn new() -> Result<Temporary, Failure> {
        let name = format!("demo-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let path = env::temp_dir().join(name);
        let created = fs::DirBuilder::new().mode(0o700).create(&path);
        match created {
            Ok(()) => Ok(Temporary(path)),
            Err(source) => Err(Failure::Temporary { path, source }),
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
