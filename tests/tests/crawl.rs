//! The downloader's daily work: the site that it brings along, its options and messages, and its
//! other half, `demo serve`.
//!
//! Alone: `cargo test -p tests --test crawl`. It needs nothing but the loopback.

use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};
use tests::demo::{Place, Ran, Report, Running, Serving, demo};
use tests::faults::{After, FaultServer, Gate};

// ---- the built-in site -------------------------------------------------------------------------

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
    assert!(place.path("download/built-in-site/index.html").exists(), "whatever the port");
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
fn more_at_once_than_there_are_pages_gives_the_same_files() {
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
    for (url, why) in urls.iter().zip(["circle", "500 Internal Server Error", "404 Not Found"]) {
        let line = ran.stderr.lines().find(|line| line.contains(url)).unwrap_or_default();
        assert!(line.starts_with("failed: ") && line.contains(why), "about {url}: {}", ran.stderr);
    }
    ran.says("1 page saved").says("3 pages failed");
    assert_eq!(place.names(), ["ring/0"]);
}

/// A large page comes in many pieces, and each of them may have links: here between any two of 64 KiB,
/// and one at the very end.
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

// ---- how much at once --------------------------------------------------------------------------

/// Crawls 40 pages that each wait until as many as `expected` are there, and says how many there were
/// at most.
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
fn as_many_pages_as_asked_for_are_under_way_at_once_and_no_more() {
    // That many come, or the crawl would hang.
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
fn a_request_says_who_asks_and_whom() {
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

// ---- what a person sees ------------------------------------------------------------------------

#[test]
fn quiet_prints_nothing() {
    let place = Place::new();
    let ran = place.run(&["-q"]).exits(0);
    assert_eq!((ran.stdout, ran.stderr), (String::new(), String::new()));
    assert_eq!(place.files().len(), 166);
}

#[test]
fn quiet_still_prints_what_went_wrong() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    let url = serving.url("/trouble/failure");
    let ran = place.run(&["-q", &url]).exits(3);
    assert_eq!(ran.stderr.lines().count(), 1, "one error, one line: `{}`", ran.stderr);
    ran.says(&url).says("500 Internal Server Error");
}

#[test]
fn without_a_terminal_no_control_character_is_printed() {
    for args in [&[] as &[&str], &["-v"]] {
        let ran = Place::new().run(args).exits(0);
        let odd: Vec<_> = ran.stderr.chars().filter(|c| c.is_control() && *c != '\n').collect();
        assert!(odd.is_empty(), "{odd:?} in {}", ran.stderr);
    }
}

#[test]
fn what_a_server_says_cannot_control_the_terminal() {
    let server = FaultServer::start(|visit| match visit.path.as_str() {
        "/" => visit.links(["/\u{1b}[31mred\u{7}", "/location", "/c1", "/reason", "/type", "/length"]),
        "/location" => visit.redirect("http://\u{1b}]0;title\u{7}/"),
        // The same beginning in one character, which may stand in a head.
        "/c1" => visit.redirect("http://a b/\u{9b}31mred"),
        "/reason" => visit.answer("404 \u{1b}[31mred", "", ""),
        "/type" => visit.answer("200 OK", "Content-Type: \u{1b}[31mred\r\n", ""),
        "/length" => {
            visit.send("HTTP/1.1 200 OK\r\nContent-Length: \u{1b}[31m\r\n\r\n");
            After::Close
        }
        _ => visit.answer("404 Not Found", "", ""),
    });
    let ran = Place::new().run(&["-v", &server.url("/")]).exits(3);
    assert!(!ran.stderr.contains(|c: char| c.is_control() && c != '\n'), "{:?}", ran.stderr);
}

#[test]
fn verbose_prints_a_line_for_each_url() {
    let place = Place::new();
    let ran = place.crawl(&["-v"]).exits(0);
    for line in place.report().0 {
        let (url, status) = (line.text("url").unwrap().to_owned(), line.number("status").unwrap().to_string());
        let about: Vec<_> = ran.stderr.lines().filter(|said| said.split_whitespace().any(|word| word == url)).collect();
        // A redirect's line names where it leads as well, and no two lead to a page with its own line.
        let own: Vec<_> = about.iter().filter(|said| said.starts_with(&status)).collect();
        assert!(!own.is_empty(), "no line about {url} with {status}: {about:?}");
    }
    assert_eq!(ran.stderr.lines().filter(|line| line.contains("ms http://")).count(), 172);
}

#[test]
fn a_report_to_standard_output_is_all_that_is_there() {
    let place = Place::new();
    let ran = place.run(&["crawl", "--report", "-"]).exits(0);
    assert_eq!(Report::parse(&ran.stdout).0.len(), 172);
    assert!(!place.path("-").exists());
}

/// Whoever follows a report sees a page when it is done, not when the crawl is.
#[test]
fn a_line_of_the_report_is_there_as_soon_as_its_page_is_done() {
    let gate = Gate::default();
    let opened = gate.clone();
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.links(["/slow"]),
        _ => {
            visit.until_open(&opened);
            visit.page("")
        }
    });
    let place = Place::new();
    let running = Running::start(&mut place.command(&["crawl", "--report", "-", &server.url("/")]));
    server.until_requests(2);
    let start = Instant::now();
    while running.stdout().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(5), "`/` is done, and its line does not come");
        thread::sleep(Duration::from_millis(5));
    }
    server.open(&gate);
    assert_eq!(Report::parse(&running.wait().exits(0).stdout).urls(), ["/", "/slow"]);
}

#[test]
fn a_report_that_cannot_be_written_is_named_before_anything_is_fetched() {
    let server = FaultServer::start(|visit| visit.page(""));
    let place = Place::new();
    let ran = place.run(&["crawl", &server.url("/"), "--report", "/no/such/dir/x"]).exits(1);
    ran.says("cannot write the report /no/such/dir/x: No such file");
    assert_eq!(server.requests().len(), 0);
    place.has_no_parts();
}

/// The program at the other end of a pipe may have seen enough.
#[test]
fn a_report_that_nobody_reads_any_more_is_a_failure_and_no_panic() {
    let place = Place::new();
    let mut shell = Command::new("sh");
    // What the demo printed and how it ended, since a shell tells us of the last in a pipe alone.
    shell.args(["-c", "{ \"$0\" -q --report -; echo \"exit $?\" >&2; } | head -c 1 >/dev/null"]).arg(demo());
    let ran = Running::start(shell.current_dir(place.path(""))).wait();
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    let code = ran.stderr.lines().last().unwrap_or_default().to_owned();
    // Or all went into the pipe before it was closed.
    assert!(["exit 1", "exit 0"].contains(&&*code), "{}", ran.stderr);
}

// ---- wrong usage -------------------------------------------------------------------------------

#[track_caller]
fn wrong(args: &[&str]) -> Ran {
    let place = Place::new();
    let ran = place.run(args).exits(2);
    assert_eq!(ran.stdout, "");
    let left: Vec<_> = fs::read_dir(place.path("")).unwrap().flatten().collect();
    assert!(left.is_empty(), "nothing is begun: {left:?}");
    ran
}

#[test]
fn a_wrong_url_is_refused_with_what_to_write_instead() {
    wrong(&["http://"]).says("`http://` is not a URL").says("host");
    wrong(&["http://127.0.0.1:99999/"]).says("is not a URL").says("port");
    wrong(&["http://[::1/"]).says("is not a URL");
    wrong(&["localhost:80"]).says("http://localhost:80");
    wrong(&["localhost:80/x?y"]).says("http://localhost:80/x?y");
    wrong(&["example.org"]).says("http://example.org");
    wrong(&["//example.org/x"]).says("http://example.org/x");
    wrong(&["ftp://example.org/"]).says("`ftp:`").says("http:");
    wrong(&["nonsense://example.org/"]).says("`nonsense:`").says("http:");
    wrong(&["file:///etc/passwd"]).says("`file:`").says("http:");
    wrong(&["https://example.org/"]).says("https is not supported").says("http");
    wrong(&[""]).says("is not a URL");
    // All that is wrong, at once.
    wrong(&["a.example", "http://good.example/", "ftp://b.example/"]).says("http://a.example").says("ftp://b.example/");
}

#[test]
fn a_url_with_too_few_slashes_is_shown_as_it_should_be() {
    for text in ["http:example.org/x", "http:/example.org/x"] {
        wrong(&[text]).says("http://example.org/x");
    }
}

#[test]
fn a_wrong_duration_is_refused_with_what_to_write_instead() {
    for option in ["--connect-timeout", "--header-timeout", "--idle-timeout"] {
        wrong(&[option, "soon"]).says("soon").says(option).says("500ms, 3s or 2m");
        wrong(&[option, "5"]).says("500ms, 3s or 2m");
        wrong(&[option, "0s"]).says("at least 1ms");
    }
}

#[test]
fn a_wrong_size_is_refused_with_what_to_write_instead() {
    for size in ["large", "", "5 apples"] {
        wrong(&["--max-size", size]).says("--max-size").says("64M");
    }
}

#[test]
fn a_number_out_of_range_is_refused_with_the_range() {
    wrong(&["-j", "0"]).says("1..=10000");
    wrong(&["-x", "0"]).says("1..=10000");
    wrong(&["-j", "10001"]).says("1..=10000");
    wrong(&["-j", "many"]).says("--jobs");
    wrong(&["--max-pages", "0"]).says("--max-pages");
    wrong(&["--depth", "deep"]).says("write a number, or `inf`");
}

#[test]
fn options_that_are_unknown_or_contradict_each_other_are_refused() {
    wrong(&["--no-such-option"]).says("--no-such-option").says("--help");
    wrong(&["-q", "-v"]).says("--quiet").says("--verbose");
    wrong(&["--max-page", "5"]).says("--max-pages");
    wrong(&["serve", "--delay", "1s", "--root", "."]).says("--delay").says("--root");
    wrong(&["serve", "--listen", "somewhere"]).says("--listen");
    wrong(&["serve", "http://example.org/"]).says("http://example.org/");
}

#[test]
fn wrong_options_of_serve_are_refused_with_what_to_write_instead() {
    wrong(&["serve", "--delay", "1"]).says("1s");
    wrong(&["serve", "--listen", "8080"]).says("127.0.0.1:8080");
}

#[test]
fn help_fits_100_columns_and_names_all_options_and_exit_codes() {
    let options = [
        "--jobs",
        "--per-host",
        "--depth",
        "--no-parent",
        "--max-pages",
        "--max-size",
        "--max-redirects",
        "--retries",
        "--connect-timeout",
        "--header-timeout",
        "--idle-timeout",
        "--directory-prefix",
        "--report",
        "--quiet",
        "--verbose",
        "--help",
    ];
    let serve = ["--listen", "--delay", "--root", "--help"];
    let exits = ["0  success", "1  internal error", "2  wrong usage", "3  some URLs failed", "130  interrupted"];
    for (args, expected) in [
        (&["--help"] as &[_], &[&options[..], &exits, &["crawl", "serve", "--version"]].concat()),
        (&["-h"], &options.to_vec()),
        (&["crawl", "--help"], &[&options[..], &exits].concat()),
        (&["serve", "--help"], &serve.to_vec()),
        (&["help", "serve"], &serve.to_vec()),
    ] {
        let ran = Place::new().run(args).exits(0);
        assert_eq!(ran.stderr, "");
        for name in expected {
            assert!(ran.stdout.contains(name), "{args:?} does not name {name}:\n{}", ran.stdout);
        }
        for line in ran.stdout.lines() {
            assert!(line.chars().count() <= 100, "{args:?}: a line of {} columns: {line}", line.chars().count());
        }
    }
    let version = Place::new().run(&["--version"]).exits(0).stdout;
    assert!(version.starts_with("demo ") && version.contains('.'), "{version}");
}

// ---- demo serve: the built-in site -------------------------------------------------------------

#[test]
fn serve_says_where_and_answers_there_until_ctrl_c() {
    for signal in [Signal::INT, Signal::TERM] {
        let place = Place::new();
        let serving = Serving::start(&place, &[]);
        assert!(serving.running.stdout().contains("Ctrl-C"), "{}", serving.running.stdout());
        assert!(serving.get("/").text().contains("The built-in site"));
        let _idle = serving.connect(); // does not hold it up
        serving.running.signal(signal);
        serving.running.wait().exits(130);
    }
}

#[test]
fn serve_with_a_delay_delays_each_answer_and_all_of_them_at_once() {
    let place = Place::new();
    let serving = Serving::start(&place, &["--delay", "100ms"]);
    let ready = Barrier::new(16);
    let start = Instant::now();
    thread::scope(|scope| {
        for n in 0..16 {
            let (serving, ready) = (&serving, &ready);
            scope.spawn(move || {
                ready.wait();
                let before = Instant::now();
                assert_eq!(serving.get(&format!("/ring/{}", n % 12)).status, 200);
                assert!(before.elapsed() >= Duration::from_millis(100), "it was not delayed");
            });
        }
    });
    // One after the other they take 1.6 s.
    assert!(start.elapsed() < Duration::from_millis(1200), "16 at once took {:?}", start.elapsed());
}

#[test]
fn a_crawl_of_a_slow_site_waits_for_many_pages_at_once() {
    let place = Place::new();
    let serving = Serving::start(&place, &["--delay", "100ms"]);
    let ran = place.crawl(&[&serving.url("/tree/"), "--no-parent"]).exits(0);
    assert_eq!(place.files().len(), 121);
    // 121 pages, 16 at once, are some ten rounds; one at a time is 12.1 s.
    assert!(ran.took < Duration::from_secs(8), "it took {:?}", ran.took);
}

#[test]
fn a_second_server_on_the_same_port_says_so_and_exits_with_1() {
    let place = Place::new();
    let first = Serving::start(&place, &[]);
    let address = first.address.to_string();
    let ran = place.run(&["serve", "--listen", &address]).exits(1);
    ran.says(&format!("cannot listen on {address}")).says("in use").says("--listen");
    assert_eq!(first.get("/").status, 200);
}

#[test]
fn a_directory_that_is_not_there_cannot_be_served() {
    let place = Place::new();
    place.run(&["serve", "--listen", "127.0.0.1:0", "--root", "nowhere"]).exits(1).says("cannot serve nowhere");
    fs::write(place.path("file"), "").unwrap();
    place.run(&["serve", "--listen", "127.0.0.1:0", "--root", "file"]).exits(1).says("cannot serve file");
}

/// The head of an answer without its date: a second may have gone by since another answer.
fn undated(answer: &tests::demo::Answer) -> String {
    answer.head.lines().filter(|line| !line.starts_with("date: ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn head_has_the_fields_of_get_and_no_body() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    for path in ["/", "/size/0", "/size/1m", "/style.css", "/redirect/moved", "/none"] {
        let get = serving.get(path);
        let head = serving.raw(format!("HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        assert_eq!((head.status, undated(&head)), (get.status, undated(&get)), "of {path}");
        assert_eq!(head.body, b"");
        assert_eq!(get.field("content-length").unwrap(), get.body.len().to_string(), "of {path}");
    }
}

/// Reads one answer with a length from a connection that stays open.
#[track_caller]
fn one_answer(stream: &mut (impl Read + ?Sized)) -> (u16, Vec<u8>) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).expect("a body");
    (status, body)
}

#[test]
fn a_connection_is_kept_for_further_requests_also_if_they_come_at_once_or_in_pieces() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    let mut stream = serving.connect();
    for _ in 0..3 {
        stream.write_all(b"GET /size/1k HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert_eq!(one_answer(&mut stream).1.len(), 1024);
    }
    // A missing page is no reason to close.
    stream.write_all(b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(one_answer(&mut stream).0, 404);
    // Three at once, with a body that nobody asked for.
    stream.write_all(b"GET /size/1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /size/1k HTTP/1.1\r\nHost: x\r\n\r\nGET /size/0 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!([1, 2, 3].map(|_| one_answer(&mut stream).1.len()), [1, 1024, 0]);
    for byte in b"GET /size/1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" {
        stream.write_all(&[*byte]).unwrap();
    }
    assert_eq!(one_answer(&mut stream).1.len(), 1);
    stream.write_all(b"GET /size/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(one_answer(&mut stream).1.len(), 1);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "closed, as it was asked to");
    // HTTP/1.0 closes unless it is asked not to.
    let old = serving.raw("GET /size/1 HTTP/1.0\r\n\r\n");
    assert_eq!((old.status, old.body.len(), old.field("connection")), (200, 1, Some("close")));
}

/// HTTP/1.0 knows no chunks: whoever asks that way can't read them.
#[test]
fn an_http_1_0_client_is_not_sent_chunks() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    let answer = serving.raw("GET /framing/chunked HTTP/1.0\r\n\r\n");
    assert_eq!(answer.field("transfer-encoding"), None, "{}", answer.head);
    assert!(answer.text().starts_with("<!doctype html>"));
}

// ---- demo serve: what is not a good request ----------------------------------------------------

/// The server refused, in words, and still serves others.
#[track_caller]
fn refuses(serving: &Serving, request: impl AsRef<[u8]>, status: u16) -> tests::demo::Answer {
    let answer = serving.raw(request);
    assert_eq!(answer.status, status, "{}", answer.head);
    let length: usize = answer.field("content-length").expect("a length").parse().unwrap();
    assert_eq!(answer.body.len(), length, "the body is as long as promised: {}", answer.head);
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(serving.get("/size/1").status, 200);
    answer
}

#[test]
fn rubbish_is_answered_with_400() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    for request in [
        "rubbish\r\n\r\n",
        "GET\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "GET / HTTP/nine\r\n\r\n",
        "GET nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        // A proxy before us might take the one, we the other (RFC 9112, 6.1).
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n",
    ] {
        refuses(&serving, request, 400);
    }
    // TLS where there is none.
    refuses(&serving, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03rubbish\r\n\r\n", 400);
}

#[test]
fn http_1_1_without_a_host_is_answered_with_400() {
    let place = Place::new();
    refuses(&Serving::start(&place, &[]), "GET / HTTP/1.1\r\n\r\n", 400);
}

#[test]
fn a_request_in_the_form_for_proxies_is_answered_too() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    let request = format!("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", serving.url("/size/1"));
    let answer = serving.raw(request);
    assert_eq!((answer.status, answer.body.len()), (200, 1)); // RFC 9112, 3.2.2
}

#[test]
fn other_methods_are_answered_with_405_and_what_is_allowed() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let request = format!("{method} / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
        let answer = refuses(&serving, request, 405);
        assert_eq!(answer.field("allow"), Some("GET, HEAD"), "{}", answer.head); // RFC 9110, 15.5.6
    }
}

#[test]
fn a_huge_head_is_answered_with_431() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    refuses(&serving, format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(100_000)), 431);
    refuses(&serving, format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: x\r\n".repeat(1000)), 431);
    refuses(&serving, format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(100_000)), 431);
}

#[test]
fn a_huge_body_is_answered_with_413() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    let head = "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n";
    refuses(&serving, format!("{head}{}", "x".repeat(200_000)), 413);
}

#[test]
fn a_bad_chunk_in_a_request_concerns_its_own_connection_alone() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    let mut stream = serving.connect();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert_eq!(serving.get("/size/1").status, 200);
    assert!(!serving.running.stderr().contains("panicked"), "{}", serving.running.stderr());
}

// ---- demo serve --root -------------------------------------------------------------------------

/// A directory with a bit of everything, and something precious beside it.
fn root(place: &Place) -> Serving {
    let root = place.path("root");
    for folder in ["sub/deep", "empty", "with index"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::create_dir(place.path("outside")).unwrap();
    fs::write(place.path("secret"), "secret").unwrap();
    fs::write(place.path("outside/secret"), "secret").unwrap();
    let noise: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let exact = 256 * 1024;
    for (name, bytes) in [
        ("empty.txt", &b""[..]),
        ("hello.txt", b"hello"),
        ("page.html", b"<p>page"),
        ("sub/b.css", b"p { color: red }"),
        ("sub/deep/no-extension", b"\0\x01\x02"),
        ("with index/index.html", b"<p>the index"),
        ("a & b <c>.txt", b"odd name"),
        ("\u{fc}ml\u{e4}ut 100%.txt", b"umlauts"),
        ("exact", &noise[..exact]),
        ("larger", &noise[..=exact]),
        ("large.bin", &noise),
    ] {
        fs::write(root.join(name), bytes).unwrap();
    }
    symlink("../secret", root.join("out-file")).unwrap();
    symlink("../outside", root.join("out-folder")).unwrap();
    symlink(place.path("secret"), root.join("out-absolute")).unwrap();
    symlink("out-file", root.join("out-twice")).unwrap();
    symlink("hello.txt", root.join("in-file")).unwrap();
    symlink("sub", root.join("in-folder")).unwrap();
    symlink("../hello.txt", root.join("sub/in-up")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    symlink("circle", root.join("circle")).unwrap();
    Serving::start(place, &["--root", "root"])
}

/// A path as it is written in a URL.
fn escaped(path: &str) -> String {
    path.bytes()
        .map(|b| if b == b'/' || b.is_ascii_alphanumeric() { char::from(b).into() } else { format!("%{b:02x}") })
        .collect()
}

#[test]
fn files_are_served_as_they_are_on_the_disk() {
    let place = Place::new();
    let serving = root(&place);
    let mut compared = 0;
    for (name, bytes) in tests::demo::files_below(&place.path("root")) {
        if fs::symlink_metadata(place.path("root").join(&name)).unwrap().is_symlink() {
            continue;
        }
        let answer = serving.get(&format!("/{}", escaped(&name)));
        assert_eq!(answer.status, 200, "{name}");
        assert!(answer.body == bytes, "{name}: {} bytes, on the disk {}", answer.body.len(), bytes.len());
        assert_eq!(answer.field("content-length"), Some(&*bytes.len().to_string()));
        let head = serving.raw(format!("HEAD /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", escaped(&name)));
        assert_eq!((undated(&head), head.body.len()), (undated(&answer), 0));
        compared += 1;
    }
    assert_eq!(compared, 11);
    for (path, kind) in [
        ("/hello.txt", "text/plain; charset=utf-8"),
        ("/page.html", "text/html; charset=utf-8"),
        ("/sub/b.css", "text/css; charset=utf-8"),
        ("/large.bin", "application/octet-stream"),
        ("/exact", "application/octet-stream"),
        ("/with%20index/", "text/html; charset=utf-8"),
    ] {
        assert_eq!(serving.get(path).field("content-type"), Some(kind), "{path}");
    }
    assert_eq!(serving.get("/hello.txt?query=ignored").text(), "hello");
}

#[test]
fn what_is_not_there_is_404() {
    let place = Place::new();
    let serving = root(&place);
    let long = format!("/{}", "x".repeat(5000));
    for path in ["/none", "/none/", "/hello.txt/", "/hello.txt/x", "/dangling", "/%00", "/hello.txt%00", "/%ff", &long]
    {
        assert_eq!(serving.get(path).status, 404, "{path}");
    }
    assert!(matches!(serving.get("/circle").status, 403 | 404 | 500..), "a link to itself");
}

#[test]
fn nothing_outside_of_the_root_is_served() {
    let place = Place::new();
    let serving = root(&place);
    let absolute = escaped(place.path("secret").to_str().unwrap());
    let paths = [
        "/../secret",
        "/sub/../../secret",
        "/%2e%2e/secret",
        "/%2e%2e%2fsecret",
        "/..%2fsecret",
        "/sub/..%2f..%2fsecret",
        "/%252e%252e/secret",
        "/..%5csecret",
        "/../../../../../../../../etc/passwd",
        "//etc/passwd",
        "/%2fetc/passwd",
        &absolute,
        &format!("/{absolute}"),
        "/out-file",
        "/out-absolute",
        "/out-twice",
        "/out-folder",
        "/out-folder/",
        "/out-folder/secret",
        "/in-folder/../../secret",
        "/../root/hello.txt",
    ];
    for path in paths {
        let answer = serving.get(path);
        assert!(matches!(answer.status, 403 | 404), "{path} is answered with {}", answer.status);
        assert!(!answer.text().contains("secret") && !answer.text().contains("root:"), "{path}: {}", answer.text());
    }
}

#[test]
fn symbolic_links_within_the_root_are_served() {
    let place = Place::new();
    let serving = root(&place);
    for path in ["/in-file", "/sub/in-up", "/in-folder/in-up", "/sub/../hello.txt", "/./sub//../hello.txt"] {
        let answer = serving.get(path);
        assert_eq!((answer.status, answer.text()), (200, "hello".to_owned()), "{path}");
    }
    assert_eq!(serving.get("/in-folder/b.css").status, 200);
}

#[test]
fn a_directory_is_redirected_to_itself_and_shows_its_index_or_a_listing() {
    let place = Place::new();
    let serving = root(&place);
    for (path, to) in [("/sub", "/sub/"), ("/with%20index", "/with%20index/"), ("/in-folder", "/in-folder/")] {
        let answer = serving.get(path);
        assert_eq!((answer.status, answer.field("location")), (301, Some(to)));
    }
    assert_eq!(serving.get("/with%20index/").text(), "<p>the index");
    assert_eq!(serving.get("/empty/").status, 200);
    let listing = serving.get("/").text();
    for (link, text) in
        [("sub/", "sub/"), ("hello%2Etxt", "hello.txt"), ("a%20%26%20b%20%3Cc%3E%2Etxt", "a &amp; b &lt;c>.txt")]
    {
        assert!(listing.contains(&format!("href=\"./{link}\">{text}</a>")), "no {link} in {listing}");
    }
}

/// `//sub` in a `Location` would be a host of that name.
#[test]
fn the_redirect_of_a_directory_stays_on_the_server() {
    let place = Place::new();
    let serving = root(&place);
    for path in ["//sub", "///sub/deep"] {
        let answer = serving.get(path);
        let to = answer.field("location").unwrap_or_default();
        assert!(!to.starts_with("//"), "GET {path} is sent to the host of {to}");
    }
}

/// Opening a pipe waits for its other end, for ever if need be.
#[test]
fn what_is_neither_file_nor_directory_is_404_at_once() {
    let place = Place::new();
    let serving = root(&place);
    assert!(Command::new("mkfifo").arg(place.path("root/pipe")).status().unwrap().success());
    let _socket = UnixListener::bind(place.path("root/socket")).unwrap();
    assert_eq!(serving.get("/socket").status, 404);
    let mut stream = serving.connect();
    stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    stream.write_all(b"GET /pipe HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("an answer, although nobody writes into the pipe");
    assert_eq!(&answer, b"HTTP/1.1 404");
}

#[test]
fn a_served_directory_can_be_crawled_back() {
    let place = Place::new();
    let serving = root(&place);
    // What leads out is listed, refused, and so fails.
    place.crawl(&[&serving.url("/"), "--depth", "inf"]).exits(3);
    for path in ["out-file", "out-folder", "out-absolute", "out-twice", "dangling", "circle"] {
        assert!(place.report().of(&format!("/{path}")).text("error").is_some(), "{path}");
    }
    let (files, root) = (place.files(), place.path("root"));
    assert!(files.values().all(|bytes| bytes != b"secret"));
    for name in ["hello.txt", "sub/b.css", "sub/deep/no-extension", "large.bin", "empty.txt", "exact", "larger"] {
        assert!(files[name] == fs::read(root.join(name)).unwrap(), "{name} differs");
    }
    assert_eq!(files["ümläut 100%.txt"], b"umlauts");
    assert_eq!(files["a & b %3Cc%3E.txt"], b"odd name");
    assert!(Path::new(&place.path("download")).is_dir());
    place.has_no_parts();
}

/// A client that reads slowly, or not at all, holds up nobody else.
#[test]
fn a_client_that_does_not_read_holds_up_nobody() {
    let place = Place::new();
    let serving = root(&place);
    let mut lazy: Vec<_> = (0..20).map(|_| serving.connect()).collect();
    for stream in &mut lazy {
        // More than the sockets' buffers take, so the server has to wait.
        for _ in 0..5 {
            stream.write_all(b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        }
    }
    let start = Instant::now();
    for _ in 0..10 {
        assert_eq!(serving.get("/hello.txt").text(), "hello");
    }
    assert!(start.elapsed() < Duration::from_secs(5), "ten small files took {:?}", start.elapsed());
    // And it is whole when it is read after all.
    let large = fs::read(place.path("root/large.bin")).unwrap();
    assert!(one_answer(&mut lazy[0]).1 == large);
}
