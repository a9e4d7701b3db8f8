//! Searches sitemaps that are text or compressed. Used by `mod.rs`. Those that are XML are read by `xml.rs`.

use super::collect::Collector;
use super::sniff::GZIP;
use super::xml;
use flate2::read::MultiGzDecoder;
use std::io::{self, BufRead, BufReader, Read};

/// Maximum number of decompressed bytes to read of a compressed sitemap. The protocol allows 50 MiB.
const LARGEST: u64 = 64 * 1024 * 1024;
/// The longest line, in bytes.
const LINE: u64 = 64 * 1024;

/// Adds the links of a sitemap, which is UTF-8: a URL on each line, or XML. `body` may be compressed by gzip.
///
/// # Errors
/// Fails if reading the body does, or decompressing it.
pub fn search(body: &mut dyn Read, to: &mut Collector) -> io::Result<()> {
    let mut body = BufReader::new(body);
    if body.fill_buf()?.starts_with(GZIP) {
        text_or_xml(&mut BufReader::new(MultiGzDecoder::new(body).take(LARGEST)), to)
    } else {
        text_or_xml(&mut body, to)
    }
}

fn text_or_xml(body: &mut dyn BufRead, to: &mut Collector) -> io::Result<()> {
    let beginning = body.fill_buf()?;
    let beginning = beginning.strip_prefix(b"\xef\xbb\xbf").unwrap_or(beginning);
    if beginning.trim_ascii_start().starts_with(b"<") {
        return xml::search(&mut &mut *body, to);
    }
    let mut line = Vec::new();
    while (&mut *body).take(LINE).read_until(b'\n', &mut line)? > 0 {
        let url = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line).trim_ascii();
        if !url.is_empty() {
            to.page_in_text(url);
        }
        line.clear();
    }
    Ok(())
}
