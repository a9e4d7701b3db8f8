//! Servers by other authors: hyper's, Python's, nginx with compression and ranges.
//!
//! Alone: `cargo test -p tests --test crawl counterparts`. It needs `nginx` and `python3`, as Debian has them; a test
//! whose program is not installed says so and passes. nginx with TLS is in `secure/streams.rs`, with limits in
//! `pace.rs`, and both serve whole sites in `real_site.rs`.

use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustix::process::Signal;
use std::convert::Infallible;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tests::demo::{Place, Program, Serving};
use tests::eventually;
use tests::nginx::{Config, Nginx};

// ---- hyper -------------------------------------------------------------------------------------

type Answer = hyper::Response<BoxBody<Bytes, Infallible>>;

/// What hyper's server answers: bodies with a length, in chunks, until the close, and no body.
fn answer(request: &hyper::Request<Incoming>) -> Answer {
    let full = |text: String| Full::new(Bytes::from(text)).boxed();
    let builder = hyper::Response::builder();
    let path = request.uri().path();
    let answer = match path.split('/').nth(1).unwrap_or_default() {
        "" => {
            let kinds = ["length", "chunks", "close", "none", "away"];
            let links = (0..100).map(|n| format!("<a href=/{}/{n}>x</a>\n", kinds[n % kinds.len()])).collect();
            builder.header("Content-Type", "text/html").body(full(links))
        }
        "chunks" => {
            let pieces = path.as_bytes().chunks(3).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece))));
            let pieces: Vec<Result<_, Infallible>> = pieces.collect();
            builder.body(StreamBody::new(futures_lite::stream::iter(pieces)).boxed())
        }
        "close" => builder.header("Connection", "close").body(full(path.to_owned())),
        "none" => builder.status(204).body(full(String::new())),
        "away" => builder.status(303).header("Location", path.replace("away", "length")).body(full(String::new())),
        "length" => builder.body(full(path.to_owned())),
        _ => builder.status(404).body(full(String::new())),
    };
    answer.expect("it is valid")
}

/// Runs hyper's server on a thread, until the process ends. Returns its address and its number of connections.
fn hyper_server() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (address, connections) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
    let count = connections.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let service = service_fn(async |request| Ok::<_, Infallible>(answer(&request)));
                let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::task::spawn_local(served);
            }
        });
    });
    (address, connections)
}

#[test]
fn every_kind_of_body_comes_from_hypers_server_over_few_connections() {
    let (address, connections) = hyper_server();
    let place = Place::new();
    place.crawl(&[&format!("http://{address}/"), "-x", "2", "--retries", "0"]).exits(0);
    let (report, files) = (place.report(), place.files());
    assert_eq!(report.0.len(), 101);
    for n in 0..100 {
        let kind = ["length", "chunks", "close", "none", "away"][n % 5];
        let path = format!("/{kind}/{n}");
        let line = report.of(&path).is_saved();
        let saved = &files[line.text("path").unwrap().split_once('/').unwrap().1.trim_end_matches('@')];
        let body = if kind == "none" { String::new() } else { path.replace("away", "length") };
        assert_eq!(String::from_utf8_lossy(saved), body, "{path}");
    }
    // A connection ends at each `close` and, as some servers send a body, at each 204.
    let connections = connections.load(Ordering::SeqCst);
    assert!((40..=45).contains(&connections), "{connections} connections");
}

// ---- Python ------------------------------------------------------------------------------------

/// Python's threaded server of files, with HTTP/1.1.
const PYTHON: &str = "
import http.server, sys
class Files(http.server.SimpleHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def __init__(self, *args): super().__init__(*args, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Files)
print(f'http://127.0.0.1:{server.server_port}/', flush=True)
server.serve_forever()
";

/// Some files that link to each other, two of which only a listing of their folder leads to.
fn files(place: &Place) -> std::path::PathBuf {
    let root = place.path("root");
    fs::create_dir_all(root.join("folder")).unwrap();
    fs::write(root.join("index.html"), "<a href=folder>f</a> <a href='a%20b.html'>a</a> <a href=gone>g</a>").unwrap();
    fs::write(root.join("a b.html"), "<link rel=stylesheet href=style.css>").unwrap();
    fs::write(root.join("style.css"), "b { c: url(folder/large.bin) }".repeat(100)).unwrap();
    fs::write(root.join("folder/large.bin"), vec![7; 300_000]).unwrap();
    fs::write(root.join("folder/\u{fc}.txt"), "umlaut").unwrap();
    root
}

#[test]
fn a_folder_on_pythons_threaded_server_is_saved_and_not_fetched_a_second_time() {
    let (Some(python), place) = (Program::find("python3"), Place::new()) else { return };
    let root = files(&place);
    let serving = Serving::run(python.command().args(["-u", "-c", PYTHON]).arg(&root));
    for (run, status) in [("first", 200), ("second", 304)] {
        place.crawl(&["-N", "--retries", "0", &serving.url("/")]).exits(3).says("[404]");
        let (report, saved) = (place.report(), place.files());
        // The listing of a folder is a page, to which Python redirects.
        assert!(report.of("/folder").text("final_url").is_some_and(|to| to.ends_with("/folder/")), "{run}");
        for (path, file) in [("/", "index.html"), ("/a%20b.html", "a b.html"), ("/style.css", "style.css")] {
            assert_eq!(report.of(path).is_saved().number("status"), Some(status), "{run}: {path}");
            assert_eq!(saved[file], fs::read(root.join(file)).unwrap(), "{run}: {file}");
        }
        assert_eq!(saved["folder/large.bin"], vec![7; 300_000]);
        assert_eq!(saved["folder/\u{fc}.txt"], b"umlaut");
    }
}

// ---- nginx -------------------------------------------------------------------------------------

#[test]
fn compressed_pages_of_nginx_are_saved_as_they_are_on_its_disk() {
    let place = Place::new();
    let root = files(&place);
    let http = "gzip on; gzip_min_length 1; gzip_types text/css; \
                log_format coded '$uri $sent_http_content_encoding'; access_log access.log coded;";
    let Some(nginx) = Nginx::start(&place, &root, Config { http, server: "autoindex on;", ..Config::default() }) else {
        return;
    };
    place.crawl(&["--retries", "0", &nginx.url("/")]).exits(3).says("[404]");
    let saved = place.files();
    for file in ["index.html", "a b.html", "style.css", "folder/large.bin", "folder/\u{fc}.txt"] {
        assert_eq!(saved[file], fs::read(root.join(file)).unwrap(), "{file}");
    }
    let log = || fs::read_to_string(place.path("nginx/access.log")).unwrap();
    eventually("nginx has logged each page", || log().contains("large.bin"));
    assert!(log().contains("/style.css gzip") && log().contains("/index.html gzip"), "{}", log());
}

#[test]
fn a_download_from_nginx_that_was_killed_is_resumed_by_a_range() {
    let place = Place::new();
    let root = place.path("root");
    fs::create_dir(&root).unwrap();
    let body: Vec<u8> = (0..900_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(root.join("file.bin"), &body).unwrap();
    // The first part of each response comes at once, and the rest takes minutes.
    let server = "limit_rate_after 600k; limit_rate 1k;";
    let http = "log_format ranges '$status $http_range'; access_log access.log ranges;";
    let Some(nginx) = Nginx::start(&place, &root, Config { http, server, ..Config::default() }) else { return };
    let url = nginx.url("/file.bin");
    let running = place.start(&["download", "-P", "download", &url]);
    eventually("a part is on the disk", || place.parts().into_values().any(|size| size >= 512 * 1024));
    running.signal(Signal::KILL);
    running.wait();
    place.run(&["download", "-P", "download", "-c", &url]).exits(0);
    assert!(fs::read(place.path("download/file.bin")).unwrap() == body);
    let log = || fs::read_to_string(place.path("nginx/access.log")).unwrap();
    eventually("nginx has logged the range", || log().contains("206 bytes="));
    place.has_no_parts();
}
