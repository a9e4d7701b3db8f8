//! What the user sees: lines, the report, errors and `--help`.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};
use tests::demo::{Place, Ran, Report, Running, Serving};
use tests::faults::{After, FaultServer, Gate};

// ---- what the user sees ----

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
        // Here one character, which is allowed in a head, begins the control sequence.
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
        // The line of a redirect also names its target, so only lines with the status of this URL count.
        let own: Vec<_> = about.iter().filter(|said| said.starts_with(&status)).collect();
        assert!(!own.is_empty(), "no line about {url} with {status}: {about:?}");
    }
    assert_eq!(ran.stderr.lines().filter(|line| line.contains("ms http://")).count(), 172);
}

#[test]
fn a_report_to_standard_output_is_all_that_is_printed_there() {
    let place = Place::new();
    let ran = place.run(&["crawl", "--report", "-"]).exits(0);
    assert_eq!(Report::parse(&ran.stdout).0.len(), 172);
    assert!(!place.path("-").exists());
}

/// A program that reads the report sees a page when the page is done, not when the crawl is.
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

/// The program at the other end of a pipe may exit early.
#[test]
fn a_report_to_a_closed_pipe_is_a_failure_and_no_panic() {
    let place = Place::new();
    // Prints the exit code of the demo, because a shell returns only that of the last program in a pipe.
    let script = "{ \"$@\"; echo \"exit $?\" >&2; } | head -c 1 >/dev/null";
    let ran = Running::start(&mut place.shell(script, &["-q", "--report", "-"])).wait();
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    let code = ran.stderr.lines().last().unwrap_or_default().to_owned();
    // With 0, all went into the pipe before it was closed.
    assert!(["exit 1", "exit 0"].contains(&&*code), "{}", ran.stderr);
}

// ---- wrong usage ----

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
    wrong(&[""]).says("is not a URL");
    // All errors are printed at once.
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
fn help_fits_80_columns_and_names_all_options_and_exit_codes() {
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
            assert!(line.chars().count() <= 80, "{args:?}: a line of {} columns: {line}", line.chars().count());
        }
    }
    for (command, own) in [("crawl", "Scope:"), ("check", "Scope:"), ("download", "Files:")] {
        let help = |option| Place::new().run(&[command, option]).exits(0).stdout;
        let (short, long) = (help("-h"), help("--help"));
        for heading in [own, "Politeness:", "Limits:", "Output:", "Network:"] {
            assert!(short.lines().any(|line| line == heading), "{command} -h has no {heading}\n{short}");
            assert!(long.lines().any(|line| line == heading), "{command} --help has no {heading}\n{long}");
        }
        assert!(short.lines().count() < 100 && !short.contains("--netrc") && long.contains("--netrc"), "{short}");
    }
    let version = Place::new().run(&["--version"]).exits(0).stdout;
    assert!(version.starts_with("demo ") && version.contains('.'), "{version}");
}
