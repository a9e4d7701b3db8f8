//! Servers that misbehave, and how the downloader handles each; and what may go wrong on the downloader's own machine.
//!
//! Alone: `cargo test -p tests --test crawl faults`. It needs nothing but the loopback; the tests of a full
//! disk mount a small one, and are skipped where that is not allowed.
//!
//! | file | what goes wrong |
//! |---|---|
//! | `connections.rs`, `slowness.rs` | a connection ends or stalls, a name does not resolve, bytes drip in |
//! | `heads.rs`, `fields.rs`, `statuses.rs` | the head of a response; fields that the downloader acts on; statuses |
//! | `bodies.rs`, `codings.rs` | where a body ends, how much it expands |
//! | `redirects.rs`, `names.rs`, `outside.rs` | where redirects lead, names of pages, existing files in the folder |
//! | `rows.rs` | what RFC 9110 and RFC 9112 say, as tables |
//! | `disks.rs`, `killed.rs`, `local.rs` | full disks, SIGKILL, descriptors, interrupts |
//!
//! Most tests run the same crawl: `/` links to `/bad`, the subject of the test, and to `/good`, which the server
//! answers only after a request for `/bad`. Whatever happens at `/bad`, the other pages must be saved, nothing
//! unfinished may be left, and the exit code and the report say what happened.

mod bodies;
mod codings;
mod connections;
mod disks;
mod fields;
mod heads;
mod killed;
mod local;
mod names;
mod outside;
mod redirects;
mod rows;
mod slowness;
mod statuses;

use std::time::Duration;
use tests::demo::{Line, Place, Ran, Report};
use tests::faults::{After, FaultServer, Gate, Visit};

const GOOD: &str = "<p>a good page";

/// The result of a crawl of `/`, which links to `/bad` and to `/good`.
struct Met {
    ran: Ran,
    place: Place,
    report: Report,
    server: FaultServer,
}

/// Crawls a server that answers `/` and `/good` correctly, and all other paths with the script.
#[track_caller]
fn meet(args: &[&str], bad: impl Fn(&mut Visit<'_>) -> After + Send + Sync + 'static) -> Met {
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.links(["/bad", "/good"]),
        "/good" => {
            visit.until_requested("/bad"); // so both are in progress at once
            visit.page(GOOD)
        }
        _ => bad(visit),
    });
    let place = Place::new();
    let ran = place.crawl(&[&[&*server.url("/")], args].concat());
    let report = place.report();
    Met { ran, place, report, server }
}

impl Met {
    /// The line of the report about `/bad`.
    #[track_caller]
    fn bad(&self) -> &Line {
        self.report.of("/bad")
    }

    /// What must hold whatever `/bad` does.
    #[track_caller]
    fn others_are_well(&self, code: i32) {
        let Ran { status, stderr, took, .. } = &self.ran;
        assert_eq!(status.code(), Some(code), "the report says {:#?}\nand the program:\n{stderr}", self.report);
        assert!(*took < Duration::from_secs(15), "it took {took:?}");
        for path in ["/", "/good"] {
            self.report.of(path).is_saved().attempts(1);
        }
        assert_eq!(self.place.files()["good"], GOOD.as_bytes());
        self.place.has_no_parts();
    }

    /// Checks that `/bad` failed, and left no file.
    #[track_caller]
    fn fails(self, status: impl Into<Option<u64>>, error: &str, attempts: u64) -> Met {
        self.others_are_well(3);
        let status = status.into();
        self.bad().failed(status, error).attempts(attempts);
        let is_printed = |text: &str| self.ran.stderr.contains(text);
        let says_why = is_printed(error) || status.is_some_and(|status| is_printed(&format!("[{status}] ")));
        assert!(says_why, "`{error}` is not printed:\n{}", self.ran.stderr);
        assert_eq!(self.place.names(), ["good", "index.html"]);
        self
    }

    /// Checks that `/bad` was saved, with these bytes.
    #[track_caller]
    fn saves(self, body: impl AsRef<[u8]>, attempts: u64) -> Met {
        self.others_are_well(0);
        self.bad().is_saved().attempts(attempts);
        assert_eq!(self.place.names(), ["bad", "good", "index.html"]);
        let (saved, body) = (&self.place.files()["bad"], body.as_ref());
        assert!(saved == body, "saved {} bytes where {} were sent", saved.len(), body.len());
        assert_eq!(self.bad().number("bytes"), Some(body.len() as u64));
        self
    }

    /// The number of the connection on which a path was first requested.
    #[track_caller]
    fn connection_of(&self, path: &str) -> usize {
        let requests = self.server.requests();
        requests.iter().find(|request| request.path == path).expect("it was requested").connection
    }
}

/// Extra bytes may come late. If they come after the connection became idle, the next request on it must
/// not take them for its response.
#[track_caller]
fn late_bytes_are_not_taken_for_a_response(status: &'static str, body: &'static str, extra: &'static str) {
    let (aside, late) = (Gate::default(), Gate::default());
    let (is_aside, is_late) = (aside.clone(), late);
    let server = FaultServer::start(move |visit| match visit.path.as_str() {
        "/" => visit.links(["/bad", "/aside"]),
        // Its connection becomes idle after the response, and then gets more bytes.
        "/bad" => {
            visit.until_requested("/aside");
            visit.send(format!("HTTP/1.1 {status}\r\n\r\n{body}"));
            visit.until_open(&is_aside);
            visit.send(extra);
            visit.open(&is_late);
            visit.until_requested("/end");
            After::Close
        }
        // Keeps the crawl going meanwhile, on a connection that can't be used again.
        "/aside" => {
            visit.until_open(&is_late);
            visit.answer("200 OK", "Connection: close\r\nContent-Type: text/html\r\n", "<a href=/next>");
            After::Close
        }
        "/next" => visit.links(["/end"]),
        _ => visit.page(GOOD),
    });
    let place = Place::new();
    let mut running = place.start_crawl(&[&server.url("/"), "-v", "--header-timeout", "2s", "--retries", "1"]);
    running.until_it_says("/bad");
    server.open(&aside); // the line is printed after the connection became idle
    let ran = running.wait();
    let files = place.files();
    for (name, bytes) in &files {
        assert_ne!(bytes, b"EVIL", "`{name}` got what belonged to nobody; report: {:#?}", place.report());
    }
    ran.exits(0);
    assert_eq!(files["end"], GOOD.as_bytes());
}
