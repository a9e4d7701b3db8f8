//! `--warc`: an archive of all exchanges.
//!
//! Alone: `cargo test -p tests --test crawl warc`. With `WARCIO=/path/to/python`, a Python that has the package `warcio`,
//! or with `warcio` in the system's Python, that package also checks the archives.

use flate2::read::MultiGzDecoder;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::process::Command;
use tests::demo::{Place, Serving};
use tests::faults::{After, FaultServer, Visit};

/// A record, read by the rules of the standard.
#[derive(Debug)]
struct Record {
    fields: BTreeMap<String, String>,
    block: Vec<u8>,
}

impl Record {
    fn get(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// The head of the message in the block, and the body.
    fn message(&self) -> (String, &[u8]) {
        let end = self.block.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
        (String::from_utf8_lossy(&self.block[..end]).into_owned(), &self.block[end..])
    }
}

/// The records of an archive, which must be whole.
#[track_caller]
fn records(place: &Place, name: &str) -> Vec<Record> {
    let bytes = fs::read(place.path(name)).unwrap();
    let mut archive = Vec::new();
    match name.ends_with(".gz") {
        true => MultiGzDecoder::new(&*bytes).read_to_end(&mut archive).map(drop).unwrap(),
        false => archive = bytes,
    }
    let (mut records, mut rest) = (Vec::new(), &archive[..]);
    while !rest.is_empty() {
        let end = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("the end of a head");
        let head = std::str::from_utf8(&rest[..end]).unwrap();
        let (version, fields) = head.split_once("\r\n").unwrap();
        assert_eq!(version, "WARC/1.1");
        let fields: BTreeMap<String, String> = fields
            .split("\r\n")
            .map(|field| field.split_once(": ").unwrap())
            .map(|(a, b)| (a.into(), b.into()))
            .collect();
        let length: usize = fields["Content-Length"].parse().unwrap();
        let (block, after) = rest[end + 4..].split_at(length);
        records.push(Record { fields, block: block.to_vec() });
        rest = after.strip_prefix(b"\r\n\r\n").expect("two ends of line behind each record");
    }
    for record in &records {
        for name in ["WARC-Type", "WARC-Record-ID", "WARC-Date", "Content-Type"] {
            assert!(!record.get(name).is_empty(), "no {name} in {:?}", record.fields);
        }
    }
    records
}

/// The responses and revisits, by path.
fn responses<'r>(records: &'r [Record], server: &str) -> BTreeMap<&'r str, &'r Record> {
    let responses = records.iter().filter(|record| matches!(record.get("WARC-Type"), "response" | "revisit"));
    let mut by_path = BTreeMap::new();
    for record in responses {
        let path = record.get("WARC-Target-URI").strip_prefix(server).expect("a URL of the server");
        assert!(by_path.insert(path, record).is_none(), "{path} twice");
    }
    by_path
}

/// Checks an archive, its digests included, with Python's `warcio`, if that is installed.
#[track_caller]
fn warcio_reads(place: &Place, name: &str, responses: usize) {
    const COUNT: &str = "
import sys
from warcio.archiveiterator import ArchiveIterator
count = 0
with open(sys.argv[1], 'rb') as file:
    for record in ArchiveIterator(file, check_digests='raise'):
        if record.rec_type == 'response':
            record.content_stream().read()
            count += 1
print(count)";
    let python = std::env::var_os("WARCIO").unwrap_or("python3".into());
    let has_warcio = Command::new(&python).args(["-c", "import warcio"]).output();
    if !has_warcio.is_ok_and(|ran| ran.status.success()) {
        println!("skipped: no Python with warcio; name one with WARCIO=/path/to/python");
        return;
    }
    let ran = Command::new(&python).args(["-c", COUNT]).arg(place.path(name)).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), responses.to_string());
}

/// Gzip of `hello`.
const CODED: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\x48\xcd\xc9\xc9\x07\0\x86\xa6\x10\x36\x05\0\0\0";

fn script(visit: &mut Visit<'_>) -> After {
    match visit.path.as_str() {
        "/" => visit.links(["/redirect", "/gone", "/coded", "/chunked", "/large", "/cut", "/same"]),
        "/redirect" => visit.redirect("/target"),
        "/coded" => visit.answer("200 OK", "Content-Encoding: gzip\r\nX-Odd:  spaces \r\n", CODED),
        "/chunked" => {
            visit.send(
                "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: u\r\n\r\n",
            );
            After::Next
        }
        "/large" => visit.answer("200 OK", "", large()),
        "/cut" => {
            visit.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
            After::Close
        }
        "/same" if visit.header("if-modified-since").is_some() => visit.answer("304 Not Modified", "X: y\r\n", ""),
        "/same" => visit.answer("200 OK", "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "same"),
        "/gone" => visit.answer("404 Not Found", "", "x".repeat(100_000)),
        _ => visit.page("the target"),
    }
}

fn large() -> Vec<u8> {
    (0..3_000_000_u32).map(|n| (n % 251) as u8).collect()
}

#[test]
fn each_exchange_is_archived_as_it_went_over_the_network() {
    for name in ["site.warc", "site.warc.gz"] {
        let (place, server) = (Place::new(), FaultServer::start(script));
        let args = [
            "--retries",
            "0",
            "--ignore-robots",
            "--warc",
            name,
            "--header",
            "Authorization: secret",
            "--header",
            "Cookie: secret",
        ];
        place.crawl(&[&args[..], &[&server.url("/")]].concat()).exits(3);
        let records = records(&place, name);
        assert_eq!(records[0].get("WARC-Type"), "warcinfo");
        assert!(
            records.iter().skip(1).all(|record| record.get("WARC-Warcinfo-ID") == records[0].get("WARC-Record-ID"))
        );
        assert!(!records.iter().any(|record| String::from_utf8_lossy(&record.block).contains("secret")));
        let origin = server.url("");
        let found = responses(&records, &origin);
        let paths = ["/", "/chunked", "/coded", "/cut", "/gone", "/large", "/redirect", "/same", "/target"];
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), paths);
        assert_eq!(records.len(), 1 + 2 * paths.len());
        for request in records.iter().filter(|record| record.get("WARC-Type") == "request") {
            let path = request.get("WARC-Target-URI").strip_prefix(&origin).unwrap();
            assert!(request.message().0.starts_with(&format!("GET {path} HTTP/1.1\r\nHost: ")));
            assert_eq!(request.get("WARC-Concurrent-To"), found[path].get("WARC-Record-ID"));
        }
        let body = |path: &str| found[path].message().1;
        assert_eq!(body("/coded"), CODED);
        assert!(found["/coded"].message().0.contains("X-Odd:  spaces \r\n"), "the head as it was received");
        assert_eq!(body("/chunked"), b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: u\r\n\r\n");
        assert!(body("/large") == large(), "a body that does not fit into memory");
        assert_eq!(body("/gone"), "x".repeat(100_000).as_bytes());
        assert!(found["/redirect"].message().0.starts_with("HTTP/1.1 302 Found\r\nLocation: /target\r\n"));
        assert_eq!((body("/cut"), found["/cut"].get("WARC-Truncated")), (&b"part"[..], "disconnect"));
        let truncated = found.values().filter(|record| !record.get("WARC-Truncated").is_empty());
        assert_eq!(truncated.count(), 1);
        warcio_reads(&place, name, paths.len());
        place.has_no_parts();
    }
}

#[test]
fn the_digest_of_a_body_is_there_unless_its_transfer_coding_makes_it_ambiguous() {
    let (place, server) = (Place::new(), FaultServer::start(script));
    place.crawl(&["--retries", "0", "--ignore-robots", "--warc", "x.warc", &server.url("/")]).exits(3);
    let (records, origin) = (records(&place, "x.warc"), server.url(""));
    let found = responses(&records, &origin);
    // sha256sum of `same` and of nothing.
    let same = "sha256:0967115f2813a3541eaef77de9d9d5773f1c0c04314b0bbfe4ff3b3b1c55b5d5";
    let nothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(found["/same"].get("WARC-Payload-Digest"), same);
    assert_eq!(found["/redirect"].get("WARC-Payload-Digest"), nothing);
    assert_eq!(found["/chunked"].get("WARC-Payload-Digest"), "");
    assert!(found.values().all(|record| record.get("WARC-Block-Digest").starts_with("sha256:")));
}

#[test]
fn a_page_that_has_not_changed_is_a_revisit() {
    let (place, server) = (Place::new(), FaultServer::start(script));
    place.crawl(&["--ignore-robots", &server.url("/same")]).exits(0);
    place.crawl(&["-N", "--ignore-robots", "--warc", "x.warc.gz", &server.url("/same")]).exits(0);
    let (records, origin) = (records(&place, "x.warc.gz"), server.url(""));
    let found = responses(&records, &origin);
    assert_eq!(found["/same"].get("WARC-Type"), "revisit");
    assert_eq!(found["/same"].get("WARC-Profile"), "http://netpreserve.org/warc/1.1/revisit/server-not-modified");
    assert!(found["/same"].message().0.starts_with("HTTP/1.1 304"));
    warcio_reads(&place, "x.warc.gz", 0);
}

#[test]
fn the_built_in_site_is_archived_page_by_page() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    place.crawl(&["--warc", "site.warc.gz", &serving.url("/")]).exits(0);
    let (records, origin) = (records(&place, "site.warc.gz"), serving.url(""));
    let found = responses(&records, &origin);
    assert!(found.contains_key("/robots.txt"));
    for line in place.report().0 {
        let path = line.text("url").unwrap().strip_prefix(&origin).unwrap().to_owned();
        assert!(found.contains_key(&*path), "{path} is missing");
    }
    warcio_reads(&place, "site.warc.gz", found.len());
}

#[test]
fn an_interrupt_leaves_a_whole_archive() {
    let (place, server) = (
        Place::new(),
        FaultServer::start(|visit| match visit.path.as_str() {
            "/" => visit.links(["/a", "/slow"]),
            "/slow" => {
                visit.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
                visit.stall()
            }
            _ => visit.page("a page"),
        }),
    );
    let mut running =
        place.start_crawl(&["--ignore-robots", "--warc", "x.warc", "--idle-timeout", "60s", &server.url("/")]);
    server.until_requests(3);
    tests::eventually("the first pages are archived", || {
        fs::read_to_string(place.path("x.warc")).is_ok_and(|text| text.contains("a page"))
    });
    running.signal(rustix::process::Signal::INT);
    running.until_it_says("interrupted");
    running.signal(rustix::process::Signal::INT);
    running.wait().exits(130);
    let (records, origin) = (records(&place, "x.warc"), server.url(""));
    let found = responses(&records, &origin);
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), ["/", "/a"]);
}

#[test]
fn an_archive_that_exists_is_kept() {
    let (place, server) = (Place::new(), FaultServer::start(|visit| visit.page("")));
    fs::write(place.path("x.warc"), "mine").unwrap();
    let ran = place.crawl(&["--warc", "x.warc", &server.url("/")]).exits(1);
    assert!(ran.stderr.contains("cannot write the archive x.warc") && ran.stderr.contains("--warc"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(place.path("x.warc")).unwrap(), "mine");
    assert_eq!(server.hits("/"), 0);
}
