//! `demo serve --root`: files from a directory.

use super::answers::{one_answer, undated};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tests::demo::{Place, Serving};

/// A directory with entries of every kind, and a file beside it that must not be served.
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
fn a_missing_file_is_404() {
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

/// Opening a pipe waits for its other end, possibly for ever.
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
    stream.read_exact(&mut answer).expect("an answer, although no process writes to the pipe");
    assert_eq!(&answer, b"HTTP/1.1 404");
}

#[test]
fn a_crawl_of_a_served_directory_saves_the_same_files() {
    let place = Place::new();
    let serving = root(&place);
    // A link that leads out is listed, and refused when it is requested.
    place.crawl(&[&serving.url("/"), "--depth", "inf"]).exits(3);
    for path in ["out-file", "out-folder", "out-absolute", "out-twice", "dangling", "circle"] {
        assert!(place.report().of(&format!("/{path}")).text("error").is_some(), "{path}");
    }
    let (files, root) = (place.files(), place.path("root"));
    assert!(files.values().all(|bytes| bytes != b"secret"));
    for name in ["hello.txt", "sub/b.css", "sub/deep/no-extension", "large.bin", "empty.txt", "exact", "larger"] {
        assert!(files[name] == fs::read(root.join(name)).unwrap(), "{name} differs");
    }
    assert_eq!(files["ümläut 100%25.txt"], b"umlauts");
    assert_eq!(files["a %26 b %3Cc%3E.txt"], b"odd name");
    assert!(Path::new(&place.path("download")).is_dir());
    place.has_no_parts();
}

/// A client that reads slowly or not at all delays no other client.
#[test]
fn a_client_that_does_not_read_delays_no_other_client() {
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
    // A client that reads late still gets the whole file.
    let large = fs::read(place.path("root/large.bin")).unwrap();
    assert!(one_answer(&mut lazy[0]).1 == large);
}
