//! `demo serve --root`: untrusted names, and files that change while they are served.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use tests::demo::{Place, Serving};

fn serving(place: &Place) -> Serving {
    Serving::start(place, &["--root", "root"])
}

fn root(place: &Place) -> std::path::PathBuf {
    let root = place.path("root");
    fs::create_dir(&root).unwrap();
    root
}

#[track_caller]
fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo runs").success());
}

/// Opening a pipe waits for its other end, and each wait occupies a thread of the pool.
#[test]
fn an_index_that_is_not_a_file_delays_no_other_request() {
    let place = Place::new();
    let root = root(&place);
    for folder in ["pipe", "socket", "folder", "link", "out"] {
        fs::create_dir(root.join(folder)).unwrap();
    }
    make_pipe(&root.join("pipe/index.html"));
    let _socket = UnixListener::bind(root.join("socket/index.html")).unwrap();
    fs::create_dir(root.join("folder/index.html")).unwrap();
    symlink("../pipe/index.html", root.join("link/index.html")).unwrap();
    symlink("/dev/zero", root.join("out/index.html")).unwrap();
    fs::write(root.join("a.txt"), "a").unwrap();
    let serving = serving(&place);
    // More than there are threads in the pool.
    let waiting: Vec<_> = (0..150)
        .map(|_| {
            let mut stream = serving.connect();
            stream.write_all(b"GET /pipe/ HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            stream
        })
        .collect();
    for mut stream in waiting {
        let mut status = [0; 12];
        stream.read_exact(&mut status).expect("an answer, although no process writes to the pipe");
        assert_eq!(&status, b"HTTP/1.1 200", "the folder is listed");
    }
    for path in ["/socket/", "/folder/", "/link/"] {
        assert!(serving.get(path).text().contains("index%2Ehtml"), "{path} is listed");
    }
    assert_eq!(serving.get("/out/").status, 403);
    assert_eq!(serving.get("/a.txt").text(), "a");
}

/// Between the check of a name and its opening, the name may come to refer to another file.
#[test]
fn a_file_that_is_replaced_by_a_pipe_again_and_again_delays_no_other_request() {
    let place = Place::new();
    let root = root(&place);
    fs::write(root.join("file"), "file").unwrap();
    make_pipe(&root.join("pipe"));
    fs::write(root.join("index.html"), "file").unwrap();
    let serving = serving(&place);
    let mut swaps = Command::new("sh");
    swaps.args(["-c", "while :; do ln -f pipe index.html; ln -f file index.html; done"]).current_dir(&root);
    let mut swapping = swaps.spawn().expect("sh runs");
    let answers: Vec<_> = (0..1000).map(|_| serving.get("/")).collect();
    swapping.kill().unwrap();
    swapping.wait().unwrap();
    for answer in answers {
        assert!(answer.status == 200 && answer.text().contains("file"), "neither the file nor a listing: {answer:?}");
    }
}

#[test]
fn a_redirect_to_a_folder_keeps_its_query_and_stays_on_the_server() {
    let place = Place::new();
    let root = root(&place);
    for folder in ["sub", "ü", "a b", "\\evil.example", "{x}"] {
        fs::create_dir(root.join(folder)).unwrap();
    }
    let serving = serving(&place);
    for (path, to) in [
        ("/sub?q=1&r", "/sub/?q=1&r"),
        ("/sub?", "/sub/?"),
        ("/sub?a?b/c", "/sub/?a?b/c"),
        ("//sub?q", "/sub/?q"),
        ("/sub?q#f", "/sub/?q"),
        ("/a%20b?%20", "/a%20b/?%20"),
        ("/ü?ü", "/%C3%BC/?%C3%BC"),
        ("/\\evil.example", "/%5Cevil.example/"),
        ("/{x}", "/%7Bx%7D/"),
    ] {
        let answer = serving.get(path);
        assert_eq!((answer.status, answer.field("location")), (301, Some(to)), "{path}");
        assert_eq!(serving.get(to).status, 200, "{to}");
    }
}

#[test]
fn names_that_are_not_utf_8_are_listed_and_served() {
    let place = Place::new();
    let root = root(&place);
    let folder = root.join(OsStr::from_bytes(b"f\xff"));
    if fs::create_dir(&folder).is_err() {
        return; // the file system allows only names in UTF-8
    }
    fs::write(folder.join(OsStr::from_bytes(b"\xe9t\xe9 <&\">.txt")), "summer").unwrap();
    fs::write(root.join(OsStr::from_bytes(b"new\nline")), "line").unwrap();
    let serving = serving(&place);
    let listing = serving.get("/").text();
    assert!(listing.contains("<a href=\"./f%FF/\">f\u{fffd}/</a>") && listing.contains("./new%0Aline"), "{listing}");
    assert_eq!(serving.get("/f%FF").field("location"), Some("/f%FF/"));
    let listing = serving.get("/f%FF/").text();
    let link = listing.split("href=\"./").nth(1).and_then(|rest| rest.split('"').next()).expect("a link");
    assert_eq!(serving.get(&format!("/f%FF/{link}")).text(), "summer", "{link}");
    assert_eq!(serving.get("/new%0Aline").text(), "line");
    assert_eq!(serving.get("/%ff").status, 404);
}

/// The answer's length is that of the file when it was opened.
#[test]
fn a_file_that_grows_or_shrinks_while_it_is_sent_does_not_confuse_the_client() {
    const SIZE: usize = (30 << 20) + 1000; // the last piece is not a whole one
    let place = Place::new();
    let root = root(&place);
    for name in ["grows", "shrinks"] {
        fs::write(root.join(name), vec![b'x'; SIZE]).unwrap();
    }
    let serving = serving(&place);
    let begin = |name: &str| {
        let mut stream = serving.connect();
        stream.write_all(format!("GET /{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        stream.read_exact(&mut [0; 15]).unwrap(); // the file is open, and larger than the sockets' buffers
        stream
    };
    let mut read = Vec::new();
    let mut stream = begin("grows");
    OpenOptions::new().append(true).open(root.join("grows")).unwrap().write_all(&[b'y'; 100_000]).unwrap();
    stream.read_to_end(&mut read).unwrap();
    assert_eq!(read.iter().filter(|byte| **byte == b'x').count(), SIZE);
    assert!(!read.ends_with(b"y"));

    let mut stream = begin("shrinks");
    File::options().write(true).open(root.join("shrinks")).unwrap().set_len(1000).unwrap();
    read.clear();
    stream.read_to_end(&mut read).unwrap();
    assert!(read.len() < SIZE, "it ends early, so that the client sees that some is missing");
    assert_eq!(serving.get("/shrinks").body.len(), 1000);
}
