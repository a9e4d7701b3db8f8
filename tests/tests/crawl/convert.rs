//! `--convert-links`: a saved site works from disk.
//!
//! Alone: `cargo test -p tests --test crawl convert`. The test of Rust's documentation needs the component `rust-docs`.

use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tests::demo::{Place, Serving, files_below};
use tests::eventually;
use tests::faults::{After, FaultServer, Visit};

/// The pages of a server: by path, the type and the body.
type Pages = Arc<Mutex<BTreeMap<&'static str, (&'static str, Vec<u8>)>>>;

const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn pages(pages: &[(&'static str, &'static str, &[u8])]) -> Pages {
    Arc::new(Mutex::new(pages.iter().map(|(path, kind, body)| (*path, (*kind, body.to_vec()))).collect()))
}

/// Serves the pages with a date, and answers 304 if the request has one. Paths that begin with `/to/` redirect.
fn serve(pages: &Pages) -> FaultServer {
    let pages = pages.clone();
    FaultServer::start(move |visit| answer(visit, &pages))
}

fn answer(visit: &mut Visit<'_>, pages: &Pages) -> After {
    if let Some(target) = visit.path.strip_prefix("/to/") {
        let target = format!("/{target}");
        return visit.redirect(&target);
    }
    let page = pages.lock().unwrap().get(visit.path.as_str()).cloned();
    let Some((kind, body)) = page else { return visit.answer("404 Not Found", "", "") };
    if visit.header("if-modified-since").is_some() {
        return visit.answer("304 Not Modified", &format!("last-modified: {MODIFIED}\r\n"), "");
    }
    let fields = if kind.is_empty() { String::new() } else { format!("content-type: {kind}\r\n") };
    visit.answer("200 OK", &format!("{fields}last-modified: {MODIFIED}\r\n"), &body)
}

fn crawl(place: &Place, server: &FaultServer, args: &[&str]) -> tests::demo::Ran {
    place.crawl(&[&["--convert-links", "-l", "inf", "--delay", "0ms"], args, &[&server.url("/")]].concat())
}

#[track_caller]
fn has(place: &Place, name: &str, expected: impl AsRef<[u8]>) {
    let files = place.files();
    let found = files.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", files.keys()));
    let (found, expected) = (String::from_utf8_lossy(found), String::from_utf8_lossy(expected.as_ref()));
    assert_eq!(found, expected, "{name}");
}

#[test]
fn links_lead_to_files_or_to_absolute_urls() {
    let site = pages(&[
        (
            "/",
            "text/html",
            br##"<link rel=stylesheet href="/s.css?v=1" integrity=sha256-x><a href="d/page.html#part">1</a><a href=/to/about>2</a>
            <a href="/gone">3</a><a href="http://127.0.0.2:9/x">4</a><a href="#here">5</a><img src=/a%20b.png srcset="/a%20b.png 2x">"##,
        ),
        ("/d/page.html", "text/html", b"<base href=/><a href=about>1</a><a href=#x>2</a><iframe srcdoc='<a href=gone>'>"),
        ("/about", "text/html; charset=utf-8", b"<p style=\"background:url('a%20b.png')\"><a href='./'>home</a>"),
        ("/s.css?v=1", "text/css", b"@import 't.css'; p { background: url(/a%20b.png) }"),
        ("/t.css", "text/css", b"p { color: red }"),
        ("/a%20b.png", "image/png", b"<a href=/about>"),
    ]);
    let (place, server) = (Place::new(), serve(&site));
    let ran = crawl(&place, &server, &[]).exits(3);
    assert!(ran.stderr.contains("converted the links of 4 files"), "{}", ran.stderr);
    let gone = server.url("/gone");
    let index = format!(
        r##"<link rel=stylesheet href="s.css@v=1.css" data-integrity=sha256-x><a href="d/page.html#part">1</a><a href=about@.html>2</a>
            <a href="{gone}">3</a><a href="http://127.0.0.2:9/x">4</a><a href="#here">5</a><img src=a%20b.png srcset="a%20b.png 2x">"##
    );
    has(&place, "index.html", index);
    let page = format!(
        "<base href=./><a href=../about@.html>1</a><a href=../index.html#x>2</a><iframe srcdoc='<a href={gone}>'>"
    );
    has(&place, "d/page.html", page);
    has(&place, "about@.html", "<p style=\"background:url('a%20b.png')\"><a href='index.html'>home</a>");
    has(&place, "s.css@v=1.css", "@import 't.css'; p { background: url(a%20b.png) }");
    has(&place, "t.css", "p { color: red }");
    has(&place, "a b.png", "<a href=/about>");
    place.has_no_parts();
    // The times are the server's, whether the bytes changed or not.
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    for name in ["index.html", "t.css"] {
        let path = files_below(&place.path("download")).into_keys().find(|path| path.ends_with(name)).unwrap();
        assert_eq!(fs::metadata(place.path("download").join(path)).unwrap().modified().unwrap(), time);
    }
}

#[test]
fn a_page_keeps_its_encoding_and_the_bytes_around_its_links() {
    let (utf_16, expected_16): (Vec<u8>, Vec<u8>) = {
        let encode = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_be_bytes).collect() };
        (
            [b"\xfe\xff", &*encode("<p>\u{fc}<a href=/\u{fc}>\u{20ac}<a href=/>")].concat(),
            [b"\xfe\xff", &*encode("<p>\u{fc}<a href=%C3%BC@>\u{20ac}<a href=index.html>")].concat(),
        )
    };
    let site = pages(&[
        ("/", "text/html", b"<a href=1><a href=2><a href=3><a href=4><a href=5>\xff\xfe\0"),
        ("/1", "text/html; charset=iso-8859-1", b"\xfc\x80<a href='/\xfc'>\xe4</a><a href='/?q=\xfc'>"),
        ("/2", "text/html; charset=shift_jis", b"\x83\x5c\x83\x5c<a href='/\x83\x5c'>\x83\x5c<a href='/'>\x81"),
        ("/3", "text/html", &utf_16),
        ("/4", "text/html", b"<meta charset=gbk><a href='/x\x81'>\xc4\xe3<a href='/'>"),
        ("/5", "text/css; charset=windows-1252", b"/* \xfc */ a { b: url(/\xfc) url('/') }"),
        ("/%C3%BC", "text/plain", b"x"),
    ]);
    let (place, server) = (Place::new(), serve(&site));
    crawl(&place, &server, &[]).exits(3);
    let absolute = |path: &str| server.url(path);
    has(
        &place,
        "index.html",
        b"<a href=1@.html><a href=2@.html><a href=3@.html><a href=4@.html><a href=5@.css>\xff\xfe\0",
    );
    let one = [b"\xfc\x80<a href='%C3%BC@'>\xe4</a><a href='", absolute("/?q=%FC").as_bytes(), b"'>"].concat();
    has(&place, "1@.html", one);
    let gone = absolute("/%E3%82%BD");
    let two = [b"\x83\x5c\x83\x5c<a href='", gone.as_bytes(), b"'>\x83\x5c<a href='index.html'>\x81"];
    has(&place, "2@.html", two.concat());
    assert!(place.files()["3@.html"] == expected_16, "{:?}", String::from_utf8_lossy(&place.files()["3@.html"]));
    let gone = absolute("/x%EF%BF%BD");
    let four = [b"<meta charset=gbk><a href='", gone.as_bytes(), b"'>\xc4\xe3<a href='index.html'>"];
    has(&place, "4@.html", four.concat());
    has(&place, "5@.css", b"/* \xfc */ a { b: url(%C3%BC@) url('index.html') }");
}

#[test]
fn later_runs_find_the_links_of_converted_pages_and_change_nothing() {
    let site = pages(&[
        (
            "/",
            "text/html",
            b"<link rel=stylesheet href=style><a href=about>1</a><a href=/to/more>2</a><a href=/new>3</a>",
        ),
        ("/about", "text/html", b"<base href=/d/><a href=../about>1</a><a href=deep>2</a>"),
        ("/d/deep", "", b"<html><a href=/>home</a>"),
        ("/more", "text/html", b"<a href=more?x=1&amp;y>1</a>"),
        ("/more?x=1&y", "text/html", b"no links"),
        ("/style", "text/css", b"@import 'second'; p { content: '</p>' }"),
        ("/second", "text/css", b"p { background: url(image) }"),
        ("/image", "image/png", b"x"),
    ]);
    let (place, server) = (Place::new(), serve(&site));
    crawl(&place, &server, &[]).exits(3);
    let first = files_below(&place.path("download"));
    assert_eq!(place.names().len(), 9, "{:?}", place.names());
    for args in [&["-N"][..], &["-N", "-c"]] {
        let ran = crawl(&place, &server, args).exits(3);
        assert!(ran.stderr.contains("converted the links of 0 files"), "{}", ran.stderr);
        assert_eq!(files_below(&place.path("download")), first);
        assert_eq!(place.report().0.len(), 9, "a 304 hides no link");
    }
    // Even without --convert-links, all links of an unchanged page are found.
    let ran = place.crawl(&["-N", "-l", "inf", &server.url("/")]).exits(3);
    assert_eq!(place.report().0.len(), 9, "{}", ran.stderr);
    // Links to pages that are saved now lead to their files, and new pages are converted.
    site.lock().unwrap().insert("/new", ("text/html", b"<a href=about>1</a>".to_vec()));
    let ran = crawl(&place, &server, &["-N"]).exits(0);
    assert!(ran.stderr.contains("converted the links of 2 files"), "{}", ran.stderr);
    has(&place, "new@.html", "<a href=about@.html>1</a>");
    assert!(String::from_utf8_lossy(&place.files()["index.html"]).contains("<a href=new@.html>3</a>"));
    // Without -N the pages are fetched again, and are the same after conversion.
    let last = files_below(&place.path("download"));
    crawl(&place, &server, &[]).exits(0);
    let mut again = files_below(&place.path("download"));
    for name in last.keys().filter(|name| !name.starts_with(".saved")) {
        assert!(again.remove(name).as_ref() == last.get(name), "{name}");
    }
    assert_eq!(again.len(), 1, "{:?}", again.keys());
}

#[test]
fn a_run_without_the_option_writes_no_list_and_converts_nothing() {
    let site = pages(&[("/", "text/html", b"<a href=/about>1</a>"), ("/about", "text/html", b"")]);
    let (place, server) = (Place::new(), serve(&site));
    place.crawl(&[&server.url("/")]).exits(0);
    assert_eq!(place.names(), ["about", "index.html"]);
    has(&place, "index.html", "<a href=/about>1</a>");
}

#[test]
fn a_page_of_many_links_is_converted_in_pieces() {
    let filler = "<p>text</p>".repeat(100);
    let body: String = (0..3_000).map(|n| format!("<a href=/about#{n}>{filler}</a>")).collect();
    let expected = body.replace("/about", "about@.html");
    let site = pages(&[("/", "text/html", body.as_bytes()), ("/about", "text/html", b"")]);
    let (place, server) = (Place::new(), serve(&site));
    let ran = crawl(&place, &server, &[]).exits(0);
    assert!(place.files()["index.html"] == expected.as_bytes());
    assert!(!ran.stderr.contains("slow"), "{}", ran.stderr);
}

#[test]
fn an_interrupt_during_the_conversion_leaves_whole_files_and_says_how_to_go_on() {
    let filler = "<p>text</p>".repeat(100);
    let body = |name: &str| -> String { (0..2_000).map(|n| format!("<a href={name}#{n}>{filler}</a>")).collect() };
    let (before, after) = (body("/1.html"), body("1.html"));
    let paths = ["/1.html", "/2.html", "/3.html", "/4.html", "/5.html", "/6.html"];
    let index = paths.map(|path| format!("<a href={path}>x</a>")).concat();
    let large = paths.map(|path| (path, "text/html", before.as_bytes()));
    let site = pages(&[&[("/", "text/html", index.as_bytes())], &large[..]].concat());
    let (place, server) = (Place::new(), serve(&site));

    let running = place.start_crawl(&["--convert-links", &server.url("/")]);
    let saved = place.path(&format!("download/127.0.0.1_{}", server.port()));
    let files = || paths.map(|path| fs::read(saved.join(&path[1..])).unwrap_or_default());
    let is_converting = || files().iter().all(|file| !file.is_empty()) && !place.parts().is_empty();
    eventually("a file is being converted", is_converting);
    running.signal(Signal::INT);
    running.wait().exits(130).says("not all links are converted; run the command again with -N");
    assert!(files().iter().all(|file| [before.as_bytes(), after.as_bytes()].contains(&&**file)));
    assert!(files().iter().any(|file| file == before.as_bytes()));

    crawl(&place, &server, &["-N"]).exits(0);
    assert!(files().iter().all(|file| file == after.as_bytes()));
    place.has_no_parts();
}

/// Checks a saved site, beginning at this file, over `demo serve`: no link is broken. Returns the number of pages.
#[track_caller]
fn check_from_disk(place: &Place, start: &str) -> usize {
    let serving = Serving::start(place, &["--root", place.path("download").to_str().unwrap()]);
    place.run(&["check", "--no-external", "--report", "check.jsonl", &serving.url(start)]).exits(0);
    fs::read_to_string(place.path("check.jsonl")).unwrap().lines().count()
}

#[test]
fn the_built_in_site_works_from_disk() {
    let place = Place::new();
    place.run(&["crawl", "--convert-links", "-p", "--report", "report.jsonl"]).exits(0);
    let saved = place.report().0.iter().filter(|line| line.text("path").is_some()).count();
    let checked = check_from_disk(&place, "/built-in-site/index.html");
    assert!(checked >= saved && saved > 100, "{checked} of {saved} files are linked");
}

#[test]
fn rusts_documentation_works_from_disk() {
    let Some(docs) = super::real_site::docs() else { return };
    let place = Place::new();
    let serving = Serving::start(&place, &["--root", docs.to_str().unwrap()]);
    place
        .run(&["crawl", "--convert-links", "-p", "--no-parent", "-l", "inf", &serving.url("/book/index.html")])
        .exits(0);
    let server = serving.address.to_string().replace(':', "_");
    drop(serving);
    let checked = check_from_disk(&place, &format!("/{server}/book/index.html"));
    assert!(checked > 100, "only {checked} files are linked");
}
