//! `--dry-run`: what would be saved, without saving it.

use std::fs;
use tests::demo::Place;
use tests::faults::FaultServer;

/// Checks that the folder contains only these.
#[track_caller]
fn has_only(place: &Place, names: &[&str]) {
    let mut there: Vec<_> = fs::read_dir(place.path("")).unwrap().flatten().map(|entry| entry.file_name()).collect();
    there.sort();
    assert_eq!(there, names);
}

#[test]
fn a_download_lists_each_url_with_its_file_and_requests_nothing() {
    let server = FaultServer::start(|visit| visit.page("a page"));
    let place = Place::new();
    let (a, b) = (server.url("/a.txt"), server.url("/d/b"));
    let ran = place.run(&["download", "--dry-run", &a, &b, &a, "-P", "to"]).exits(0);
    assert_eq!(ran.stdout, format!("{a} → to/a.txt\n{b} → to/b\n"));
    let ran = place.run(&["download", "--dry-run", &a, "--output", "some/where"]).exits(0);
    assert_eq!(ran.stdout, format!("{a} → some/where\n"));
    let ran = place.run(&["download", "--dry-run", &a, "--output", "-"]).exits(0);
    assert_eq!(ran.stdout, format!("{a} → standard output\n"));
    // A password is not printed.
    let ran = place.run(&["download", "--dry-run", "http://u:secret@x/f"]).exits(0);
    assert_eq!(ran.stdout, "http://x/f → ./f\n");
    // Files of the same name get the names that a download gives them.
    let (c, d) = (server.url("/1/x.txt"), server.url("/2/x.txt"));
    let listed = place.run(&["download", "--dry-run", &c, &d, "-P", "saved"]).exits(0).stdout;
    has_only(&place, &[]);
    assert_eq!(server.requests().len(), 0);
    place.run(&["download", &c, &d, "-P", "saved"]).exits(0);
    for line in listed.lines() {
        assert!(place.path(line.split_once(" → ").unwrap().1).is_file(), "{line}");
    }
}

#[test]
fn a_crawl_lists_what_it_would_save_and_fetches_pages_for_their_links() {
    let server = FaultServer::start(|visit| match visit.path.as_str() {
        "/" => visit.links(["/a", "/i.png", "/gone", "/moved", "/text"]),
        "/moved" => visit.redirect("/b"),
        "/i.png" => visit.answer("200 OK", "Content-Type: image/png\r\n", vec![0; 200_000]),
        "/text" => visit.answer("200 OK", "Content-Type: text/plain\r\n", "text"),
        "/gone" => visit.answer("404 Not Found", "", ""),
        "/a" => visit.links(["/b"]),
        _ => visit.page("the last page"),
    });
    let place = Place::new();
    let ran = place.run(&["crawl", "--dry-run", "-c", "-N", &server.url("/")]).exits(3);
    has_only(&place, &[]);
    let listed = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let ran = ran.says("5 pages would be saved under download; nothing was saved").says("[404]");
    let dry = listed(&ran.stdout);
    assert_eq!(dry.len(), 5, "{dry:?}");
    for line in &dry {
        let (url, file) = line.split_once(" → ").unwrap();
        assert!(url.starts_with("http://") && file.starts_with("download/127.0.0.1_"), "{line}");
    }
    // A crawl saves exactly these. Either of two URLs may lead to `/b` first.
    let files = |lines: &[String]| {
        let mut files: Vec<_> = lines.iter().map(|line| line.split_once(" → ").unwrap().1.to_owned()).collect();
        files.sort();
        files
    };
    place.crawl(&[&server.url("/")]).exits(3);
    let saved: Vec<String> = tests::demo::files_below(&place.path("download")).into_keys().collect();
    assert_eq!(files(&dry), saved.into_iter().map(|file| format!("download/{file}")).collect::<Vec<_>>());
    // With a media type, pages of other types are not listed.
    let ran = place.run(&["crawl", "--dry-run", "--accept-type", "text/*", &server.url("/")]).exits(3);
    assert!(!ran.stdout.contains("i.png") && ran.stdout.contains("/text"), "{}", ran.stdout);
}
