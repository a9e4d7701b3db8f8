//! Files: their names in run after run, what is in their way, their times and checksums, and serving them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::time::{Duration, SystemTime};
use tests::demo::{Place, Serving};
use tests::faults::FaultServer;

/// URLs whose names could depend on the order of arrival, or be the same to some system.
const ALIKE: [&str; 14] = [
    "/blog",
    "/blog/",
    "/blog/index.html",
    "/blog/x",
    "/blog/x/y",
    "/a.html",
    "/A.html",
    "/a.html/b.css",
    "/x?1",
    "/x?2",
    "/x@1",
    "/style.css?v=3",
    "/caf%C3%A9",
    "/cafe%CC%81",
];

/// A site whose first page links to these. Each other page contains its own path.
fn site(links: Vec<&'static str>) -> FaultServer {
    FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.links(&links),
        path => {
            let body = format!("the page {path}");
            visit.page(body)
        }
    })
}

#[test]
fn names_follow_from_the_url_alone() {
    let mut first: BTreeMap<String, String> = BTreeMap::new();
    for run in 0..5 {
        let mut links = ALIKE.to_vec();
        links.rotate_left(run * 3);
        if run % 2 == 1 {
            links.reverse();
        }
        if run > 2 {
            links.truncate(5);
        }
        let (server, place) = (site(links.clone()), Place::new());
        place.crawl(&[&server.url("/"), "-j", if run == 0 { "1" } else { "8" }]).exits(0);
        let report = place.report();
        for link in links {
            let file = report.of(link).is_saved().text("path").unwrap();
            assert_eq!(fs::read_to_string(place.path("download").join(file)).unwrap(), format!("the page {link}"));
            let name = file.split_once('/').unwrap().1.to_owned();
            let known = first.entry(link.to_owned()).or_insert_with(|| name.clone()).clone();
            assert_eq!(known, name, "{link} in run {run}");
        }
    }
    assert_eq!(first["/blog"], "blog@");
    assert_eq!(first["/blog/"], "blog/index.html");
}

#[test]
fn run_after_run_into_one_folder_changes_nothing() {
    let (server, place) = (site(ALIKE.to_vec()), Place::new());
    let mut before = None;
    for jobs in ["1", "64", "3", "16", "2"] {
        place.crawl(&[&server.url("/"), "-j", jobs]).exits(0);
        let files = place.files();
        assert_eq!(files.len(), 1 + ALIKE.len());
        assert_eq!(before.get_or_insert_with(|| files.clone()), &files, "-j {jobs}");
    }
}

#[test]
fn serve_finds_the_files_of_a_crawl_by_their_urls() {
    let (server, place) = (site(ALIKE.to_vec()), Place::new());
    place.crawl(&[&server.url("/")]).exits(0);
    let folder = format!("127.0.0.1_{}", server.port());
    let one = Serving::start(&place, &["--root", &format!("download/{folder}")]);
    let all = Serving::start(&place, &["--root", "download"]);
    for link in ALIKE {
        for answer in [one.get(link), all.get(&format!("/{folder}{link}"))] {
            assert_eq!((answer.status, answer.text()), (200, format!("the page {link}")), "{link}");
            let kind = if link.contains(".css") { "text/css; charset=utf-8" } else { "text/html; charset=utf-8" };
            assert_eq!(answer.field("content-type"), Some(kind), "{link}");
        }
    }
    assert_eq!(one.get("/x?3").status, 404);
    assert_eq!(one.get("/style.css").status, 404);
}

#[test]
fn what_is_in_the_way_of_a_file_is_named_and_stays() {
    let (server, place) = (site(vec!["/d/page.html", "/file.html", "/good.html"]), Place::new());
    let ours = place.path("download").join(format!("127.0.0.1_{}", server.port()));
    fs::create_dir_all(ours.join("file.html")).unwrap();
    fs::write(ours.join("file.html/mine"), "precious").unwrap();
    fs::write(ours.join("d"), "precious, too").unwrap();
    let ran = place.crawl(&[&server.url("/")]).exits(3);
    let at = |name: &str| format!("`127.0.0.1_{}/{name}`", server.port());
    ran.says(&format!("{} is a directory, and {} needs a file there", at("file.html"), at("file.html")))
        .says(&format!("{} is a file, and {} needs a directory there: move it away", at("d"), at("d/page.html")));
    assert_eq!(fs::read_to_string(ours.join("file.html/mine")).unwrap(), "precious");
    assert_eq!(fs::read_to_string(ours.join("d")).unwrap(), "precious, too");
    place.report().of("/good.html").is_saved();
    place.has_no_parts();
}

#[test]
fn leftovers_are_removed_and_nothing_else() {
    let (server, place) = (site(vec![]), Place::new());
    let parts = place.path("download/.parts");
    // A run that ended before it had a lock, one that is over, and files of no run.
    for folder in ["0000000000000001", "0000000000000002"] {
        fs::create_dir_all(parts.join(folder)).unwrap();
    }
    fs::write(parts.join("0000000000000002/lock"), "").unwrap();
    fs::write(parts.join("0000000000000002/part"), "half").unwrap();
    fs::write(parts.join("0000000000000002/part.json"), "{").unwrap();
    fs::write(parts.join("1234-0"), "half").unwrap();
    fs::create_dir(place.path("download/mine")).unwrap();
    fs::write(place.path("download/mine/lock"), "precious").unwrap();
    symlink("../mine", parts.join("0000000000000003")).unwrap();
    place.crawl(&[&server.url("/")]).exits(0);
    place.has_no_parts();
    assert_eq!(fs::read_to_string(place.path("download/mine/lock")).unwrap(), "precious");
}

#[test]
fn a_folder_for_parts_that_is_a_symbolic_link_inside_is_refused() {
    let (server, place) = (site(vec![]), Place::new());
    fs::create_dir_all(place.path("download/mine")).unwrap();
    fs::write(place.path("download/mine/file"), "precious").unwrap();
    symlink("mine", place.path("download/.parts")).unwrap();
    place.crawl(&[&server.url("/")]).exits(1).says("`.parts` exists and is not a directory; remove or rename it");
    assert_eq!(fs::read_to_string(place.path("download/mine/file")).unwrap(), "precious");
}

#[test]
fn a_crawl_goes_on_after_its_standard_error_is_closed() {
    let place = Place::new();
    let mut command = place.command(&["crawl", "-v"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(0), "it went on without it");
    assert!(place.names().len() > 100, "{:?}", place.names());
}

const CHANGED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

#[test]
fn a_file_has_the_time_of_its_last_change() {
    let server = FaultServer::start(|visit| {
        visit.answer("200 OK", &format!("Last-Modified: {CHANGED}\r\nContent-Type: text/plain\r\n"), "x")
    });
    let time_of = |args: &[&str]| {
        let place = Place::new();
        place.crawl(&[&[&*server.url("/x.txt")], args].concat()).exits(0);
        let file = place.path(&format!("download/127.0.0.1_{}/x.txt", server.port()));
        fs::metadata(file).unwrap().modified().unwrap()
    };
    assert_eq!(time_of(&[]), SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777));
    let day_of_test = SystemTime::now() - Duration::from_secs(86_400);
    assert!(time_of(&["--no-use-server-timestamps"]) > day_of_test, "it is the time of the download");
}

#[test]
fn with_n_a_page_that_has_not_changed_keeps_its_file_and_its_links_are_followed() {
    let server = FaultServer::start(|visit| match (visit.path.as_str(), visit.header("If-Modified-Since")) {
        (_, Some(since)) => {
            assert_eq!(since, CHANGED);
            visit.answer("304 Not Modified", "", "")
        }
        ("/", None) => visit.answer(
            "200 OK",
            &format!("Last-Modified: {CHANGED}\r\nContent-Type: text/html\r\n"),
            "<a href=/next.html>x</a>",
        ),
        _ => visit.answer("200 OK", &format!("Last-Modified: {CHANGED}\r\nContent-Type: text/html\r\n"), "next"),
    });
    let place = Place::new();
    place.crawl(&["-N", &server.url("/")]).exits(0);
    let files = place.files();
    place.crawl(&["-N", &server.url("/")]).exits(0);
    assert_eq!(server.requests().len(), 4);
    assert_eq!(place.files(), files);
    for line in &place.report().0 {
        assert_eq!((line.number("status"), line.number("bytes")), (Some(304), Some(0)), "{line:?}");
        line.is_saved();
    }
}

#[test]
fn a_download_with_another_checksum_is_not_saved() {
    let server = FaultServer::start(|visit| visit.answer("200 OK", "ETag: \"x\"\r\n", "abc"));
    let url = server.url("/x.bin");
    let good = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let place = Place::new();
    place.crawl(&["--checksum", good, &url]).exits(0);
    assert_eq!(place.files()["x.bin"], b"abc");
    let place = Place::new();
    let ran = place.crawl(&["--checksum", &good.replace("ad", "ae"), &url]).exits(3);
    ran.says(&format!("its checksum is {good}, not ")).says("nothing was saved");
    assert!(place.names().is_empty(), "{:?}", place.names());
    place.has_no_parts();
    place.crawl(&["--checksum", good, &url, &server.url("/y")]).exits(2).says("exactly one URL, but 2 URLs were given");
    place.crawl(&["--checksum", "md5:00", &url]).exits(2).says("sha256:HEX");
}
