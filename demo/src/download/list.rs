//! The URLs to download: those of the command line, and those of a file.

use crate::Failure;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The URLs in a file, one on each line. Empty lines and lines that begin with `#` are skipped.
///
/// # Errors
/// Fails if the file can't be read.
pub fn read(path: &Path) -> Result<Vec<String>, Failure> {
    let mut bytes = Vec::new();
    let read = match path.to_str() {
        Some("-") => io::stdin().lock().read_to_end(&mut bytes),
        _ => File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)),
    };
    read.map_err(|source| Failure::Unreadable { path: path.to_owned(), source })?;
    Ok(urls(&String::from_utf8_lossy(&bytes)))
}

fn urls(text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text); // a byte order mark, as some editors write it
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::urls;

    #[test]
    fn a_line_is_a_url_unless_it_is_empty_or_a_comment() {
        assert_eq!(
            urls("\u{feff}http://a/\r\n\n  # no\n http://b/#c \nhttp://d/"),
            ["http://a/", "http://b/#c", "http://d/"]
        );
    }
}
