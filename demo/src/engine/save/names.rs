//! A file name for every URL, which follows from the URL alone.
//!
//! The name does not depend on what was saved before, so every run gives a page the same file. Different URLs get
//! different files, even on systems that do not distinguish Unicode normalizations. No file has the name that another
//! URL needs for a directory. `demo serve --root` finds a file by the same function ([`below_server`]).
//!
//! | URL | file | why |
//! |---|---|---|
//! | `https://h/d/Page.html` | `h/d/Page.html` | names with an extension stay as they are |
//! | `https://h/d/` | `h/d/index.html` | the page of a directory |
//! | `https://h/d/index.html` | `h/d/index~0.html` | it may be a different page from `/d/` |
//! | `https://h/about` | `h/about@` | a file without an extension ends with `@`; the directory of `/about/team` does not |
//! | `https://h/page.html/x.css` | `h/page.html~/x.css` | a directory has no extension |
//! | `https://h/style.css?v=3` | `h/style.css@v=3.css` | the query, and the extension again: browsers go by it |
//! | `https://h/README.md` | `h/README~3f.md` | where case is ignored: after `~` a bit per letter, set for capitals |
//! | `https://h/%C3%BC%20b.css` | `h/ü b.css` | escapes are decoded where that is safe and unambiguous |
//! | `https://h/a*.html` | `h/a_~73bdde89da78.html` | invalid: `_`; after `~` 12 digits of the segment's SHA-256 |
//! | `https://h/about`, for the disk | `h/about@.html` | where links are converted: `@` and the extension of the type |
//! | `http://h/`, `http://h:8080/` | `h_80/…`, `h_8080/…` | the port, except for the port of https |
//!
//! A port speaks either http or https, so the scheme is not part of a name.

use super::hash::sha256;
use crate::engine::urls;
use icu_normalizer::ComposingNormalizerBorrowed;
use percent_encoding::percent_decode_str;
use std::collections::HashMap;
use std::path::PathBuf;
use url::{Host, Url};

/// Maximum number of bytes of a name without its mark and extension. With them it has at most 140, and the lowest limit
/// of file systems in use is 143 (eCryptfs).
const NAME_LENGTH: usize = 115;
/// Maximum number of bytes of the directories of a path. macOS limits whole paths to 1023 bytes.
const DIRECTORIES_LENGTH: usize = 700;

/// The names of the files of a crawl.
#[derive(Default)]
pub struct Names {
    /// A server with a directory name of its own.
    named: Option<(String, &'static str)>,
    /// URLs with a file of their own.
    files: HashMap<Url, PathBuf>,
    /// Whether the file system takes `a` and `A` for the same name.
    pub folds_case: bool,
}

impl Names {
    /// Saves the pages of this URL's server in `directory`, whatever its address.
    pub fn name_server(&mut self, url: &Url, directory: &'static str) {
        self.named = Some((urls::server(url), directory));
    }

    /// Saves the page of this URL in `file`, a relative path.
    pub fn name_file(&mut self, url: Url, file: PathBuf) {
        self.files.insert(url, file);
    }

    /// The path for a URL: relative, with normal components only, and different from that of any other URL.
    pub fn path(&self, url: &Url) -> PathBuf {
        if let Some(file) = self.files.get(url) {
            return file.clone();
        }
        let server = match &self.named {
            Some((server, directory)) if *server == urls::server(url) => (*directory).to_owned(),
            _ => server_directory(url, self.folds_case),
        };
        PathBuf::from(format!("{server}/{}", below_server(url.path(), url.query(), self.folds_case)))
    }
}

/// The extensions of types that a browser recognizes only by the extension when it reads from disk.
pub const EXTENSIONS: [&str; 4] = ["html", "css", "svg", "xhtml"];

/// A path with the extension of its type, for a browser that reads from disk. No URL gets this name, because names of
/// URLs never have an `@` before the extension.
pub fn with_extension(path: &str, extension: &str) -> String {
    let mark = if path.ends_with('@') { "" } else { "@" };
    format!("{path}{mark}.{extension}")
}

/// The path for a URL with this path and query, below the directory of its server. With `folds_case`, for a file system
/// that takes `a` and `A` for the same name.
pub fn below_server(path: &str, query: Option<&str>, folds_case: bool) -> String {
    let path = path.strip_prefix('/').unwrap_or(path);
    let Some((directories, name)) = path.rsplit_once('/') else { return file(path, query, folds_case) };
    let mut parents: Vec<String> = directories.split('/').map(|segment| directory(segment, folds_case)).collect();
    if parents.iter().map(|parent| parent.len() + 1).sum::<usize>() > DIRECTORIES_LENGTH {
        parents = vec![format!("@{}", hash_mark(directories))]; // no segment has this name
    }
    format!("{}/{}", parents.join("/"), file(name, query, folds_case))
}

/// The directory for a server.
fn server_directory(url: &Url, folds_case: bool) -> String {
    let host = match url.host() {
        Some(Host::Ipv6(address)) => format!("[{}]", address.to_string().replace(':', "_")),
        _ => url.host_str().unwrap_or_default().to_owned(),
    };
    let name = match host.starts_with('.') {
        false => Written::segment(&host, folds_case).marked(&host),
        true => format!("_{}", hash_mark(&host)), // `.parts` is not a server
    };
    match url.port_or_known_default().unwrap_or_default() {
        // `a_81` could be a host with a port.
        443 if !host.contains('_') || host.starts_with('[') => name,
        port => format!("{name}_{port}"),
    }
}

/// The directory for a segment of a path that is not the last.
fn directory(segment: &str, folds_case: bool) -> String {
    let name = Written::segment(segment, folds_case).marked(segment);
    if extension(&name).is_some() { name + "~" } else { name }
}

/// The file for the last segment of a path and for a query. It has an extension, or `@` after its first character; a
/// directory has neither.
fn file(segment: &str, query: Option<&str>, folds_case: bool) -> String {
    let called = if segment.is_empty() { "index.html" } else { segment };
    let extension = extension(called);
    let mut written = Written::segment(called, folds_case);
    let mut original = segment.to_owned();
    match (query, extension) {
        (Some(query), _) => {
            written.text.push('@');
            written.append(query, "");
            original = format!("{segment}?{query}");
        }
        (None, Some(extension)) => written.text.truncate(written.text.len() - extension.len() - 1),
        (None, None) => written.text.push('@'),
    }
    if segment.eq_ignore_ascii_case("index.html") {
        match query {
            None => written.has_mark = true,
            Some(_) => written.is_exact = false,
        }
    }
    let mut name = written.marked(&original);
    match extension {
        Some(extension) => name = format!("{name}.{extension}"),
        None if name.char_indices().any(|(at, char)| at > 0 && char == '@') => {}
        None => name.push('@'), // the part with the earlier one was cut off
    }
    name
}

/// The extension of a name: up to 8 letters and digits, at least one of them a letter. So `80` in `v1.80` is not one.
fn extension(name: &str) -> Option<&str> {
    let (stem, extension) = name.rsplit_once('.')?;
    let is_one = (1..=8).contains(&extension.len())
        && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && extension.bytes().any(|byte| byte.is_ascii_alphabetic());
    (is_one && !stem.is_empty()).then_some(extension)
}

/// A segment, or a segment and a query, as it is written in a name.
struct Written {
    text: String,
    /// Whether the text represents that of the URL exactly.
    is_exact: bool,
    /// The number of ASCII letters in the URL's text, and a bit for each, set for a capital.
    letters: u32,
    capitals: u64,
    /// Whether a mark is needed even without capitals.
    has_mark: bool,
    /// Whether capitals need a mark, because `a` and `A` are the same name.
    folds_case: bool,
}

impl Written {
    fn segment(segment: &str, folds_case: bool) -> Written {
        let (text, is_exact, has_mark) = (String::new(), true, false);
        let mut written = Written { text, is_exact, letters: 0, capitals: 0, has_mark, folds_case };
        written.append(segment, "@~"); // as in `/@user/` and `/~user/`
        written
    }

    /// Appends a part of a URL. `first` are characters that have a meaning in a name, except at its beginning.
    fn append(&mut self, part: &str, first: &str) {
        let mut rest = part;
        while let Some(char) = rest.chars().next() {
            let escaped = escapes(rest);
            if escaped.is_empty() {
                let is_first = rest.len() == part.len() && first.contains(char);
                self.push(char, is_first || char.is_ascii_alphanumeric() || "-_.,;=+!$&'()[]%".contains(char));
                rest = &rest[char.len_utf8()..];
                continue;
            }
            let bytes: Vec<u8> = percent_decode_str(escaped).collect();
            for chunk in bytes.utf8_chunks() {
                for char in chunk.valid().chars() {
                    if char == ' ' || is_stable(char) {
                        self.text.push(char);
                    } else {
                        char.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| self.push_escape(byte));
                    }
                }
                chunk.invalid().iter().for_each(|byte| self.push_escape(*byte));
            }
            rest = &rest[escaped.len()..];
        }
    }

    fn push_escape(&mut self, byte: u8) {
        format!("%{byte:02X}").chars().for_each(|char| self.push(char, true));
    }

    fn push(&mut self, char: char, is_allowed: bool) {
        self.text.push(if is_allowed { char } else { '_' });
        self.is_exact &= is_allowed;
        if self.folds_case && char.is_ascii_alphabetic() {
            match char.is_ascii_uppercase() {
                true if self.letters < HASH_DIGITS * 4 - 4 => self.capitals |= 1 << self.letters,
                true => self.is_exact = false, // its mark would be as long as a hash
                false => {}
            }
            self.letters += 1;
        }
    }

    /// The text with a mark, if it has capitals or is not exact. `original` is what it was written from.
    fn marked(mut self, original: &str) -> String {
        if self.text.is_empty() || is_device(&self.text) {
            self.text.insert(0, '_');
            self.is_exact = false;
        }
        if self.text.len() > NAME_LENGTH {
            let end = (0..=NAME_LENGTH).rev().find(|end| self.text.is_char_boundary(*end));
            self.text.truncate(end.unwrap_or_default());
            self.is_exact = false;
        }
        if self.text.ends_with(['.', ' ']) {
            self.text.pop(); // Windows drops it
            self.text.push('_');
            self.is_exact = false;
        }
        let is_normal = ComposingNormalizerBorrowed::new_nfc().is_normalized(&self.text);
        match self.capitals {
            _ if !self.is_exact || !is_normal => self.text + &hash_mark(original),
            0 if !self.has_mark => self.text,
            capitals => format!("{}~{capitals:x}", self.text),
        }
    }
}

/// The escapes at the beginning of a text. Those with lower-case digits do not count: they stay as they are.
fn escapes(text: &str) -> &str {
    let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(byte);
    let is_escape = |escape: &&[u8]| matches!(escape, [b'%', high, low] if is_digit(high) && is_digit(low));
    &text[..3 * text.as_bytes().chunks(3).take_while(is_escape).count()]
}

/// Whether a character is a letter or digit beyond ASCII that no file system takes for another one.
fn is_stable(char: char) -> bool {
    let is_lower_case = || char.to_lowercase().eq([char]);
    let comes_back = || char.to_uppercase().flat_map(char::to_lowercase).eq([char]);
    !char.is_ascii() && char.is_alphanumeric() && is_lower_case() && comes_back()
}

/// Whether Windows takes the name for a device, whatever its extension.
pub(super) fn is_device(name: &str) -> bool {
    let stem = name.split(['.', '@']).next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let has_number = |device: &str| {
        let number = stem.strip_prefix(device).unwrap_or_default();
        number.chars().count() == 1 && number.chars().all(|n| n.is_ascii_digit() || "¹²³".contains(n))
    };
    matches!(&*stem, "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") || has_number("COM") || has_number("LPT")
}

/// The digits of a hash in a name. A mark for capitals has fewer.
const HASH_DIGITS: u32 = 12;

fn hash_mark(original: &str) -> String {
    format!("~{}", &sha256(original.as_bytes())[..HASH_DIGITS as usize])
}

#[cfg(test)]
mod tests;
