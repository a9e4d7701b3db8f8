//! The built-in site is crawled whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::demo::{Place, Serving};
use tests::faults::{FaultServer, Gate};

// ---- the built-in site ----

/// The files that a crawl of the built-in site saves, as `demo/src/site/pages.rs` describes it.
fn all_pages() -> BTreeSet<String> {
    let mut pages: Vec<String> = ["index.html", "style.css", "dot.svg", "spelling"].map(String::from).to_vec();
    let mut level = vec!["tree/".to_owned()];
    for _ in 0..=4 {
        pages.extend(level.iter().map(|branch| format!("{branch}index.html")));
        level = level.iter().flat_map(|branch| (0..3).map(move |n| format!("{branch}{n}/"))).collect();
    }
    pages.extend((0..12).map(|n| format!("ring/{n}")));
    pages.push("diamond/0/0".to_owned());
    pages.extend((1..5).flat_map(|layer| (0..4).map(move |n| format!("diamond/{layer}/{n}"))));
    pages.extend(["length", "chunked", "close"].map(|name| format!("framing/{name}")));
    pages.push("redirect/landing".to_owned());
    pages.extend(SIZES.map(|(name, _)| format!("size/{name}")));
    pages.into_iter().collect()
}

const SIZES: [(&str, usize); 8] = [
    ("0", 0),
    ("1", 1),
    ("1k", 1024),
    ("16k", 16 * 1024),
    ("64k", 64 * 1024),
    ("256k", 256 * 1024),
    ("1m", 1024 * 1024),
    ("8m", 8 * 1024 * 1024),
];

const REDIRECTS: [&str; 7] = ["moved", "found", "see-other", "temporary", "permanent", "twice", "thrice"];

fn names(files: &BTreeMap<String, Vec<u8>>) -> BTreeSet<String> {
    files.keys().cloned().collect()
}

#[test]
fn without_arguments_the_built_in_site_is_crawled_whole() {
    let place = Place::new();
    let ran = place.run(&[]).exits(0);
    assert_eq!(ran.stdout, "");
    let files = place.files();
    assert_eq!(names(&files), all_pages());
    assert_eq!(files.len(), 166);
    ran.says("166 pages saved under download").says("6 redirects led to pages already known");

    let largest = &files["size/8m"];
    for (name, size) in SIZES {
        let bytes = &files[&format!("size/{name}")];
        assert_eq!(bytes.len(), size);
        assert!(largest.starts_with(bytes), "size/{name} is not the beginning of the same noise");
    }
    // The first word of xorshift64, worked out by hand from the seed in pages.rs.
    let mut first = 0x9e37_79b9_7f4a_7c15_u64;
    for (left, by) in [(true, 13), (false, 7), (true, 17)] {
        first ^= if left { first << by } else { first >> by };
    }
    assert!(largest.starts_with(&first.to_le_bytes()));
    let once = String::from_utf8(files["framing/length"].clone()).unwrap();
    assert!(once.starts_with("<!doctype html>") && once.ends_with("</html>\n"), "{once}");
    let chunked = String::from_utf8(files["framing/chunked"].clone()).unwrap();
    assert_eq!(chunked, once.replace("length", "chunked").repeat(40));
    assert_eq!(files["framing/close"], once.replace("length", "close").as_bytes());
    place.has_no_parts();
}

#[test]
fn the_report_has_one_line_for_each_url_with_the_documented_fields() {
    let place = Place::new();
    place.crawl(&[]).exits(0);
    let (report, files) = (place.report(), place.files());

    let mut urls: Vec<String> = all_pages().into_iter().map(|file| file.replace("index.html", "")).collect();
    urls.retain(|url| url != "redirect/landing"); // fetched for the first redirect that led there
    urls.extend(REDIRECTS.map(|name| format!("redirect/{name}")));
    let mut urls: Vec<_> = urls.into_iter().map(|url| format!("/{url}")).collect();
    urls.sort_unstable();
    assert_eq!(report.urls(), urls);

    let fields = [
        "url",
        "final_url",
        "status",
        "bytes",
        "content_type",
        "depth",
        "referrer",
        "attempts",
        "elapsed_ms",
        "cause",
        "error",
        "path",
    ];
    let mut saved = BTreeSet::new();
    for line in &report.0 {
        let there: BTreeSet<_> = line.0.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(there, BTreeSet::from(fields));
        assert!(line.text("url").unwrap().starts_with("http://127.0.0.1:"), "{line:?}");
        assert!(line.0["elapsed_ms"].as_f64().is_some_and(|ms| ms > 0.0 && ms < 60_000.0), "{line:?}");
        assert_eq!((line.text("error"), line.number("attempts") >= Some(1)), (None, true), "{line:?}");
        let is_start = line.path_of_url() == "/";
        assert_eq!(line.number("depth") == Some(0), is_start, "{line:?}");
        assert_eq!(line.text("referrer").is_none(), is_start, "{line:?}");
        let is_redirect = REDIRECTS.iter().any(|name| line.path_of_url() == format!("/redirect/{name}"));
        assert_eq!(line.text("final_url").is_some(), is_redirect, "{line:?}");
        if let Some(path) = line.text("path") {
            let bytes = fs::metadata(place.path("download").join(path)).unwrap().len();
            assert_eq!((line.number("status"), line.number("bytes")), (Some(200), Some(bytes)), "{line:?}");
            assert!(saved.insert(path), "two URLs in one file: {line:?}");
        } else {
            assert!(is_redirect && matches!(line.number("status"), Some(301..=308)), "{line:?}");
        }
    }
    assert_eq!(saved.len(), files.len());
    assert_eq!(
        report.0.iter().filter(|line| line.text("final_url").is_some() && line.text("path").is_some()).count(),
        1
    );

    let leaf = report.of("/tree/0/1/2/");
    assert_eq!(leaf.number("depth"), Some(4));
    assert!(leaf.text("referrer").unwrap().ends_with("/tree/0/1/"), "{leaf:?}");
    assert_eq!(leaf.text("content_type"), Some("text/html; charset=utf-8"));
    assert_eq!(report.of("/ring/6").number("depth"), Some(7), "six links away from /ring/0, which is one");
}

#[test]
fn one_page_at_a_time_gives_the_same_files() {
    let place = Place::new();
    place.crawl(&["-j", "1", "-x", "1"]).exits(0);
    assert_eq!(names(&place.files()), all_pages());
    // Breadth first: a page is never fetched after one that is further away.
    let depths: Vec<_> = place.report().0.iter().map(|line| line.number("depth").unwrap()).collect();
    assert!(depths.is_sorted(), "{depths:?}");
}

#[test]
fn more_jobs_than_pages_give_the_same_files() {
    let place = Place::new();
    place.crawl(&["-j", "500", "-x", "500"]).exits(0);
    assert_eq!(names(&place.files()), all_pages());
}

#[test]
fn depth_0_is_the_first_page_and_depth_1_what_it_links_to() {
    let place = Place::new();
    place.crawl(&["--depth", "0"]).exits(0);
    assert_eq!(place.names(), ["index.html"]);

    let place = Place::new();
    place.crawl(&["-l", "1"]).exits(0);
    let mut linked = BTreeSet::from(
        ["index.html", "style.css", "spelling", "tree/index.html", "ring/0", "diamond/0/0", "redirect/landing"]
            .map(String::from),
    );
    linked.extend(SIZES.map(|(name, _)| format!("size/{name}")));
    linked.extend(["length", "chunked", "close"].map(|name| format!("framing/{name}")));
    assert_eq!(names(&place.files()), linked);
    assert!(place.report().0.iter().all(|line| line.number("depth") <= Some(1)));
}

#[test]
fn max_pages_is_the_number_of_urls_that_are_fetched() {
    for pages in ["1", "5"] {
        let place = Place::new();
        place.crawl(&["--max-pages", pages]).exits(0).says("known and not fetched");
        assert_eq!(place.report().0.len().to_string(), pages);
        place.has_no_parts();
    }
}

#[test]
fn pages_that_fail_are_counted_and_named_and_the_exit_code_is_3() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    let urls = ["/trouble/circle", "/trouble/failure", "/trouble/missing", "/ring/0"].map(|path| serving.url(path));
    let args: Vec<_> = urls.iter().map(String::as_str).chain(["--depth", "0"]).collect();
    let ran = place.crawl(&args).exits(3);
    for (url, why) in urls.iter().zip(["[redirect] ", "[500] ", "[404] "]) {
        let line = ran.stderr.lines().find(|line| line.contains(url)).unwrap_or_default();
        assert!(line.trim_start().starts_with(why), "about {url}: {}", ran.stderr);
    }
    ran.says("1 page saved").says("3 pages failed");
    assert_eq!(place.names(), ["ring/0"]);
}

/// A large page comes in many pieces, and each of them may have links. Here there is a link before each
/// 64 KiB, and one at the very end.
#[test]
fn links_anywhere_in_a_large_page_are_found() {
    for kilobytes in [100, 300, 1000] {
        let last = kilobytes / 64 + 1;
        let server = FaultServer::start(move |visit| {
            if visit.path != "/" {
                return visit.page("");
            }
            let filling = "x".repeat(64 * 1024);
            let mut html: String = (0..last).map(|n| format!("<a href=/{n}>x</a>{filling}")).collect();
            html.truncate(kilobytes * 1024);
            visit.page(html + &format!("<a href=/{last}>the end</a>"))
        });
        let place = Place::new();
        place.crawl(&[&server.url("/")]).exits(0);
        for n in 0..=last {
            assert_eq!(server.hits(&format!("/{n}")), 1, "link {n} of {last} in a page of {kilobytes} KiB");
        }
    }
}

#[test]
fn no_parent_stays_within_the_folder() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    place.crawl(&[&serving.url("/tree/1/"), "--no-parent"]).exits(0);
    assert_eq!(place.files().len(), 40);
    assert!(place.names().iter().all(|name| name.starts_with("tree/1/")), "{:?}", place.names());
}

#[test]
fn a_url_that_is_given_twice_is_fetched_once() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    let (one, other) = (serving.url("/ring/0"), serving.url("/tree/../ring/0#x"));
    place.crawl(&[&one, &other, "-l", "0"]).exits(0);
    assert_eq!(place.report().urls(), ["/ring/0"]);
}

// ---- how much at once ----

/// Crawls 40 pages that each wait until `expected` requests are in progress. Returns the highest number of
/// requests in progress at once.
#[track_caller]
fn most_at_once(args: &[&str], expected: usize) -> usize {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, peak, full) = (now.clone(), most.clone(), Gate::default());
    let server = FaultServer::start(move |visit| {
        if visit.path == "/" {
            return visit.links((0..40).map(|n| format!("/{n}")));
        }
        let there = count.fetch_add(1, Ordering::SeqCst) + 1;
        peak.fetch_max(there, Ordering::SeqCst);
        if there == expected {
            visit.open(&full);
        }
        visit.until_open(&full);
        count.fetch_sub(1, Ordering::SeqCst);
        visit.page("")
    });
    let place = Place::new();
    place.crawl(&[&[&*server.url("/")], args].concat()).exits(0);
    assert_eq!(place.files().len(), 41);
    most.load(Ordering::SeqCst)
}

#[test]
fn as_many_pages_as_the_options_allow_are_fetched_at_once_and_no_more() {
    // With fewer requests at once, the crawl would hang.
    for (args, expected) in
        [(&["-j", "1"] as &[_], 1), (&["-j", "5"], 5), (&["-x", "3"], 3), (&[], 16), (&["-j", "40", "-x", "40"], 40)]
    {
        assert_eq!(most_at_once(args, expected), expected, "{args:?}");
    }
}

#[test]
fn connections_are_used_again() {
    let server = FaultServer::start(|visit| match visit.path.as_str() {
        "/" => visit.links((0..60).map(|n| format!("/{n}"))),
        _ => visit.page(""),
    });
    let place = Place::new();
    place.crawl(&[&server.url("/"), "-j", "4"]).exits(0);
    assert!(server.connections() <= 4, "{} connections for 4 at once", server.connections());
}

#[test]
fn a_request_names_the_client_and_the_host() {
    let server = FaultServer::start(|visit| {
        assert_eq!(visit.header("Accept"), Some("*/*"));
        assert!(visit.header("User-Agent").is_some_and(|agent| agent.starts_with("demo/")));
        let host = visit.header("Host").unwrap_or_default().to_owned();
        visit.page(host)
    });
    let place = Place::new();
    place.crawl(&[&server.url("/a%20b/%C3%BC?q=%20&r#fragment")]).exits(0);
    assert_eq!(server.requests()[0].path, "/a%20b/%C3%BC?q=%20&r");
    assert_eq!(place.files()["a b/ü@q= &r"], format!("127.0.0.1:{}", server.port()).as_bytes());
}
