//! Saves bodies as files, below one directory and nowhere else.
//!
//! A body goes into a part first and gets its name when it is complete, so an incomplete file never has a final name.
//! The directory is opened once, and `cap-std` resolves paths inside it: a symbolic link that leads out is an error.

use super::body::{Body, Finished};
use super::checksum::Checksum;
use super::hash::sha256_of;
use super::media::Media;
use super::names::{EXTENSIONS, Names, with_extension};
use super::part::Part;
use super::parts::{Interrupted, PARTS, Parts};
use super::saved::{SavedFiles, file_of_url, url_of_file};
use super::segmented::Segmented;
use super::tag;
use crate::Failure;
use crate::engine::links::{Found, Search};
use crate::engine::ranges::Ranges;
use crate::engine::resume::Origin;
use crate::engine::urls::server;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata};
use executor::{shield, spawn_blocking};
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use url::Url;

/// The directory that a run saves in.
pub struct Store {
    path: PathBuf,
    names: Names,
    /// Whether files get the extension of their type, so that a browser recognizes it when it reads from disk.
    extends_names: bool,
    files: Arc<Files>,
}

/// The files in the directory.
pub struct Files {
    pub parts: Arc<Parts>,
    saved: Mutex<SavedFiles>,
}

impl Files {
    /// The list of saved files.
    pub fn saved(&self) -> MutexGuard<'_, SavedFiles> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the links of a file are converted, so that they are relative to the file. Blocks.
    pub fn is_converted(&self, path: &str) -> io::Result<bool> {
        let digests = self.saved().digests(path);
        Ok(!digests.is_empty() && digests.contains(&sha256_of(self.parts.root.open(path)?)?))
    }

    /// The first of these paths with a file. Blocks.
    fn first_of(&self, paths: Vec<String>) -> Option<(String, Metadata)> {
        paths.into_iter().find_map(|path| {
            let there = self.parts.root.symlink_metadata(&path).ok().filter(Metadata::is_file)?;
            Some((path, there))
        })
    }

    /// The links of a saved file. Blocks.
    fn links(&self, path: &str, url: &Url, media: Media, search: Search) -> io::Result<Found> {
        let known = self.saved().get(path).cloned();
        let media = match (&known, &media.content_type) {
            (Some(known), None) => known.media.clone(),
            _ => media,
        };
        let file = self.parts.root.open(path)?;
        let Some(known) = known.filter(|_| matches!(self.is_converted(path), Ok(true))) else {
            return media.search_saved(search, file, url, url);
        };
        let mut found = media.search_saved(search, file, url, &url_of_file(path))?;
        let saved = self.saved();
        // The same server may have another port now.
        let moved = Url::parse(&known.url).ok().filter(|old| server(old) != server(url)).map(|old| server(&old));
        let meant = |link: &Url| {
            let meant = match file_of_url(link) {
                Some(path) => Url::parse(&saved.get(&path)?.url).ok()?,
                None => link.clone(),
            };
            let has_moved = moved.as_ref().is_some_and(|moved| *moved == server(&meant));
            Some(if has_moved { moved_to(&meant, url) } else { meant })
        };
        found.canonical = found.canonical.and_then(|url| meant(&url));
        found.links.retain_mut(|link| {
            let meant = meant(&link.url);
            let is_known = meant.is_some();
            link.url = meant.unwrap_or_else(|| link.url.clone());
            is_known
        });
        Ok(found)
    }
}

/// The same page on the server of another URL.
fn moved_to(page: &Url, url: &Url) -> Url {
    let mut to = page.clone();
    let _both_are_web_pages = to.set_scheme(url.scheme());
    let _both_have_hosts = to.set_host(url.host_str());
    let _both_have_hosts = to.set_port(url.port());
    to
}

/// What is known of a body when it is complete.
#[derive(Clone, Debug, Default)]
pub struct Completed {
    /// What the response says about it.
    pub media: Media,
    /// The number of bytes that it must have.
    pub length: Option<u64>,
    /// The checksum that it must have.
    pub checksum: Option<Checksum>,
    /// When it was last changed.
    pub modified: Option<SystemTime>,
    /// Its ETag.
    pub tag: Option<String>,
    /// What to search it for.
    pub search: Search,
    /// Whether it is saved, rather than removed after the search.
    pub is_kept: bool,
}

/// A file that an earlier run saved.
#[derive(Clone, Debug)]
pub struct Saved {
    /// When it was last changed.
    pub modified: SystemTime,
    /// Its size in bytes.
    pub length: u64,
    /// Its ETag, if that was kept.
    pub tag: Option<String>,
}

/// Why a complete body is not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// The system's error.
    #[error("cannot save it: {0}")]
    Io(#[from] io::Error),
    /// It has too few bytes. It can be resumed.
    #[error("the response is incomplete: it has {0} of {1} bytes")]
    Incomplete(u64, u64),
    /// It has another checksum.
    #[error("its checksum is {actual}, not {expected}: nothing was saved")]
    Checksum {
        /// As given.
        expected: Checksum,
        /// As received.
        actual: Checksum,
    },
}

/// The URL by which a part is found again. It has no login, because it is written to the disk.
pub fn identity(url: &Url) -> String {
    let mut url = url.clone();
    let _without_a_host = url.set_username("").and_then(|()| url.set_password(None));
    url.into()
}

impl Store {
    /// Opens the directory, creating it if needed, and checks that it is writable. Removes what earlier runs left
    /// unfinished, except what can be resumed; with `resume` this run resumes it. With `extends_names`, files get the
    /// extension of their type if they lack it.
    pub async fn open(path: &Path, mut names: Names, resume: bool, extends_names: bool) -> Result<Store, Failure> {
        let owned = path.to_owned();
        let opened = spawn_blocking(move || {
            Dir::create_ambient_dir_all(&owned, ambient_authority())?;
            let root = Arc::new(Dir::open_ambient_dir(&owned, ambient_authority())?);
            let parts = Arc::new(Parts::open(root.clone(), resume)?);
            let saved = Mutex::new(SavedFiles::read(&root)?);
            let folds_case = root.symlink_metadata(PARTS.to_uppercase()).is_ok();
            io::Result::Ok((Files { parts, saved }, folds_case))
        });
        let opened = opened.await?.map_err(|source| Failure::Directory { path: path.to_owned(), source });
        let (files, folds_case) = opened?;
        names.folds_case = folds_case;
        Ok(Store { path: path.to_owned(), names, extends_names, files: Arc::new(files) })
    }

    /// The files in the directory.
    pub fn files(&self) -> Arc<Files> {
        self.files.clone()
    }

    /// Begins a body. With an origin, it can be resumed.
    pub fn begin(&self, url: &Url, origin: Option<Origin>) -> Body {
        Body::new(Part::new(self.files.parts.clone(), &identity(url), origin))
    }

    /// An interrupted body of this URL, to be resumed.
    pub fn interrupted(&self, url: &Url) -> Option<Interrupted> {
        self.files.parts.interrupted(&identity(url))
    }

    /// Continues an interrupted body.
    pub async fn resume(&self, origin: Origin) -> io::Result<Body> {
        let parts = self.files.parts.clone();
        let part = shield(spawn_blocking(move || Part::resume(parts, origin))).await??;
        Ok(Body::resumed(part))
    }

    /// Continues an interrupted body in segments. Without `received`, begins a new one.
    pub async fn segmented(&self, origin: Origin, received: Option<Ranges>) -> io::Result<Segmented> {
        let (parts, is_new) = (self.files.parts.clone(), received.is_none());
        let (part, file) = shield(spawn_blocking(move || Part::in_segments(parts, origin, is_new))).await??;
        Ok(Segmented::new(part, file, received.unwrap_or_default()))
    }

    /// Removes an interrupted body.
    pub async fn forget(&self, url: &Url) -> io::Result<()> {
        let (parts, name) = (self.files.parts.clone(), Parts::name_of(&identity(url)));
        Ok(shield(spawn_blocking(move || parts.remove(&name))).await?)
    }

    /// Completes the body of `url`: saves it under the name for `named`. Returns the name and the links.
    ///
    /// # Errors
    /// Fails if the body is not what was expected, or can't be saved. In that case, what can be resumed is kept.
    pub async fn complete(
        &self,
        body: Body,
        url: &Url,
        named: &Url,
        completed: Completed,
    ) -> Result<(PathBuf, Found), SaveError> {
        let (path, base, extends_names) = (self.names.path(named), url.clone(), self.extends_names);
        let saved = shield(spawn_blocking(move || {
            let Finished { mut part, whole } = body.finish()?;
            check(&mut part, &completed)?;
            let mut content: Box<dyn Read> = match whole {
                None => Box::new(part.read()?),
                Some(whole) => Box::new(Cursor::new(whole)),
            };
            let head = Media::head(&mut content)?;
            let kind = completed.media.kind(&base, &head);
            let to = match completed.media.missing_extension(kind, &path.to_string_lossy()).filter(|_| extends_names) {
                Some(extension) => with_extension(&path.to_string_lossy(), extension).into(),
                None => path,
            };
            if let Some(tag) = completed.tag.as_deref().filter(|_| completed.is_kept) {
                part.keep_tag(tag);
            }
            match completed.is_kept {
                true => part.complete(&to, completed.modified)?,
                false => part.reject(),
            }
            Ok((to, completed.media.search_from(completed.search, kind, &head, content, &base)?))
        }));
        saved.await.map_err(io::Error::from).map_err(SaveError::Io).and_then(|saved| saved)
    }

    /// The possible paths of the file of a URL, the most likely first.
    fn paths(&self, url: &Url) -> Vec<String> {
        let path = self.names.path(url).to_string_lossy().into_owned(); // names are UTF-8
        let extended = EXTENSIONS.map(|extension| with_extension(&path, extension));
        match self.extends_names {
            true => extended.into_iter().chain([path]).collect(),
            false => std::iter::once(path).chain(extended).collect(),
        }
    }

    /// The path of the file for a URL, relative to the directory.
    pub fn path(&self, url: &Url) -> PathBuf {
        self.names.path(url)
    }

    /// The last part of that path.
    pub fn name(&self, url: &Url) -> String {
        let path = self.path(url);
        path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The file of a URL, if there is one. With a checksum, only if the file has it.
    pub async fn saved(&self, url: &Url, checksum: Option<Checksum>) -> Option<Saved> {
        let (files, paths) = (self.files.clone(), self.paths(url));
        let found = spawn_blocking(move || {
            let (path, metadata) = files.first_of(paths)?;
            let file = files.parts.root.open(path).ok()?;
            let has_it = |sum: &Checksum| sum.of_same_kind(&file).is_ok_and(|actual| actual == *sum);
            let modified = metadata.modified().ok()?.into_std();
            checksum.is_none_or(|sum| has_it(&sum)).then(|| Saved {
                modified,
                length: metadata.len(),
                tag: tag::of(&file),
            })
        });
        found.await.ok()?
    }

    /// The links in the file of a URL, and its name.
    pub async fn links_on_disk(
        &self,
        url: &Url,
        named: &Url,
        media: Media,
        search: Search,
    ) -> io::Result<(PathBuf, Found)> {
        let (files, paths, base) = (self.files.clone(), self.paths(named), url.clone());
        let found = spawn_blocking(move || {
            let (path, _) = files.first_of(paths).ok_or(io::ErrorKind::NotFound)?;
            let found = files.links(&path, &base, media, search)?;
            Ok((path.into(), found))
        });
        found.await?
    }

    /// The failure of the crawl for an error that affects all pages.
    pub fn failure(&self, source: io::Error) -> Failure {
        Failure::Directory { path: self.path.clone(), source }
    }

    /// Removes the directory for parts, unless it has some that can be resumed. Returns their number.
    pub async fn close(&self) -> usize {
        let parts = self.files.parts.clone();
        let closed = spawn_blocking(move || {
            parts.close();
            parts.count()
        });
        closed.await.unwrap_or(0)
    }
}

/// Checks a part before it gets its name. Blocks.
fn check(part: &mut Part, completed: &Completed) -> Result<(), SaveError> {
    if let Some(expected) = completed.length {
        let length = part.length()?;
        if length < expected {
            return Err(SaveError::Incomplete(length, expected));
        }
        if length > expected {
            part.reject();
            return Err(SaveError::Io(io::Error::other(format!(
                "it has {length} bytes, more than the {expected} announced"
            ))));
        }
    }
    if let Some(expected) = &completed.checksum {
        let actual = expected.of_same_kind(part.read()?)?;
        if actual != *expected {
            part.reject();
            return Err(SaveError::Checksum { expected: expected.clone(), actual });
        }
    }
    Ok(())
}
