//! A server of one large file, for the tests of segments.

use std::sync::{Arc, Mutex, OnceLock};
use tests::demo::Place;
use tests::faults::{After, FaultServer, Visit};

/// The bytes of the file: enough for eight segments.
pub const LENGTH: u64 = 9_000_001;
const TAG: &str = "\"one\"";
/// The fields that the server sends for the file.
pub const FIELDS: &str = "Accept-Ranges: bytes\r\nETag: \"one\"\r\n";

/// Bytes without repetition. Another version differs at every position.
pub fn body(version: u8) -> &'static [u8] {
    static BODIES: [OnceLock<Vec<u8>>; 2] = [OnceLock::new(), OnceLock::new()];
    let byte = |n: u32| (n.wrapping_mul(2_654_435_761) >> 13) as u8 ^ version;
    BODIES[version as usize].get_or_init(|| (0..LENGTH as u32).map(byte).collect())
}

/// A request for the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its number, from 0.
    pub number: usize,
    /// The requested range: its first byte, and the byte after its last.
    pub range: Option<(u64, u64)>,
}

/// The server, and the requests to it.
pub struct Server {
    pub server: FaultServer,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Serves with this script.
    pub fn start(script: impl Fn(&mut Visit<'_>, Asked) -> After + Send + Sync + 'static) -> Server {
        body(0); // computed before a request waits for it
        let asked = Arc::<Mutex<Vec<_>>>::default();
        let asking = asked.clone();
        let server = FaultServer::start(move |visit| {
            let range = visit.header("Range").map(|range| {
                let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
                (first.parse().unwrap(), last.parse().map_or(LENGTH, |last: u64| last + 1))
            });
            assert_eq!(visit.header("If-Range"), range.map(|_| TAG));
            // The ranges of a coded body are not those of the file.
            assert!(range.is_none() || visit.header("Accept-Encoding") == Some("identity"));
            let asked = {
                let mut all = asking.lock().unwrap();
                let asked = Asked { number: all.len(), range };
                all.push(asked);
                asked
            };
            script(visit, asked)
        });
        Server { server, asked }
    }

    pub fn url(&self) -> String {
        self.server.url("/file.bin")
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// Answers correctly, with this version.
pub fn good(visit: &mut Visit<'_>, asked: Asked) -> After {
    part(visit, asked, u64::MAX);
    After::Next
}

/// Sends the head of the right answer, and at most `most` bytes of its body.
pub fn part(visit: &mut Visit<'_>, asked: Asked, most: u64) {
    let (first, end) = asked.range.unwrap_or((0, LENGTH));
    let head = match asked.range {
        None => format!("200 OK\r\nContent-Length: {LENGTH}"),
        Some(_) => format!(
            "206 Partial Content\r\nContent-Range: bytes {first}-{}/{LENGTH}\r\nContent-Length: {}",
            end - 1,
            end - first
        ),
    };
    visit.send(format!("HTTP/1.1 {head}\r\n{FIELDS}\r\n"));
    let sent = end.min(first.saturating_add(most));
    visit.send(&body(0)[first as usize..sent as usize]);
}

/// Downloads the file in this many segments, which must succeed.
#[track_caller]
pub fn download(place: &Place, server: &Server, segments: &str, args: &[&str]) {
    let url = server.url();
    let all = [&["download", "-s", segments, "-P", "download", "--report", "report.jsonl", &url], args].concat();
    place.run(&all).exits(0);
}

/// Checks that this version was saved, and that nothing else was left behind.
#[track_caller]
pub fn has_saved(place: &Place, version: u8) {
    let files = place.files();
    assert_eq!(files.keys().collect::<Vec<_>>(), ["file.bin"]);
    let saved = &files["file.bin"];
    let differs = || saved.iter().zip(body(version)).position(|(saved, right)| saved != right);
    assert!(saved == body(version), "it has {} bytes; the first wrong one is {:?}", saved.len(), differs());
    place.has_no_parts();
}
