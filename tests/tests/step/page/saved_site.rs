//! Sites that `demo crawl --convert-links` saved, opened from disk in a browser: nothing is missing.

use super::browser::Browser;
use super::{DESKTOP, SMALL};
use std::path::{Path, PathBuf};
use tests::demo::{Place, Serving, files_below};
use tests::faults::FaultServer;

/// The directory of the one server that was crawled.
fn saved(place: &Place) -> PathBuf {
    let entries = std::fs::read_dir(place.path("download")).unwrap().map(|entry| entry.unwrap().path());
    let mut directories: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    assert_eq!(directories.len(), 1, "{directories:?}");
    directories.remove(0)
}

/// Opens a page from disk, and checks that it and all its requisites load.
#[track_caller]
fn opens(browser: &mut Browser, page: &Path) {
    browser.open(page, DESKTOP);
    let failed = browser.failed_requests();
    assert!(failed.is_empty(), "{}: {failed:#?}", page.display());
}

#[test]
fn a_site_with_each_kind_of_part_is_whole_from_disk() {
    const SVG: &str = "<svg xmlns='http://www.w3.org/2000/svg' width='8' height='8'><rect width='8' height='8'/></svg>";
    let server = FaultServer::start(|visit| {
        let with = |kind: &str| format!("Content-Type: {kind}\r\n");
        match visit.path.as_str() {
            "/start" => visit.answer(
                "200 OK",
                &with("text/html; charset=iso-8859-1"),
                b"<!doctype html><base href='/parts/'><link rel=stylesheet href=style integrity=sha256-AAAA crossorigin>
                <link rel=preload as=image href=image%3Fx imagesrcset='image%3Fx 1x, two.svg 2x'>
                <script src='script?v=1&w=2' integrity=sha256-AAAA></script><p class=\xfc>\xfc</p>
                <img id=image src='image%3Fx'><img id=set srcset='two.svg 1x'><img id=other src='/to'>
                <iframe src='frame'></iframe><iframe srcdoc='<img src=two.svg>'></iframe><svg><image href=two.svg /></svg>
                <p id=styled style='background-image: url(\"two.svg\")'>text</p><a id=link href='frame#part'>frame</a>" as &[u8],
            ),
            "/parts/style" => visit.answer("200 OK", &with("text/css"), "@import 'more.css?a=b'; p { background: url(two.svg) }"),
            "/parts/more.css?a=b" => visit.answer("200 OK", &with("text/css"), "p { color: rgb(1, 2, 3) }"),
            "/parts/script?v=1&w=2" => visit.answer("200 OK", &with("text/javascript"), "window.loaded = 7"),
            "/parts/image%3Fx" | "/parts/two.svg" | "/real" => visit.answer("200 OK", &with("image/svg+xml"), SVG),
            "/to" => visit.redirect("/real"),
            "/parts/frame" => visit.page("<!doctype html><p id=part>part</p><a href=../start>back</a>"),
            _ => visit.answer("404 Not Found", "", ""),
        }
    });
    let Some(mut browser) = Browser::start() else { return };
    let place = Place::new();
    place.crawl(&["--convert-links", "-p", "--ignore-robots", &server.url("/start")]).exits(0);
    drop(server);
    let page = saved(&place).join("start@.html");
    opens(&mut browser, &page);
    assert_eq!(browser.eval("window.loaded"), 7);
    assert_eq!(browser.eval("getComputedStyle(document.getElementById('styled')).color"), "rgb(1, 2, 3)");
    assert_eq!(browser.eval("document.querySelector('p').className"), "\u{fc}");
    for image in ["image", "set", "other"] {
        assert_eq!(browser.eval(&format!("document.getElementById('{image}').naturalWidth")), 8, "{image}");
    }
    let link = browser.eval("document.getElementById('link').href");
    let frame = saved(&place).join("parts/frame@.html");
    assert_eq!(link, format!("file://{}#part", frame.display()));
    opens(&mut browser, &frame);
    browser.is_content();
}

#[test]
fn the_built_in_site_is_whole_from_disk() {
    let Some(mut browser) = Browser::start() else { return };
    let place = Place::new();
    place.run(&["crawl", "--convert-links", "-p"]).exits(0);
    let site = saved(&place);
    let pages: Vec<String> = files_below(&site).into_keys().filter(|name| name.ends_with(".html")).collect();
    assert!(pages.len() > 100, "{pages:?}");
    for page in pages.iter().step_by(pages.len() / 12) {
        opens(&mut browser, &site.join(page));
    }
    browser.open(&site.join("index.html"), SMALL);
    let first = browser.eval("[...document.links].find((link) => !link.hash).href");
    let path = first.as_str().unwrap().strip_prefix("file://").expect("a link to a file");
    assert!(Path::new(path).is_file(), "{path}");
}

#[test]
fn rusts_book_is_whole_from_disk() {
    let docs = std::process::Command::new("rustc").args(["--print", "sysroot"]).output().unwrap().stdout;
    let docs = Path::new(String::from_utf8(docs).unwrap().trim()).join("share/doc/rust/html");
    let (true, Some(mut browser)) = (docs.join("book/index.html").is_file(), Browser::start()) else {
        println!("skipped: no documentation at {}; `rustup component add rust-docs`", docs.display());
        return;
    };
    let place = Place::new();
    let serving = Serving::start(&place, &["--root", docs.to_str().unwrap()]);
    place.run(&["crawl", "--convert-links", "-p", "--no-parent", "-l", "1", &serving.url("/book/")]).exits(0);
    drop(serving);
    for page in ["index.html", "foreword.html"] {
        opens(&mut browser, &saved(&place).join("book").join(page));
    }
}
