//! Serves the files of a directory, and nothing outside it. Used by `demo serve DIR`.
//!
//! The directory is opened once, and `cap-std` resolves every path inside it: `..`, absolute paths and symbolic links
//! that lead out are errors. No path is checked by comparing strings.
//!
//! A name may belong to something other than a file, and may be replaced at any moment. So every open is non-blocking,
//! and the type is checked again after the open.

use super::conditional::{Selected, Version};
use crate::Failure;
use crate::engine::urls::normalize;
use crate::engine::{EXTENSIONS, below_server, with_extension};
use crate::http::is_out_of_descriptors;
use crate::http::server::{Answer, Body, Handler, LocalFuture, PieceByPiece, Request};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt};
use executor::spawn_blocking;
use executor::sync::{OwnedPermit, Semaphore};
use http::{HeaderMap, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, percent_encode, utf8_percent_encode};
use rustix::buffer::spare_capacity;
use rustix::fs::OFlags;
use rustix::io::{pread, retry_on_intr};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;
use url::Url;

/// The type of pages without an extension.
const HTML: &str = "text/html; charset=utf-8";
/// The largest file, in bytes, that is read whole when it is opened.
const WHOLE: u64 = 16 * 1024;
/// Bytes of a larger file that are read at once.
const PIECE: usize = 256 * 1024;
/// The most pieces in memory at once. No piece waits for a client, so more would not make sending faster.
const PIECES: usize = 16;
/// Characters that a request's path may contain and a URL may not.
const NOT_IN_A_URL: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

/// A directory to serve.
pub struct Files {
    root: Arc<Dir>,
    pieces: Arc<Semaphore>,
}

impl Files {
    /// Opens the directory.
    ///
    /// # Errors
    /// Fails if it can't be opened.
    pub fn open(root: &Path) -> Result<Files, Failure> {
        let opened = Dir::open_ambient_dir(root, ambient_authority());
        let root = opened.map_err(|source| Failure::Root { path: root.to_owned(), source })?;
        Ok(Files { root: Arc::new(root), pieces: Arc::new(Semaphore::new(PIECES)) })
    }

    /// The answer with a file, with a part of it, or without it, as the request's fields ask.
    fn send(&self, file: Opened, headers: &HeaderMap) -> Answer {
        let Opened { content_type, version, length, content } = file;
        let selected = version.select(headers, length);
        let answer = match selected {
            Selected::Whole => Answer::new(StatusCode::OK, &content_type, self.body(content, 0..length)),
            Selected::Part(range) => {
                let range_of_all = format!("bytes {}-{}/{length}", range.start, range.end - 1);
                Answer::new(StatusCode::PARTIAL_CONTENT, &content_type, self.body(content, range))
                    .with("content-range", range_of_all)
            }
            Selected::NotModified => Answer::empty(StatusCode::NOT_MODIFIED),
            Selected::PreconditionFailed => return Answer::plain(StatusCode::PRECONDITION_FAILED),
            Selected::NotSatisfiable => {
                return Answer::plain(StatusCode::RANGE_NOT_SATISFIABLE)
                    .with("content-range", format!("bytes */{length}"));
            }
        };
        answer
            .with("accept-ranges", "bytes")
            .with("etag", version.tag)
            .with("last-modified", httpdate::fmt_http_date(version.modified))
    }

    /// These bytes of a file.
    fn body(&self, content: Content, range: Range<u64>) -> Body {
        match content {
            Content::Read(mut bytes) => {
                bytes.truncate(range.end as usize);
                bytes.drain(..range.start as usize);
                Body::Whole(bytes)
            }
            Content::File(file) => {
                let (position, pieces) = (range.start, self.pieces.clone());
                let pieces = FilePieces { file: Arc::new(file), position, pieces };
                Body::Stream(range.end - range.start, Box::new(pieces))
            }
        }
    }
}

impl Handler for Files {
    fn answer(&self, request: Request) -> LocalFuture<'_, Answer> {
        let root = self.root.clone();
        Box::pin(async move {
            let Request { target, headers, .. } = request;
            let found = spawn_blocking(move || find(&root, &target)).await;
            match found.map_err(io::Error::from).and_then(|found| found) {
                Ok(Found::File(file)) => self.send(file, &headers),
                Ok(Found::Listing(html)) => {
                    Answer::new(StatusCode::OK, "text/html; charset=utf-8", Body::Whole(html.into_bytes()))
                }
                Ok(Found::Elsewhere(location)) => {
                    Answer::plain(StatusCode::MOVED_PERMANENTLY).with("location", location)
                }
                Err(error) => Answer::plain(status_of(&error)),
            }
        })
    }
}

fn status_of(error: &io::Error) -> StatusCode {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput => StatusCode::NOT_FOUND,
        io::ErrorKind::PermissionDenied => StatusCode::FORBIDDEN, // also for paths that lead out of the directory
        io::ErrorKind::InvalidFilename => StatusCode::NOT_FOUND,
        _ if is_out_of_descriptors(error) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// What a path leads to.
enum Found {
    /// A file.
    File(Opened),
    /// The HTML of a directory's listing.
    Listing(String),
    /// The target of a redirect.
    Elsewhere(String),
}

/// A file that was opened to be sent.
struct Opened {
    content_type: String,
    version: Version,
    length: u64,
    content: Content,
}

/// The content of a file.
enum Content {
    /// All of a small one.
    Read(Vec<u8>),
    /// A large one, which has at least its length.
    File(File),
}

/// Finds what a request's target leads to. Blocks.
fn find(root: &Dir, target: &str) -> io::Result<Found> {
    let target = target.split('#').next().unwrap_or_default();
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let decoded: Vec<u8> = percent_decode_str(path).collect(); // file names are bytes, not necessarily UTF-8
    if decoded.contains(&0) {
        return Err(io::ErrorKind::NotFound.into());
    }
    if let Some(found) = saved_by_a_crawl(root, path, query) {
        return found;
    }
    let slashes = decoded.iter().take_while(|byte| **byte == b'/').count();
    let relative = Path::new(OsStr::from_bytes(&decoded[slashes..]));
    let path_inside = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
    let metadata = root.metadata(path_inside)?;
    if metadata.is_file() && !decoded.ends_with(b"/") {
        return file(root, path_inside);
    }
    if !metadata.is_dir() {
        return Err(io::ErrorKind::NotFound.into());
    }
    if !decoded.ends_with(b"/") {
        // Exactly one slash at the beginning: after two, the first segment would be a host.
        let path = utf8_percent_encode(path.trim_start_matches('/'), NOT_IN_A_URL);
        return Ok(Found::Elsewhere(format!("/{path}/{}", utf8_percent_encode(query, NOT_IN_A_URL))));
    }
    match file(root, &path_inside.join("index.html")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => listing(root, path_inside),
        found => found,
    }
}

/// Finds the file that a crawl saved for this path and query under a name that differs from the path. The root is
/// either the directory of the file's server, or a directory with those of several servers. `None` if there is no such
/// file.
fn saved_by_a_crawl(root: &Dir, path: &str, query: &str) -> Option<io::Result<Found>> {
    let url = normalize(Url::parse(&format!("http://localhost{path}{query}")).ok()?);
    let (path, query) = (url.path(), url.query());
    let in_directory = |folds_case| {
        let below = below_server(path, query, folds_case);
        let (server, rest) = path[1..].split_once('/').unwrap_or_default();
        [below, format!("{server}/{}", below_server(rest, query, folds_case))]
    };
    let with_extensions = |name: String| {
        let extended = EXTENSIONS.map(|extension| with_extension(&name, extension)); // if its links are converted
        std::iter::once(name).chain(extended)
    };
    let names = [false, true].into_iter().flat_map(in_directory).flat_map(with_extensions);
    let name =
        names.filter(|name| *name != path[1..]).find(|name| root.metadata(name).is_ok_and(|there| there.is_file()))?;
    let has_extension = EXTENSIONS.iter().any(|extension| name.ends_with(&format!("@.{extension}")));
    let typed = if has_extension { &*name } else { path };
    let kind = mime_guess::from_path(typed).first().map_or(HTML.to_owned(), |_| content_type(Path::new(typed)));
    match file(root, Path::new(&name)) {
        Ok(Found::File(file)) => Some(Ok(Found::File(Opened { content_type: kind, ..file }))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None, // replaced meanwhile
        found => Some(found),
    }
}

/// Opens a file. Bytes that are appended later are not sent.
fn file(root: &Dir, path: &Path) -> io::Result<Found> {
    let not_a_file = || io::Error::from(io::ErrorKind::NotFound);
    // Opening a device may have an effect, and opening a pipe waits for its other end.
    if !root.metadata(path)?.is_file() {
        return Err(not_a_file());
    }
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32);
    let file = root.open_with(path, &options)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(not_a_file()); // replaced since the check
    }
    let (content_type, mut length) = (content_type(path), metadata.len());
    let version = Version::new(length, metadata.modified()?.into_std(), SystemTime::now());
    let content = if length > WHOLE {
        Content::File(file)
    } else {
        let mut bytes = Vec::with_capacity(length as usize);
        file.take(length).read_to_end(&mut bytes)?;
        length = bytes.len() as u64;
        Content::Read(bytes)
    };
    Ok(Found::File(Opened { content_type, version, length, content }))
}

fn content_type(path: &Path) -> String {
    let mime = mime_guess::from_path(path).first_or_octet_stream();
    match mime.type_() {
        mime_guess::mime::TEXT => format!("{mime}; charset=utf-8"),
        _ => mime.to_string(),
    }
}

fn listing(root: &Dir, path: &Path) -> io::Result<Found> {
    let mut names = Vec::new();
    for entry in root.read_dir(path)? {
        let entry = entry?;
        let slash: &[u8] = if entry.file_type()?.is_dir() { b"/" } else { b"" };
        names.push([&entry.file_name().into_vec(), slash].concat());
    }
    names.sort();
    let mut html = String::from("<!doctype html>\n<meta charset=\"utf-8\"><title>files</title>\n<ul>\n");
    for name in names {
        let (bytes, slash) = name.strip_suffix(b"/").map_or((&*name, ""), |bytes| (bytes, "/"));
        let link = percent_encode(bytes, NON_ALPHANUMERIC);
        let text = String::from_utf8_lossy(&name).replace('&', "&amp;").replace('<', "&lt;");
        html.push_str(&format!("<li><a href=\"./{link}{slash}\">{text}</a></li>\n"));
    }
    html.push_str("</ul>\n");
    Ok(Found::Listing(html))
}

/// A large file, which is read on the pool for blocking calls while it is sent.
struct FilePieces {
    file: Arc<File>,
    position: u64,
    pieces: Arc<Semaphore>,
}

/// Bytes of a file, with the permit to hold them in memory.
struct FilePiece(Vec<u8>, #[expect(dead_code, reason = "returns when the piece is dropped")] OwnedPermit);

impl AsRef<[u8]> for FilePiece {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl PieceByPiece for FilePieces {
    fn next(&mut self) -> LocalFuture<'_, io::Result<Box<dyn AsRef<[u8]>>>> {
        Box::pin(async {
            let permit = self.pieces.acquire_owned().await;
            let (file, position) = (self.file.clone(), self.position);
            // Allocated on this thread. malloc keeps what each thread of the pool has freed for that thread.
            let mut bytes = Vec::with_capacity(PIECE);
            let read = spawn_blocking(move || {
                retry_on_intr(|| pread(&*file, spare_capacity(&mut bytes), position))?;
                io::Result::Ok(bytes)
            });
            let bytes = read.await??;
            Ok(Box::new(FilePiece(bytes, permit)) as Box<dyn AsRef<[u8]>>)
        })
    }

    fn advance(&mut self, count: usize) {
        self.position += count as u64;
    }
}
