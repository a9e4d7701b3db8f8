//! Files from a directory, and never from outside of it.
//!
//! The directory is opened once, and every path is resolved inside of it by `cap-std`: `..`, absolute
//! paths and symbolic links that lead out are errors there, not questions of string comparison here.

use crate::Failure;
use crate::http::server::{Answer, Body, Handler, LocalFuture, PieceByPiece, Request};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File};
use executor::spawn_blocking;
use http::StatusCode;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// Files up to this size are read at once.
const PIECE: usize = 256 * 1024;

/// A directory that is served.
pub struct Files {
    root: Arc<Dir>,
}

impl Files {
    /// Opens the directory.
    pub fn open(root: &Path) -> Result<Files, Failure> {
        let opened = Dir::open_ambient_dir(root, ambient_authority());
        let root = opened.map_err(|source| Failure::Root { path: root.to_owned(), source })?;
        Ok(Files { root: Arc::new(root) })
    }
}

impl Handler for Files {
    fn answer(&self, request: Request) -> LocalFuture<'_, Answer> {
        let root = self.root.clone();
        Box::pin(async move {
            let path = request.target.split(['?', '#']).next().unwrap_or_default().to_owned();
            let found = spawn_blocking(move || find(&root, &path)).await;
            match found.map_err(io::Error::from).and_then(|found| found) {
                Ok(answer) => answer,
                Err(error) => Answer::plain(status_of(&error)),
            }
        })
    }
}

fn status_of(error: &io::Error) -> StatusCode {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput => StatusCode::NOT_FOUND,
        io::ErrorKind::PermissionDenied => StatusCode::FORBIDDEN, // also what leads out of the root
        io::ErrorKind::InvalidFilename => StatusCode::NOT_FOUND,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The answer to a path, on a thread that may block.
fn find(root: &Dir, path: &str) -> io::Result<Answer> {
    let decoded = percent_decode_str(path).decode_utf8().map_err(|_| io::ErrorKind::NotFound)?;
    if decoded.contains('\0') {
        return Err(io::ErrorKind::NotFound.into());
    }
    let relative = decoded.trim_start_matches('/');
    let place = if relative.is_empty() { "." } else { relative };
    let metadata = root.metadata(place)?;
    if metadata.is_file() && !decoded.ends_with('/') {
        return file(root, place);
    }
    if !metadata.is_dir() {
        return Err(io::ErrorKind::NotFound.into()); // a pipe, to open which might wait for ever
    }
    if !decoded.ends_with('/') {
        // One slash at the beginning: two would make the first segment a host.
        let location = format!("/{}/", path.trim_start_matches('/'));
        return Ok(Answer::plain(StatusCode::MOVED_PERMANENTLY).with("location", location));
    }
    match file(root, &format!("{place}/index.html")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => listing(root, place),
        found => found,
    }
}

fn file(root: &Dir, path: &str) -> io::Result<Answer> {
    let mut file = root.open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::ErrorKind::NotFound.into()); // a socket or a device: nothing to download
    }
    let body = if metadata.len() <= PIECE as u64 {
        let mut bytes = Vec::with_capacity(metadata.len() as usize);
        file.read_to_end(&mut bytes)?;
        Body::Whole(bytes)
    } else {
        Body::Stream(metadata.len(), Box::new(FilePieces(Some(file))))
    };
    Ok(Answer::new(StatusCode::OK, &content_type(path), body))
}

fn content_type(path: &str) -> String {
    let mime = mime_guess::from_path(path).first_or_octet_stream();
    match mime.type_() {
        mime_guess::mime::TEXT => format!("{mime}; charset=utf-8"),
        _ => mime.to_string(),
    }
}

fn listing(root: &Dir, path: &str) -> io::Result<Answer> {
    let mut names = Vec::new();
    for entry in root.read_dir(path)? {
        let entry = entry?;
        let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
        names.extend(entry.file_name().to_str().map(|name| format!("{name}{slash}")));
    }
    names.sort();
    let mut html = String::from("<!doctype html>\n<meta charset=\"utf-8\"><title>files</title>\n<ul>\n");
    for name in names {
        let slash = if name.ends_with('/') { "/" } else { "" };
        let link = utf8_percent_encode(name.trim_end_matches('/'), NON_ALPHANUMERIC);
        let text = name.replace('&', "&amp;").replace('<', "&lt;");
        html.push_str(&format!("<li><a href=\"./{link}{slash}\">{text}</a></li>\n"));
    }
    html.push_str("</ul>\n");
    Ok(Answer::new(StatusCode::OK, "text/html; charset=utf-8", Body::Whole(html.into_bytes())))
}

/// A large file, read on the pool for blocking calls while it is sent.
struct FilePieces(Option<File>);

impl PieceByPiece for FilePieces {
    fn next(&mut self) -> LocalFuture<'_, io::Result<Vec<u8>>> {
        Box::pin(async {
            let mut file = self.0.take().ok_or(io::ErrorKind::UnexpectedEof)?;
            let read = spawn_blocking(move || {
                let mut piece = vec![0; PIECE];
                let count = file.read(&mut piece)?;
                piece.truncate(count);
                io::Result::Ok((file, piece))
            });
            let (file, piece) = read.await??;
            self.0 = Some(file);
            Ok(piece)
        })
    }
}
