//! `.saved.jsonl`: the URL of each file, and which files have converted links. Written by runs that convert links, and
//! read by all runs.
//!
//! Links of a converted file are relative to the file, so only this list says which URLs they mean. It has a line for
//! each file, and another one for each conversion; later lines replace earlier ones. A line is appended before its file
//! is replaced, and a file is converted if its bytes have the digest of one of its last two lines. So the list stays
//! correct after a crash in between, and after a later run replaces the file.

use super::media::Media;
use cap_std::fs::{Dir, File, OpenOptions};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use url::Url;

const LIST: &str = ".saved.jsonl";
/// A host that does not exist (RFC 2606). Its URLs stand for files.
const HOST: &str = "files.invalid";
/// Maximum number of bytes of a line to read. Longer lines are treated as damaged.
const LONGEST: u64 = 256 * 1024;

/// Characters that are not escaped in a link to a file. `@` and `=` are frequent in names.
const IN_PATHS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@').remove(b'=').remove(b'/');

/// A saved file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedFile {
    /// Its path, relative to the output directory.
    pub path: String,
    /// The URL that it was saved from.
    pub url: String,
    /// Its type according to the response.
    #[serde(flatten)]
    pub media: Media,
    /// The SHA-256 of the file, if its links are converted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converted: Option<String>,
}

/// The list of saved files.
#[derive(Debug, Default)]
pub struct SavedFiles {
    by_path: HashMap<String, Entry>,
    /// Opened when the first line is appended.
    file: Option<File>,
}

#[derive(Debug)]
struct Entry {
    file: SavedFile,
    /// The digest in the previous line of the list with the same path.
    earlier: Option<String>,
}

impl SavedFiles {
    /// Reads the list. It is empty if there is none; damaged lines are skipped. Blocks.
    pub fn read(root: &Dir) -> io::Result<SavedFiles> {
        let mut saved = SavedFiles::default();
        let file = match root.open(LIST) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(saved),
            file => file?,
        };
        let (mut lines, mut line) = (BufReader::new(file), Vec::new());
        while io::Read::take(&mut lines, LONGEST).read_until(b'\n', &mut line)? > 0 {
            if let Ok(file) = serde_json::from_slice::<SavedFile>(&line) {
                saved.insert(file);
            }
            line.clear();
        }
        Ok(saved)
    }

    fn insert(&mut self, file: SavedFile) {
        let earlier = self.by_path.get(&file.path).and_then(|entry| entry.file.converted.clone());
        self.by_path.insert(file.path.clone(), Entry { file, earlier });
    }

    /// The file with this path.
    pub fn get(&self, path: &str) -> Option<&SavedFile> {
        self.by_path.get(path).map(|entry| &entry.file)
    }

    /// All files.
    pub fn files(&self) -> impl Iterator<Item = &SavedFile> {
        self.by_path.values().map(|entry| &entry.file)
    }

    /// The digests that a file may have if its links are converted.
    pub fn digests(&self, path: &str) -> Vec<String> {
        let digests = self.by_path.get(path).map(|entry| [&entry.file.converted, &entry.earlier]);
        digests.into_iter().flatten().flatten().cloned().collect()
    }

    /// Appends a file to the list, unless the list says the same already. Blocks.
    ///
    /// # Errors
    /// Fails if it can't be written.
    pub fn append(&mut self, root: &Dir, file: SavedFile) -> io::Result<()> {
        if self.get(&file.path) == Some(&file) {
            return Ok(());
        }
        let mut line = serde_json::to_vec(&file)?;
        line.push(b'\n');
        if self.file.is_none() {
            self.file = Some(root.open_with(LIST, OpenOptions::new().append(true).create(true))?);
            line.insert(0, b'\n'); // a run that was killed may have left half a line
        }
        if let Some(to) = &mut self.file {
            to.write_all(&line)?;
        }
        self.insert(file);
        Ok(())
    }
}

/// The URL that stands for a file: what its relative links are resolved against.
pub fn url_of_file(path: &str) -> Url {
    let url = format!("http://{HOST}/{}", utf8_percent_encode(path, IN_PATHS));
    Url::parse(&url).expect("an escaped path makes a URL")
}

/// The path of the file that a URL stands for.
pub fn file_of_url(url: &Url) -> Option<String> {
    let path = url.path().strip_prefix('/').filter(|_| url.host_str() == Some(HOST))?;
    Some(percent_decode_str(path).decode_utf8().ok()?.into_owned())
}

/// A relative URL that leads from one file to another.
pub fn relative(from: &str, to: &str) -> String {
    let (from, to): (Vec<&str>, Vec<&str>) = (from.split('/').collect(), to.split('/').collect());
    let common = from.iter().zip(&to[..to.len() - 1]).take_while(|(from, to)| from == to).count();
    let common = common.min(from.len() - 1);
    let up = "../".repeat(from.len() - 1 - common);
    let encoded = utf8_percent_encode(&to[common..].join("/"), IN_PATHS).to_string();
    format!("{up}{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    #[test]
    fn a_relative_url_leads_from_file_to_file() {
        for (from, to, expected) in [
            ("h/a.html", "h/b.html", "b.html"),
            ("h/a.html", "h/a.html", "a.html"),
            ("h/d/a.html", "h/b.html", "../b.html"),
            ("h/d/e/a.html", "h/d/x/b.html", "../x/b.html"),
            ("h/a.html", "h/d/b.html", "d/b.html"),
            ("h/a.html", "other/b.html", "../other/b.html"),
            ("a", "b", "b"),
            ("h/d", "h/d/x", "d/x"),
            ("h/x@", "h/ü b(1)'?#%&,;+:.css@v=1.css", "%C3%BC%20b%281%29%27%3F%23%25%26%2C%3B%2B%3A.css@v=1.css"),
        ] {
            let relative = relative(from, to);
            assert_eq!(relative, expected);
            let reached = url_of_file(from).join(&relative).unwrap();
            assert_eq!(file_of_url(&crate::engine::urls::normalize(reached)).as_deref(), Some(to));
        }
        assert_eq!(file_of_url(&Url::parse("http://h/x").unwrap()), None);
    }

    #[test]
    fn later_lines_replace_earlier_ones_and_damaged_lines_are_skipped() {
        let folder = crate::temporary::Temporary::new().unwrap();
        let root = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        let file = |path: &str, converted: Option<&str>| SavedFile {
            path: path.to_owned(),
            url: format!("http://{path}"),
            media: Media { content_type: Some("text/css".to_owned()), nosniff: false },
            converted: converted.map(str::to_owned),
        };
        let mut saved = SavedFiles::read(&root).unwrap();
        for converted in [None, Some("1"), Some("1"), Some("2"), Some("3")] {
            saved.append(&root, file("h/x", converted)).unwrap();
        }
        drop(saved);
        let mut damaged = root.open_with(LIST, OpenOptions::new().append(true)).unwrap();
        damaged.write_all(b"{\"path\":\"h/y\"").unwrap();
        let mut saved = SavedFiles::read(&root).unwrap();
        saved.append(&root, file("h/z", None)).unwrap();
        let saved = SavedFiles::read(&root).unwrap();
        assert_eq!(saved.get("h/x"), Some(&file("h/x", Some("3"))));
        assert_eq!(saved.digests("h/x"), ["3", "2"]);
        assert_eq!(saved.files().count(), 2);
        assert!(saved.digests("h/z").is_empty() && saved.get("h/y").is_none());
        assert_eq!(root.read_to_string(LIST).unwrap().lines().filter(|line| line.contains("h/x")).count(), 4);
    }
}
