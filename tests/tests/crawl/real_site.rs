//! The downloader on real sites and beside real programs: books of Rust's documentation, served by
//! nginx, by Python and by `demo serve`, fetched by wget and by curl.
//!
//! Alone: `cargo test -p tests --test crawl real_site`. It needs `nginx`, `wget`, `curl` and `python3`, as
//! Debian has them, and the component `rust-docs` of rustup (part of the default profile, not of the
//! minimal one). A test whose program or documentation is not there says so and passes.
//!
//! The demo may differ from wget as follows:
//! - wget saves `/robots.txt`. The demo only reads it.
//! - wget has one file for `/cargo/` and `/cargo/index.html`. In the demo, any two URLs are two pages:
//!   the second of them is `index~0.html`, and has the same bytes.
//! - wget calls a file `name?query` in a folder `host:port`; the demo writes `@` and `_`, since not every
//!   system accepts the others. Names with capitals have a mark, as not every system tells them apart.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use tests::demo::{Place, Program, Ran, Running, Serving, files_below};
use tests::nginx::{Config, Nginx};

/// Rust's documentation, if it is installed.
pub fn docs() -> Option<PathBuf> {
    let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
    let printed = Command::new(rustc).args(["--print", "sysroot"]).output().ok()?;
    let docs = Path::new(String::from_utf8(printed.stdout).ok()?.trim()).join("share/doc/rust/html");
    if !docs.join("book/index.html").is_file() {
        println!("skipped: no documentation at {}; `rustup component add rust-docs`", docs.display());
        return None;
    }
    Some(docs)
}

/// Fetches a site with wget and with the demo, and compares all that they saved. `false` if there is
/// no wget.
#[track_caller]
fn saves_what_wget_saves(place: &Place, address: SocketAddr, path: &str) -> bool {
    let Some(wget) = Program::find("wget") else { return false };
    let url = format!("http://{address}{path}");
    let start = Instant::now();
    let mut command = wget.command();
    // The user's configuration may change what wget fetches.
    command.args(["--no-config", "-q", "-r", "-l", "inf", "-np", "-P", "w", &url]).current_dir(place.path(""));
    let theirs = Running::start(&mut command).wait();
    let ours = place.run(&["crawl", "-l", "inf", "--no-parent", "-P", "o", "--report", "report.jsonl", &url]);
    println!("{path}: wget {:?}, all {:?}; {}", theirs.took, start.elapsed(), ours.stderr.trim());
    let (theirs, ours) = (theirs.status.code(), ours.status.code());
    // If a linked page is missing, wget exits with 8 and the demo with 3.
    assert!(matches!((theirs, ours), (Some(0), Some(0)) | (Some(8), Some(3))), "wget: {theirs:?}, demo: {ours:?}");

    let mut wgets = files_below(&place.path("w").join(address.to_string()));
    wgets.remove("robots.txt");
    let ours = files_below(&place.path("o"));
    let mut by_wgets_name: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let report = place.report();
    for line in &report.0 {
        let Some(file) = line.text("path") else { continue };
        let url = line.text("final_url").or(line.text("url")).unwrap();
        let path = url.strip_prefix(&format!("http://{address}/")).expect("a page of this server");
        let (path, query) =
            path.split_once('?').map_or((path, String::new()), |(path, query)| (path, format!("?{query}")));
        let file_of_folder = if path.is_empty() || path.ends_with('/') { "index.html" } else { "" };
        by_wgets_name.entry(format!("{path}{file_of_folder}{query}")).or_default().push(file.to_owned());
    }
    let (wgets_names, our_names): (BTreeSet<_>, BTreeSet<_>) = (wgets.keys().collect(), by_wgets_name.keys().collect());
    assert_eq!(wgets_names.difference(&our_names).collect::<Vec<_>>(), Vec::<&&String>::new(), "only wget has these");
    assert_eq!(our_names.difference(&wgets_names).collect::<Vec<_>>(), Vec::<&&String>::new(), "only we have these");
    let mut compared = 0;
    for (name, files) in &by_wgets_name {
        for file in files {
            assert!(ours[file] == wgets[name], "{file} and wget's {name} differ");
            compared += 1;
        }
        if let [one, other] = &files[..] {
            assert!(name.ends_with("index.html") && (one.contains("~0") != other.contains("~0")), "{files:?}");
        } else {
            assert_eq!(files.len(), 1, "{files:?}");
        }
    }
    assert_eq!(compared, ours.len(), "each of our files has a line in the report");
    // A book has more pages than that. With fewer files, both programs have missed links.
    assert!(compared > 100, "only {compared} files");
    true
}

#[track_caller]
fn compares_on_nginx(book: &str) {
    let (place, Some(docs)) = (Place::new(), docs()) else { return };
    let Some(nginx) = Nginx::start(&place, &docs, Config::default()) else { return };
    saves_what_wget_saves(&place, nginx.address, book);
}

#[test]
fn the_book_on_nginx_is_saved_as_wget_saves_it() {
    compares_on_nginx("/book/");
}

#[test]
fn the_reference_on_nginx_is_saved_as_wget_saves_it() {
    compares_on_nginx("/reference/");
}

#[test]
fn the_book_about_cargo_on_nginx_is_saved_as_wget_saves_it() {
    compares_on_nginx("/cargo/");
}

/// Python's server speaks HTTP/1.0 and closes after each response.
#[test]
fn the_book_on_python_is_saved_as_wget_saves_it() {
    let (place, Some(docs)) = (Place::new(), docs()) else { return };
    let Some(python) = Program::find("python3") else { return };
    let mut command = python.command();
    command.args(["-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory"]).arg(&docs).arg("0");
    let mut running = Running::start(&mut command);
    tests::eventually("python says where it serves", || running.stdout().contains('\n') || running.is_over());
    let said = running.stdout();
    let port = said.split_once(" port ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    let port: u16 = port.unwrap_or_else(|| panic!("no port in `{said}`; {}", running.stderr()));
    saves_what_wget_saves(&place, ([127, 0, 0, 1], port).into(), "/book/");
}

#[test]
fn the_book_on_demo_serve_is_saved_as_wget_saves_it_and_as_it_is_on_the_disk() {
    let (place, Some(docs)) = (Place::new(), docs()) else { return };
    let serving = Serving::start(&place, &["--root", docs.to_str().unwrap()]);
    if !saves_what_wget_saves(&place, serving.address, "/book/") {
        return;
    }
    for line in &place.report().0 {
        let Some(file) = line.text("path") else { continue };
        let url = line.text("final_url").or(line.text("url")).unwrap();
        let path = url.strip_prefix(&serving.url("/")).expect("a page of this server");
        let original = docs.join(if path.ends_with('/') { format!("{path}index.html") } else { path.to_owned() });
        let saved = fs::read(place.path("o").join(file)).unwrap();
        assert!(saved == fs::read(&original).unwrap(), "{file} differs from {}", original.display());
    }
}

// ---- curl --------------------------------------------------------------------------------------

/// curl with these arguments, saving into `place`.
fn curl(place: &Place, args: &[&str]) -> Option<Ran> {
    let mut command = Program::find("curl")?.command();
    command.args(["-q", "-sS", "--fail", "--max-time", "30"]).args(args).current_dir(place.path(""));
    Some(Running::start(&mut command).wait())
}

#[test]
fn curl_gets_every_file_of_a_book_from_demo_serve_over_one_connection() {
    let (place, Some(docs)) = (Place::new(), docs()) else { return };
    let serving = Serving::start(&place, &["--root", docs.to_str().unwrap()]);
    let files = files_below(&docs.join("cargo"));
    // A configuration file with one entry for each URL, as a user would write it by hand.
    let urls: String = files
        .keys()
        .map(|name| format!("url = \"{}\"\noutput = \"curl/{name}\"\n", serving.url(&format!("/cargo/{name}"))))
        .collect();
    fs::write(place.path("urls"), urls).unwrap();
    let args = ["--create-dirs", "--config", "urls", "-w", "%{num_connects}\n"];
    let Some(ran) = curl(&place, &args) else { return };
    let ran = ran.exits(0);
    assert_eq!(ran.stdout.lines().filter_map(|connects| connects.parse::<u32>().ok()).sum::<u32>(), 1);
    assert!(files_below(&place.path("curl")) == files, "what curl saved differs from the disk");
}

#[test]
fn curl_gets_many_pages_of_the_built_in_site_in_parallel() {
    let place = Place::new();
    let serving = Serving::start(&place, &["--delay", "20ms"]);
    let ring = serving.url("/ring/[0-11]");
    let (size, landing) = (serving.url("/size/8m"), serving.url("/redirect/twice"));
    let args = ["-Z", "-o", "ring-#1", &ring, "--next", "-sS", "--fail", "-o", "8m", &size];
    let Some(ran) = curl(&place, &args) else { return };
    ran.exits(0);
    for n in 0..12 {
        assert!(fs::read_to_string(place.path(&format!("ring-{n}"))).unwrap().contains(&format!("Ring, page {n}<")));
    }
    assert_eq!(fs::metadata(place.path("8m")).unwrap().len(), 8 << 20);
    let ran = curl(&place, &["-L", &landing, "-w", "%{num_redirects} %{num_connects}"]).expect("it was there").exits(0);
    assert!(ran.stdout.contains("Where the redirects lead") && ran.stdout.ends_with("3 1"), "{}", ran.stdout);
}

#[test]
fn curl_finds_nothing_wrong_with_any_kind_of_answer() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    let url = |path: &str| serving.url(path);
    let Some(head) = curl(&place, &["-I", &url("/size/1m")]) else { return };
    let head = head.exits(0).stdout;
    assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("content-length: 1048576"), "{head}");
    let get = |args: &[&str]| curl(&place, args).expect("it was there");
    for framing in ["length", "chunked", "close"] {
        let path = format!("/framing/{framing}");
        assert!(get(&[&url(&path)]).exits(0).stdout.contains(&format!("Framed by {framing}")));
        get(&["-I", &url(&path)]).exits(0);
    }
    get(&["--http1.0", &url("/framing/length")]).exits(0);
    // 22: the server answered with a status of 400 or more. curl finds no other error.
    get(&[&url("/none")]).exits(22);
    get(&[&url("/trouble/failure")]).exits(22);
}

/// Without `--fail` curl reads the body of a refusal too, and complains if it is not as promised.
#[test]
fn curl_finds_nothing_wrong_with_a_refusal() {
    let place = Place::new();
    let serving = Serving::start(&place, &[]);
    let (url, large) = (serving.url("/"), "x".repeat(100_000));
    for (args, status) in [
        (&["-d", "field=value"] as &[_], 405),
        (&["-X", "DELETE"], 405),
        (&["-H", &format!("X: {}", &large[..90_000])], 431),
        (&["-T", "large"], 405), // refused before its body comes
    ] {
        fs::write(place.path("large"), &large).unwrap();
        let args = [&["--no-fail", "-w", "%{http_code}", &url], args].concat();
        let Some(ran) = curl(&place, &args) else { return };
        let said = ran.exits(0).stdout;
        assert!(said.starts_with(&status.to_string()) && said.ends_with(&format!("\n{status}")), "{said}");
    }
}
