//! The links of pages, as the downloader follows them: whatever type and encoding a page has, whatever its size.
//!
//! Alone: `cargo test -p tests --test crawl links`. What each element and each grammar means is tested where it is
//! parsed (`demo/src/engine/links`).

use tests::demo::{Place, Ran};
use tests::faults::FaultServer;

/// Crawls a page that is served with these header fields. Returns the other requests, sorted, and how the crawl ended.
#[track_caller]
fn crawl(fields: &'static str, page: impl Into<Vec<u8>>) -> (Vec<String>, Ran) {
    let page = page.into();
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.answer("200 OK", fields, &page),
        _ => visit.answer("200 OK", "Content-Type: text/plain\r\n", "x"),
    });
    let ran = Place::new().crawl(&[&server.url("/")]).exits(0);
    let requests = server.requests().into_iter().map(|request| request.path);
    let mut paths: Vec<_> = requests.filter(|path| path != "/" && path != "/robots.txt").collect();
    paths.sort_unstable();
    (paths, ran)
}

#[track_caller]
fn follows(fields: &'static str, page: impl Into<Vec<u8>>, expected: &[&str]) {
    assert_eq!(crawl(fields, page).0, expected, "{fields}");
}

#[test]
fn a_page_without_a_content_type_is_sniffed() {
    follows("", "<!doctype html><a href=/a>", &["/a"]);
    follows("Content-Type: html\r\n", " <html><a href=/a>", &["/a"]);
    follows("", "<?xml version='1.0'?><urlset><url><loc>/a</loc></url></urlset>", &["/a"]);
    follows("", "text <a href=/no>", &[]);
    follows("X-Content-Type-Options: nosniff\r\n", "<html><a href=/no>", &[]);
    follows("Content-Type: text/plain\r\n", "<html><a href=/no>", &[]);
    follows("Content-Type: application/octet-stream\r\n", "<html><a href=/no>", &[]);
}

#[test]
fn a_page_is_read_and_requested_in_its_encoding() {
    let utf16: Vec<u8> = "\u{feff}<html><a href='/é?é'>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    follows("Content-Type: text/html; charset=utf-16\r\n", utf16.clone(), &["/%C3%A9?%C3%A9"]);
    follows("", utf16, &["/%C3%A9?%C3%A9"]);
    let latin = b"<a href='/caf\xe9.html'>a</a><a href='/s?q=caf\xe9'>b</a>";
    follows("Content-Type: text/html; charset=iso-8859-1\r\n", latin, &["/caf%C3%A9.html", "/s?q=caf%E9"]);
    let declared = [b"<meta charset=latin1>".as_slice(), latin].concat();
    follows("Content-Type: text/html\r\n", declared, &["/caf%C3%A9.html", "/s?q=caf%E9"]);
}

#[test]
fn links_are_found_wherever_they_stand_in_a_large_page() {
    let fill = "<p>filler filler filler filler</p>\n";
    let page = format!("<html>{}<a href=/a>{}<a href=/b>", fill.repeat(255_000), fill.repeat(45_000));
    follows("Content-Type: text/html\r\n", page, &["/a", "/b"]);
    let css = format!("{}p {{ x: url(/a) }}{0}", "p { color: red }\n".repeat(300_000));
    follows("Content-Type: text/css\r\n", css, &["/a"]);
}

#[test]
fn links_that_cannot_be_fetched_are_counted_by_reason() {
    let page = "<a href=mailto:a@b><a href=mailto:c@d><a href='javascript:x'><a href='http://['><img src='data:,x'>";
    let (requests, ran) = crawl("Content-Type: text/html\r\n", page);
    assert!(requests.is_empty(), "{requests:?}");
    for reason in ["2 have the scheme `mailto:`", "1 have the scheme `javascript:`", "1 are not URLs"] {
        assert!(ran.stderr.contains(reason), "{reason}:\n{}", ran.stderr);
    }
    assert!(!ran.stderr.contains("data:"), "{}", ran.stderr);
}
