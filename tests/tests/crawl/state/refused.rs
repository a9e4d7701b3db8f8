//! Files that cannot be used, and commands that do not fit their file: an error, before anything is fetched or replaced.

use std::fs;
use tests::demo::{Place, Ran, Running};
use tests::faults::{FaultServer, Gate};

fn site() -> FaultServer {
    FaultServer::start(|visit| match visit.path.as_str() {
        "/" => visit.links(["/a"]),
        _ => visit.page("a page"),
    })
}

/// Checks that nothing was requested, and that an earlier report is unchanged, and so is the file if it is not a state.
#[track_caller]
fn refused(place: &Place, server: &FaultServer, args: &[&str], code: i32) -> Ran {
    let (state, requests) = (fs::read(place.path("state")).ok(), server.requests().len());
    fs::write(place.path("report.jsonl"), "kept").unwrap();
    let ran = place.crawl(args).exits(code);
    // On a busy machine, the runtime may report a slow poll.
    let said: Vec<_> = ran.stderr.lines().filter(|line| !line.starts_with("executor: ")).collect();
    assert!(said.len() == 1 && said[0].starts_with("demo: --state "), "{}", ran.stderr);
    if code == 1 {
        assert!(fs::read(place.path("state")).ok() == state, "the file is as it was");
    }
    assert_eq!(fs::read_to_string(place.path("report.jsonl")).unwrap(), "kept");
    assert_eq!(server.requests().len(), requests);
    assert!(!place.path("state.new").exists());
    ran
}

#[test]
fn a_new_file_needs_a_url() {
    let (place, server) = (Place::new(), site());
    refused(&place, &server, &["--state", "state"], 2).says("holds no crawl yet: give the URL at which to begin");
    assert!(!place.path("state").exists());
    fs::write(place.path("state"), "").unwrap();
    refused(&place, &server, &["--state", "state"], 2).says("holds no crawl yet");
    place.crawl(&["--state", "state", &server.url("/")]).exits(0); // an empty file, as mktemp creates it
    place.crawl(&["--state", "state"]).exits(0).says("this crawl is complete");
}

#[test]
fn other_urls_and_other_options_are_refused() {
    let (place, server) = (Place::new(), site());
    let url = server.url("/");
    place.crawl(&["--state", "state", "-l", "3", &url]).exits(0);
    let other = server.url("/other");
    for urls in [&[other.as_str()][..], &[&url, &other]] {
        let ran = refused(&place, &server, &[&["--state", "state", "-l", "3"], urls].concat(), 2);
        ran.says(&format!("it is the crawl of {url}: omit the URLs to continue it, or give another FILE"));
    }
    for options in [&["-l", "4"][..], &["--span-hosts"], &["-l", "3", "-P", "elsewhere"], &[]] {
        let ran = refused(&place, &server, &[&["--state", "state", &url], options].concat(), 2);
        ran.says("it is a crawl with `--depth=3`: repeat its options to continue it");
    }
}

#[test]
fn a_login_is_not_kept_and_does_not_make_it_another_crawl() {
    let (place, server) = (Place::new(), site());
    let with_login = server.url("/").replace("://", "://user:secret@");
    place.crawl(&["--state", "state", &with_login]).exits(0);
    let bytes = fs::read(place.path("state")).unwrap();
    assert!(!bytes.windows(6).any(|six| six == b"secret"));
    place.crawl(&["--state", "state", &server.url("/")]).exits(0).says("this crawl is complete");
}

#[test]
fn a_file_that_another_process_uses_is_refused() {
    let gate = Gate::default();
    let opened = gate.clone();
    let server = FaultServer::start(move |visit| {
        visit.until_open(&opened);
        visit.page("a page")
    });
    let place = Place::new();
    let running = place.start_crawl(&["--state", "state", &server.url("/")]);
    server.until_requests(1);
    let args = ["--state", "state", &server.url("/")];
    let ran = place.run(&[&["crawl"], &args[..]].concat()).exits(1);
    ran.says("demo: --state state: another process is using it: wait until that has ended, or give another FILE");
    assert_eq!(server.requests().len(), 1);
    server.open(&gate);
    running.wait().exits(0);
    place.crawl(&args).exits(0).says("this crawl is complete");
}

#[test]
fn a_file_of_another_kind_or_in_no_directory_is_refused() {
    let (place, server) = (Place::new(), site());
    for content in ["x", "notes that someone needs\n", "redb", &"long ".repeat(100_000)] {
        fs::write(place.path("state"), content).unwrap();
        let ran = refused(&place, &server, &["--state", "state", &server.url("/")], 1);
        ran.says("it is not the state of a crawl: give another FILE");
    }
    fs::create_dir(place.path("directory")).unwrap();
    for (path, says) in [
        ("directory", "not the state"),
        ("/dev/null", "not the state"),
        ("none/x", "No such file"),
        ("/proc/x", "cannot open it"),
    ] {
        refused(&place, &server, &["--state", path, &server.url("/")], 1).says(says);
    }
}

/// The file of a small crawl, truncated and with bytes changed.
#[test]
fn a_damaged_file_is_refused_or_continued_but_never_breaks_the_program() {
    let (place, server) = (Place::new(), site());
    let url = server.url("/");
    place.crawl(&["--state", "state", &url]).exits(0);
    let whole = fs::read(place.path("state")).unwrap();
    let cuts = [10, 100, 320, 4096, 5000, whole.len() / 2, whole.len() - 4096, whole.len() - 1];
    for cut in cuts {
        fs::write(place.path("state"), &whole[..cut]).unwrap();
        let ran = place.run(&["crawl", "--state", "state", &url]).exits(1);
        let says = ran.stderr.lines().last().unwrap();
        assert!(says.starts_with("demo: --state state: it is "), "{cut} bytes: {}", ran.stderr);
    }
    for at in (0..whole.len()).step_by(whole.len() / 60) {
        let mut changed = whole.clone();
        changed[at..(at + 16).min(whole.len())].iter_mut().for_each(|byte| *byte ^= 0xff);
        fs::write(place.path("state"), &changed).unwrap();
        let ran = place.run(&["crawl", "--state", "state", &url]);
        match ran.status.code() {
            Some(0) => {}
            Some(1) => {
                let says = ran.stderr.lines().last().unwrap();
                assert!(says.starts_with("demo: --state state: it is "), "{at}: {}", ran.stderr);
            }
            _ => panic!("changed at {at}: {}; {}", ran.status, ran.stderr),
        }
    }
}

/// As on a full disk: from some size on, the file cannot grow. The crawl continues from what was written before.
#[test]
fn a_file_that_cannot_grow_ends_the_crawl_which_is_continued_later() {
    let server = FaultServer::start(|visit| match visit.path.as_str() {
        "/" => visit.links((0..200).map(|n| format!("/{n}?{}", "q".repeat(2000)))),
        _ => visit.page("a page"),
    });
    let place = Place::new();
    let url = server.url("/");
    // In blocks of 512 bytes. The signal would end the program.
    let script = "trap '' XFSZ; ulimit -f 800 && exec \"$@\"";
    let ran = Running::start(&mut place.shell(script, &["crawl", "--state", "state", &url])).wait().exits(1);
    ran.says("demo: --state state: File too large").says("the same command continues the crawl");
    place.crawl(&["--state", "state", &url]).exits(0).says("201 pages saved");
    assert_eq!(place.report().0.len(), 201);
}

#[test]
fn a_process_that_is_killed_while_it_begins_leaves_nothing_in_the_way() {
    let (place, server) = (Place::new(), site());
    for leftover in [&b""[..], b"half a header", &[0; 5000]] {
        fs::write(place.path("state.new"), leftover).unwrap();
        let running = place.start_crawl(&["--state", "state", &server.url("/")]);
        running.wait().exits(0);
        assert!(!place.path("state.new").exists());
        fs::remove_file(place.path("state")).unwrap();
    }
}
