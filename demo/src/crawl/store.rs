//! Saves bodies as files, below one directory and nowhere else.
//!
//! A body goes into a file under `.parts/` first and gets its name when it is complete, so an incomplete file never has a
//! final name. The directory is opened once, and `cap-std` resolves paths inside it: a symbolic link that leads out is an
//! error.

use super::links::{Kind, extract};
use super::names::Names;
use crate::Failure;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};
use executor::spawn_blocking;
use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use url::Url;

const PARTS: &str = ".parts";
/// Bytes that are collected before they are written.
const PIECE: usize = 256 * 1024;
/// Bytes of a page that are searched for links.
const SEARCHED: usize = 8 * 1024 * 1024;

pub struct Store {
    path: PathBuf,
    root: Arc<Dir>,
    names: RefCell<Names>,
    begun: Cell<u64>,
}

impl Store {
    /// Opens the directory, creating it if needed, and checks that it is writable.
    pub async fn open(path: &Path, names: Names) -> Result<Store, Failure> {
        let owned = path.to_owned();
        let opened = spawn_blocking(move || {
            Dir::create_ambient_dir_all(&owned, ambient_authority())?;
            let root = Dir::open_ambient_dir(&owned, ambient_authority())?;
            root.create_dir_all(PARTS)?;
            let probe = format!("{PARTS}/probe-{}", std::process::id());
            root.create(&probe)?;
            root.remove_file(&probe)?;
            io::Result::Ok(root)
        });
        let root = opened.await?.map_err(|source| Failure::Directory { path: path.to_owned(), source })?;
        Ok(Store { path: path.to_owned(), root: Arc::new(root), names: RefCell::new(names), begun: Cell::new(0) })
    }

    /// Begins a body. If it is of a kind that has links, [`complete`](Store::complete) finds them.
    pub fn begin(&self, kind: Option<Kind>) -> Body {
        let number = self.begun.replace(self.begun.get() + 1);
        let part =
            Part { root: self.root.clone(), name: format!("{PARTS}/{}-{number}", std::process::id()), file: None };
        Body { part: Some(part), kind, piece: Vec::new(), written: false, searched: Vec::new() }
    }

    /// Completes a body: saves it under the name for `url`. Returns the name and the links.
    pub async fn complete(&self, mut body: Body, url: &Url) -> io::Result<(PathBuf, Vec<Url>)> {
        let mut part = body.take_part()?;
        loop {
            let path = self.names.borrow_mut().assign(url);
            let (to, base) = (path.clone(), url.clone());
            let completed = spawn_blocking(move || {
                if !std::mem::replace(&mut body.written, true) {
                    part.write(&body.piece)?;
                }
                if let Some(conflict) = part.rename(&to)? {
                    return io::Result::Ok(Err((conflict, part, body)));
                }
                let text = if body.searched.is_empty() {
                    &body.piece
                } else {
                    body.searched.extend(&body.piece);
                    &body.searched
                };
                Ok(Ok(body.kind.map(|kind| extract(kind, text, &base)).unwrap_or_default()))
            });
            match completed.await.map_err(io::Error::from).and_then(|completed| completed) {
                Ok(Ok(links)) => return Ok((path, links)),
                Ok(Err((conflict, same_part, same_body))) => {
                    let mut names = self.names.borrow_mut();
                    names.release(&path);
                    names.avoid(&conflict.path, conflict.is_directory);
                    (part, body) = (same_part, same_body);
                }
                Err(error) => {
                    self.names.borrow_mut().release(&path);
                    return Err(error);
                }
            }
        }
    }

    /// The failure of the crawl for an error that affects all pages.
    pub fn failure(&self, source: io::Error) -> Failure {
        Failure::Directory { path: self.path.clone(), source }
    }

    /// Removes the directory for parts, if it is empty.
    pub async fn close(&self) {
        let root = self.root.clone();
        let _ = spawn_blocking(move || root.remove_dir(PARTS)).await;
    }
}

/// A body that is being received. Dropping it removes what was written.
pub struct Body {
    part: Option<Part>,
    kind: Option<Kind>,
    /// Received and not yet written. When the body is complete it is kept, to be searched.
    piece: Vec<u8>,
    /// The last piece has been written.
    written: bool,
    /// Earlier pieces, to be searched for links.
    searched: Vec<u8>,
}

impl Body {
    /// Appends some bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.piece.extend(bytes);
        if self.piece.len() < PIECE {
            return Ok(());
        }
        let mut part = self.take_part()?;
        let piece = std::mem::take(&mut self.piece);
        let written = spawn_blocking(move || {
            part.write(&piece)?;
            io::Result::Ok((part, piece))
        });
        let (part, piece) = written.await??;
        self.part = Some(part);
        if self.kind.is_some() && self.searched.len() < SEARCHED {
            self.searched.extend(&piece);
        }
        self.piece = piece;
        self.piece.clear();
        Ok(())
    }

    fn take_part(&mut self) -> io::Result<Part> {
        self.part.take().ok_or_else(|| io::Error::other("a write before this one failed"))
    }
}

/// What an earlier run left at the path of a file: a file in place of a directory, or the reverse.
struct Conflict {
    path: String,
    is_directory: bool,
}

/// A file under `.parts/`, which is removed when this is dropped before the rename. Its methods block.
struct Part {
    root: Arc<Dir>,
    name: String,
    file: Option<File>,
}

impl Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            let file = self.root.open_with(&self.name, OpenOptions::new().write(true).create_new(true))?;
            self.file = Some(file);
        }
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(bytes))
    }

    /// Gives the file its name. Returns the conflict if an earlier run left something in its way.
    fn rename(&mut self, to: &Path) -> io::Result<Option<Conflict>> {
        let conflict =
            |path: &Path, is_directory| Ok(Some(Conflict { path: path.to_string_lossy().into_owned(), is_directory }));
        let parents: Vec<&Path> = to.ancestors().skip(1).filter(|parent| *parent != Path::new("")).collect();
        for parent in parents.into_iter().rev() {
            match self.root.create_dir(parent) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Err(_) if self.root.symlink_metadata(parent)?.is_file() => return conflict(parent, false),
                _ => {}
            }
        }
        if self.root.symlink_metadata(to).is_ok_and(|there| there.is_dir()) {
            return conflict(to, true);
        }
        self.root.rename(&self.name, &self.root, to)?;
        self.file = None;
        Ok(None)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = self.root.remove_file(&self.name);
        }
    }
}
