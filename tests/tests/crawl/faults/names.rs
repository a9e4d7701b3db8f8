//! Names of files and links.

use super::{GOOD, meet};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path};
use tests::demo::Place;
use tests::faults::FaultServer;

/// Paths that would lead out of the directory, or that some system does not accept as file names.
const STRANGE: [&str; 35] = [
    "/../../etc/passwd",
    "/%2e%2e/%2e%2e/etc/group",
    "/..%2f..%2f..%2fetc%2fpasswd",
    "/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "/..%5c..%5cetc%5cpasswd",
    "/..\\..\\etc\\hosts",
    "/....//....//etc/passwd",
    "/%252e%252e%252fetc%252fpasswd",
    "/%2fetc%2fpasswd",
    "/%2Fetc/passwd",
    "/.//etc//passwd",
    "/C:/windows/win.ini",
    "/C%3A%5Cwindows",
    "/CON",
    "/con.txt",
    "/aux/nul.html",
    "/com1.tar.gz",
    "/%FF%FE",
    "/%C3",
    "/a%00b",
    "/%00",
    "/line%0d%0abreak",
    "/%1b%5b31mred",
    "/.parts",
    "/.parts/0",
    "/~",
    "/name.",
    "/name%20",
    "/...",
    "/%20",
    "/*%3F%7C%3C%3E%22",
    "/q?../../etc/passwd",
    "/q?/etc/passwd",
    "/q?%2e%2e%2f",
    "/d/?..",
];

/// [`STRANGE`], and paths with long segments.
fn strange_paths() -> Vec<String> {
    let long = "x".repeat(300);
    let umlauts = "%C3%BC".repeat(300);
    let long = [
        format!("/{long}"),
        format!("/{long}y"),
        format!("/{long}.html"),
        format!("/{long}/{long}"),
        format!("/{umlauts}"),
        format!("/q?{long}"),
        format!("/x.{long}"),
    ];
    STRANGE.map(String::from).into_iter().chain(long).collect()
}

#[test]
fn whatever_a_page_is_called_its_file_is_below_the_output_folder() {
    let named = strange_paths();
    let links = named.clone();
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.links(&links),
        path => {
            let body = format!("the page {path}");
            visit.answer("200 OK", "Content-Disposition: attachment; filename=\"../../evil\"\r\n", body)
        }
    });
    let place = Place::new();
    place.crawl(&[&server.url("/")]).exits(0);

    let outside: BTreeSet<_> =
        fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(outside, BTreeSet::from(["download".to_owned(), "report.jsonl".to_owned()]));
    let report = place.report();
    assert_eq!(report.0.len(), 1 + named.len(), "each link is another page: {:#?}", report.urls());
    let mut files = BTreeSet::new();
    for line in &report.0 {
        let path = Path::new(line.is_saved().text("path").unwrap());
        assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{line:?}");
        assert!(path.components().all(|part| part.as_os_str().len() <= 143), "{line:?}");
        assert!(!path.to_str().unwrap().contains(|c: char| c.is_control() || "\\:*?\"<>|".contains(c)), "{line:?}");
        let saved = fs::read_to_string(place.path("download").join(path)).unwrap();
        if line.path_of_url() != "/" {
            assert_eq!(saved, format!("the page {}", line.path_of_url()));
        }
        assert!(files.insert(path.to_owned()), "two pages in one file: {line:?}");
    }
    place.has_no_parts();
}

#[test]
fn a_path_longer_than_a_system_accepts_affects_only_its_own_page() {
    let met = meet(&[], |visit| match visit.path.as_str() {
        "/bad" => visit.redirect(&"/a-rather-long-name".repeat(400)), // 7600 bytes
        _ => visit.page("deep"),
    });
    let code = if met.ran.status.success() { 0 } else { 3 };
    met.others_are_well(code);
    if code == 0 {
        assert_eq!(fs::read(met.place.path("download").join(met.bad().text("path").unwrap())).unwrap(), b"deep");
    }
}

#[test]
fn a_symbolic_link_that_leads_out_is_never_written_through() {
    let server = FaultServer::start(|visit| match visit.path.as_str() {
        "/" => visit.links(["/folder/x", "/absolute/x", "/file", "/dangling", "/good"]),
        _ => visit.page("written by the crawl"),
    });
    let place = Place::new();
    let ours = place.path("download").join(format!("127.0.0.1_{}", server.port()));
    let outside = place.path("outside");
    fs::create_dir_all(&ours).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "precious").unwrap();
    symlink("../../outside", ours.join("folder")).unwrap();
    symlink(&outside, ours.join("absolute")).unwrap();
    symlink("../../outside/file", ours.join("file@")).unwrap();
    symlink("../../outside/new", ours.join("dangling@")).unwrap();

    let ran = place.crawl(&[&server.url("/")]);
    assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "precious");
    let there: Vec<_> = fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(there, ["file"], "something was written outside");
    // A page that can only be saved outside is a failure. The others replace the symbolic link.
    ran.exits(3);
    let report = place.report();
    report.of("/folder/x").failed(Some(200), "cannot save it");
    report.of("/absolute/x").failed(Some(200), "cannot save it");
    for path in ["/file", "/dangling", "/good"] {
        report.of(path).is_saved();
        assert_eq!(fs::read_to_string(ours.join(format!("{}@", &path[1..]))).unwrap(), "written by the crawl");
    }
    place.has_no_parts();
}

#[test]
fn a_folder_for_parts_that_is_a_symbolic_link_leading_out_is_refused() {
    let server = FaultServer::start(|visit| visit.page("x".repeat(1_000_000)));
    let place = Place::new();
    fs::create_dir_all(place.path("download")).unwrap();
    fs::create_dir(place.path("outside")).unwrap();
    symlink("../outside", place.path("download/.parts")).unwrap();
    place.crawl(&[&server.url("/")]).exits(1).says("cannot save under download");
    assert_eq!(fs::read_dir(place.path("outside")).unwrap().count(), 0);
    assert_eq!(server.requests().len(), 0, "it is seen before anything is fetched");
}

#[test]
fn a_page_beside_a_folder_of_its_name_and_pages_that_differ_in_the_query_are_files_of_their_own() {
    for links in [["/a", "/a/b", "/x?1", "/x?2"], ["/x?2", "/a/b", "/x?1", "/a"]] {
        let server = FaultServer::start(move |visit| match visit.path.as_str() {
            "/" => visit.links(links),
            path => {
                let body = format!("the page {path}");
                visit.page(body)
            }
        });
        for jobs in ["1", "8"] {
            let place = Place::new();
            place.crawl(&[&server.url("/"), "-j", jobs]).exits(0);
            let (report, mut files) = (place.report(), BTreeSet::new());
            for link in links {
                let path = report.of(link).is_saved().text("path").unwrap();
                assert_eq!(fs::read_to_string(place.path("download").join(path)).unwrap(), format!("the page {link}"));
                files.insert(path);
            }
            assert_eq!(files.len(), 4);
        }
    }
}

/// A crawl into the folder of an earlier one brings it up to date, whatever the order in which pages
/// come this time.
#[test]
fn a_second_crawl_into_the_same_folder_is_as_good_as_the_first() {
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        // Pages are requested in the order of the links.
        "/" => match visit.attempt {
            1 => visit.links(["/a", "/a/b", "/c/d", "/c"]),
            _ => visit.links(["/a/b", "/a", "/c", "/c/d"]),
        },
        path => {
            let body = format!("the page {path}");
            visit.page(body)
        }
    });
    let place = Place::new();
    for run in 1..=3 {
        let ran = place.crawl(&[&server.url("/"), "-j", "1"]);
        let report = place.report();
        assert_eq!(ran.status.code(), Some(0), "run {run}: {}", ran.stderr);
        for link in ["/a", "/a/b", "/c/d", "/c"] {
            let path = report.of(link).is_saved().text("path").unwrap();
            assert_eq!(fs::read_to_string(place.path("download").join(path)).unwrap(), format!("the page {link}"));
        }
        // The files of an earlier run were replaced: a stale copy could not be told from a page.
        assert_eq!(place.names().len(), 5, "run {run}: {:?}", place.names());
    }
}

#[test]
fn a_page_that_is_linked_in_twenty_spellings_is_fetched_once() {
    let server = FaultServer::start(|visit| match visit.path.as_str() {
        "/a/b" => {
            let host = visit.header("Host").expect("a request names the host");
            let port = host.rsplit_once(':').expect("and the port").1.to_owned();
            let absolute = |host: &str| format!("{host}:{port}/a/c");
            visit.links(
                [
                    "c",
                    "./c",
                    "../a/c",
                    "/a/c",
                    "c#x",
                    "c#",
                    "c?",
                    "c?#x",
                    "%63",
                    "/%61/c",
                    "/a/./c",
                    "/a/b/../c",
                    "/x/../a/c",
                    "././././c",
                    "/a/%2e/c",
                    "/a/b/%2E%2E/c",
                    "/../a/c",
                    " c\n",
                    "c\t",
                ]
                .map(String::from)
                .into_iter()
                .chain(
                    ["http://127.0.0.1", "HTTP://127.0.0.1", "//127.0.0.1", "http://127.1", "http://0x7f000001"]
                        .map(absolute),
                ),
            )
        }
        _ => visit.page(GOOD),
    });
    let place = Place::new();
    place.crawl(&[&server.url("/a/b")]).exits(0);
    let paths: Vec<_> = server.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/a/b", "/a/c"]);
    assert_eq!(place.report().urls(), ["/a/b", "/a/c"]);
    assert_eq!(place.names(), ["a/b", "a/c"]);
}

/// A site in which every page links to two new ones.
fn maze() -> FaultServer {
    FaultServer::start(|visit| {
        let n: u64 = visit.path.trim_start_matches("/maze/").parse().unwrap_or(0);
        visit.links([2 * n + 1, 2 * n + 2].map(|n| n.to_string()))
    })
}

#[test]
fn an_endless_maze_ends_at_the_depth_limit() {
    let (maze, place) = (maze(), Place::new());
    place.crawl(&[&maze.url("/maze/0"), "--depth", "5"]).exits(0);
    assert_eq!((maze.requests().len(), place.files().len(), place.report().0.len()), (63, 63, 63));
    assert_eq!(place.report().0.iter().map(|line| line.number("depth").unwrap()).max(), Some(5));
}

#[test]
fn an_endless_maze_ends_at_the_page_limit() {
    for jobs in ["1", "64"] {
        let (maze, place) = (maze(), Place::new());
        let ran = place.crawl(&[&maze.url("/maze/0"), "--depth", "inf", "--max-pages", "40", "-j", jobs]).exits(0);
        assert_eq!((maze.requests().len(), place.files().len(), place.report().0.len()), (40, 40, 40));
        ran.says("known and not fetched");
    }
}
