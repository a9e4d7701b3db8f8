//! A safe file name for every URL.
//!
//! A page is saved as `host_port/path`, with `index.html` for a directory, so that a person finds it. Characters that a
//! file system does not take are escaped as in a URL. If the names of two URLs would collide (`/a` and `/a/b`: a file and a
//! directory; `/A` and `/a` where case does not count), the later one gets a `~2`.

use super::urls;
use percent_encoding::percent_decode_str;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use url::Url;

/// The longest name, in bytes. The limit of most file systems is 255.
const LENGTH: usize = 200;

/// The longest path of directories, in bytes.
const PATH_LENGTH: usize = 1000;

/// The names in use.
#[derive(Default)]
pub struct Names {
    /// A server with a directory name of its own, instead of `host_port`.
    named: Option<(String, &'static str)>,
    files: HashSet<String>,
    directories: HashSet<String>,
    /// Files of an earlier run, which no directory can replace. A page still can.
    earlier_files: HashSet<String>,
}

impl Names {
    /// Saves the pages of this URL's server in `directory`, whatever its address.
    pub fn name_server(&mut self, url: &Url, directory: &'static str) {
        self.named = Some((urls::server(url), directory));
    }

    /// The path for a URL: relative, of normal components only, and used for no other URL.
    pub fn assign(&mut self, url: &Url) -> PathBuf {
        let path = url.path().trim_start_matches('/');
        let (directories, file) = path.rsplit_once('/').unwrap_or(("", path));
        let server = match &self.named {
            Some((server, directory)) if *server == urls::server(url) => (*directory).to_owned(),
            _ => host_and_port(url),
        };
        let mut parent = self.directory("", &safe(&server));
        // Systems limit a path to a few thousand bytes, including the directory of the crawl.
        let hashed = (directories.len() > PATH_LENGTH).then(|| format!("{:016x}", hash(directories)));
        let directories = hashed.as_deref().unwrap_or(directories);
        for segment in directories.split('/').filter(|_| !directories.is_empty()) {
            parent = self.directory(&parent, &safe(segment));
        }
        let file = if file.is_empty() { "index.html" } else { file };
        let name = match url.query() {
            None => safe(file),
            Some(query) => safe(&format!("{file}@{query}")),
        };
        self.file(&parent, &name).into()
    }

    /// Frees a name under which nothing was saved.
    pub fn release(&mut self, path: &Path) {
        self.files.remove(&folded(&path.to_string_lossy()));
    }

    /// Avoids a path at which an earlier run left a file instead of a directory, or a directory instead of a file.
    pub fn avoid(&mut self, path: &str, is_directory: bool) {
        let path = folded(path);
        if is_directory {
            self.directories.insert(path);
        } else {
            self.directories.remove(&path); // it was assigned as one
            self.earlier_files.insert(path);
        }
    }

    fn directory(&mut self, parent: &str, name: &str) -> String {
        let taken = |path: &str| [&self.files, &self.earlier_files].iter().any(|set| set.contains(&folded(path)));
        let path = first_free(parent, name, taken);
        self.directories.insert(folded(&path));
        path
    }

    fn file(&mut self, parent: &str, name: &str) -> String {
        let taken = |path: &str| self.files.contains(&folded(path)) || self.directories.contains(&folded(path));
        let path = first_free(parent, name, taken);
        self.files.insert(folded(&path));
        path
    }
}

fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or("unknown");
    url.port().map_or(host.to_owned(), |port| format!("{host}_{port}"))
}

fn folded(path: &str) -> String {
    path.to_lowercase()
}

fn first_free(parent: &str, name: &str, taken: impl Fn(&str) -> bool) -> String {
    let slash = if parent.is_empty() { "" } else { "/" };
    let (stem, extension) = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).unwrap_or((name, ""));
    let dot = if extension.is_empty() { "" } else { "." };
    let mut path = format!("{parent}{slash}{name}");
    let mut number = 2;
    while taken(&path) {
        path = format!("{parent}{slash}{stem}~{number}{dot}{extension}");
        number += 1;
    }
    path
}

/// A component of a path that every system takes: decoded where that is harmless, escaped where it is not.
fn safe(segment: &str) -> String {
    // Bytes that are not UTF-8 stay escaped.
    let decoded = percent_decode_str(segment).decode_utf8();
    let text = decoded.as_deref().unwrap_or(segment);
    let mut name = String::new();
    for char in text.chars() {
        match char {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => escape(&mut name, char),
            char if char.is_control() => escape(&mut name, char),
            char => name.push(char),
        }
    }
    // `.` and `..` are special, and Windows drops a dot or a space at the end.
    if let Some(last @ ('.' | ' ')) = name.chars().last() {
        name.pop();
        escape(&mut name, last);
        if name == ".%2E" {
            name = "%2E%2E".to_owned();
        }
    }
    let stem = name.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let numbered =
        |device: &str| stem.strip_prefix(device).is_some_and(|n| n.len() == 1 && n.bytes().all(|n| n.is_ascii_digit()));
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT") {
        name.insert(0, '_'); // on Windows these are devices, whatever the extension
    }
    match name.as_str() {
        "" => "_".to_owned(),
        name if name.len() > LENGTH => shortened(name),
        name => name.to_owned(),
    }
}

fn escape(name: &mut String, char: char) {
    let mut bytes = [0; 4];
    for byte in char.encode_utf8(&mut bytes).bytes() {
        name.push_str(&format!("%{byte:02X}"));
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// The beginning of a long name, a hash of the whole name, and its extension.
fn shortened(name: &str) -> String {
    let extension = name.rsplit_once('.').map(|(_, extension)| extension).filter(|e| e.len() <= 16);
    let mut cut = LENGTH - 40;
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    let dot = if extension.is_some() { "." } else { "" };
    format!("{}-{:016x}{dot}{}", &name[..cut], hash(name), extension.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Component;

    fn names(urls: &[&str]) -> Vec<String> {
        let mut names = Names::default();
        urls.iter().map(|url| names.assign(&Url::parse(url).unwrap()).to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_page_is_saved_where_its_url_says() {
        let urls = ["http://h/", "http://h:8080/a/b.html", "http://h/d/", "http://h/%C3%BC", "http://[::1]:80/x"];
        let expected = ["h/index.html", "h_8080/a/b.html", "h/d/index.html", "h/ü", "[%3A%3A1]/x"];
        assert_eq!(names(&urls), expected);
    }

    #[test]
    fn a_named_server_is_saved_in_its_directory() {
        let mut names = Names::default();
        names.name_server(&Url::parse("http://h:8080/").unwrap(), "site");
        let mut name = |url| names.assign(&Url::parse(url).unwrap()).to_str().unwrap().to_owned();
        assert_eq!([name("http://h:8080/a"), name("http://h:8081/a")], ["site/a", "h_8081/a"]);
    }

    #[test]
    fn different_urls_get_different_files() {
        let urls = [
            "http://h/a",
            "http://h/a/b",
            "http://h/a/c",
            "http://h/x?1",
            "http://h/x?2",
            "http://h/x@1",
            "http://h/A",
        ];
        assert_eq!(names(&urls), ["h/a", "h/a~2/b", "h/a~2/c", "h/x@1", "h/x@2", "h/x@1~2", "h/A~3"]);
        assert_eq!(names(&["http://h/a/b", "http://h/a.x", "http://h/a"]), ["h/a/b", "h/a.x", "h/a~2"]);
        assert_eq!(names(&["http://h/d/", "http://h/d/index.html"]), ["h/d/index.html", "h/d/index~2.html"]);
    }

    #[test]
    fn no_name_leads_out_or_is_refused() {
        let long = format!("http://h/{}.html", "x".repeat(300));
        let urls = [
            "http://h/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
            "http://h/..%5C..%5Cx",
            "http://h/a%00b",
            "http://h/CON",
            "http://h/nul.txt",
            "http://h/%2F%2Fetc",
            "http://h//etc//passwd",
            "http://h/%FF%FE",
            "http://h/x.",
            "http://h/x%20",
            "http://h/?../..",
            &long,
            "http://h/%252e%252e/x",
            "http://h/com1.tar.gz",
            "http://h/...",
        ];
        let names = names(&urls);
        for (url, name) in urls.iter().zip(&names) {
            let components: Vec<_> = std::path::Path::new(name).components().collect();
            assert!(components.iter().all(|c| matches!(c, Component::Normal(_))), "{url}: {name}");
            assert!(components.len() >= 2 && components.iter().all(|c| c.as_os_str().len() <= 255), "{url}: {name}");
            assert!(!name.contains(['\\', '\0', ':', '?']), "{url}: {name}");
        }
        assert_eq!(names[3], "h/_CON");
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    }
}
