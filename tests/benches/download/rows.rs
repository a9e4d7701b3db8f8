//! The rows: what is served, what is fetched, and by which commands.
//!
//! Each program gets the same number of connections, no waiting between requests, no file of options, and saves below
//! the current directory.

use super::server::{List, Server};
use super::table::OURS;
use std::env;
use tests::demo::{Program, Running, demo, free_port, until_it_listens};

/// Connections at once.
const AT_ONCE: usize = 16;

/// One row of the benchmark.
pub struct Row {
    pub name: &'static str,
    /// What is fetched.
    pub what: &'static str,
    /// Prepares it. Prints a message and returns `None` if something is not installed.
    pub job: fn(&Server) -> Option<Job>,
}

/// What each program of a row does.
pub struct Job {
    /// Each program's name and command.
    pub programs: Vec<(&'static str, Vec<String>)>,
    /// The least that each must save.
    pub files: usize,
    pub bytes: u64,
    /// Servers that only this row needs.
    _servers: Vec<Running>,
}

/// All rows.
pub fn all() -> Vec<Row> {
    vec![
        Row { name: "docs", what: "a crawl of the documentation of Rust's std, with what its pages need", job: docs },
        Row { name: "list of pages", what: "20,000 pages of 1 KB by a list", job: list_of_pages },
        Row { name: "crawl of pages", what: "20,000 pages of 1 KB by a crawl from their index", job: crawl_of_pages },
        Row { name: "large file", what: "a file of 1 GiB", job: large_file },
        Row { name: "large file, TLS", what: "a file of 1 GiB over TLS", job: large_file_over_tls },
        Row { name: "list of pages, TLS", what: "10,000 pages of 1 KB over TLS by a list", job: list_over_tls },
        Row { name: "many links", what: "a page with 120,000 links, and their pages", job: many_links },
        Row { name: "slow server", what: "10,000 connections at once to a server that takes 10 s", job: slow_server },
    ]
}

fn docs(server: &Server) -> Option<Job> {
    if !server.path("files/docs").exists() {
        println!("skipped: no documentation of Rust; `rustup component add rust-docs`");
        return None;
    }
    // The quick run has a small book.
    let (path, files, bytes) =
        if server.is_full() { ("std", 2_000, 100 << 20) } else { ("embedded-book", 50, 1 << 20) };
    Some(Job { files, bytes, ..crawls(&server.url(&format!("docs/{path}/index.html"))) })
}

fn crawl_of_pages(server: &Server) -> Option<Job> {
    Some(Job { files: server.pages(), bytes: server.pages() as u64 * 900, ..crawls(&server.url("pages/index.html")) })
}

fn many_links(server: &Server) -> Option<Job> {
    // The pages are beside the first one's directory.
    let url = server.url("links/index.html");
    let crawl = crawls_with(&url, &["-l", "inf"]);
    Some(Job { files: server.links(), ..crawl })
}

fn list_of_pages(server: &Server) -> Option<Job> {
    let urls = (0..server.pages()).map(|number| server.url(&format!("pages/page{number}.html")));
    let list = server.list("list", urls);
    Some(Job { bytes: list.urls as u64 * 900, ..lists(&list, AT_ONCE, None) })
}

fn list_over_tls(server: &Server) -> Option<Job> {
    let urls = (0..server.pages() / 2).map(|number| server.secure_url(&format!("pages/page{number}.html")));
    let list = server.list("secure-list", urls);
    Some(Job { bytes: list.urls as u64 * 900, ..lists(&list, AT_ONCE, Some(&server.authority())) })
}

fn large_file(server: &Server) -> Option<Job> {
    let list = server.list("large-list", [server.url("large")].into_iter());
    Some(Job { bytes: server.large(), ..lists(&list, 1, None) })
}

fn large_file_over_tls(server: &Server) -> Option<Job> {
    let list = server.list("secure-large-list", [server.secure_url("large")].into_iter());
    Some(Job { bytes: server.large(), ..lists(&list, 1, Some(&server.authority())) })
}

/// nginx answers at once, so our own server takes its place, in several processes: each uses two descriptors for a
/// connection, and a usual limit is 20,000. Only programs that support this many connections take part.
fn slow_server(server: &Server) -> Option<Job> {
    let delay = if server.is_full() { "10s" } else { "100ms" };
    let slow = [free_port(), free_port()].map(|port| {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = std::process::Command::new(demo());
        let mut running = Running::start(command.args(["serve", "-p", &port.to_string(), "--delay", delay]));
        until_it_listens(address, &mut running);
        (address, running)
    });
    let count = server.connections();
    let urls = (0..count).map(|number| format!("http://{}/?{number}", slow[number % slow.len()].0));
    let mut job = lists(&server.list("slow-list", urls), count, None);
    job.programs.retain(|(name, _)| matches!(*name, OURS | "tokio, hyper"));
    Some(Job { _servers: slow.map(|(_, running)| running).into(), files: count, ..job })
}

/// A crawl by each program that can crawl.
fn crawls(url: &str) -> Job {
    crawls_with(url, &["-l", "inf", "--no-parent"])
}

fn crawls_with(url: &str, scope: &[&str]) -> Job {
    let at_once = AT_ONCE.to_string();
    let demo = path_of_demo();
    let ours = [&[demo.as_str(), "crawl", "-q", "--no-config", "-P", "o", "-x", &at_once], scope, &[url]].concat();
    let wget2 = [&["wget2", "--no-config", "-q", "-r", "--max-threads", &at_once, "-P", "o"], scope, &[url]].concat();
    let wget = [&["wget", "--no-config", "-q", "-r", "-P", "o"], scope, &[url]].concat();
    job([(OURS, ours), ("wget2", wget2), ("wget", wget)].into())
}

/// A download of a list by each program.
fn lists(list: &List, at_once: usize, authority: Option<&str>) -> Job {
    let List { plain, curl, urls } = list;
    let count = at_once.to_string();
    let (demo, client) = (path_of_demo(), env::current_exe().expect("the system knows this program"));
    let client = client.to_str().expect("a path in UTF-8");
    let trust = |option: &'static str| authority.map_or(vec![], |file| vec![option, file]);
    let ours = vec![demo.as_str(), "download", "-q", "--no-config", "--max-size", "0", "-j", &count, "-x", &count];
    let curls = vec!["curl", "-q", "-s", "-Z", "--parallel-max", &count, "-K", curl];
    let aria2 = vec!["aria2c", "--no-conf", "-q", "--file-allocation=none", "-j", &count, "-x1", "-i", plain];
    let wget2 = vec!["wget2", "--no-config", "-q", "--max-threads", &count, "-i", plain];
    let wget = vec!["wget", "--no-config", "-q", "-i", plain];
    let theirs = vec![client, "run-client", plain, &count];
    let programs = vec![
        (OURS, [ours, trust("--cacert"), vec!["-i", plain]].concat()),
        ("curl", [curls, trust("--cacert")].concat()),
        ("aria2", [aria2, authority.map_or(vec![], |file| vec!["--ca-certificate", file])].concat()),
        ("wget2", [wget2, trust("--ca-certificate")].concat()),
        ("wget", [wget, trust("--ca-certificate")].concat()),
        ("tokio, hyper", [theirs, authority.into_iter().collect()].concat()),
    ];
    Job { files: *urls, ..job(programs) }
}

/// The programs that are installed, with their commands.
fn job(programs: Vec<(&'static str, Vec<&str>)>) -> Job {
    let installed =
        programs.into_iter().filter(|(_, command)| command[0].starts_with('/') || Program::find(command[0]).is_some());
    let owned = installed.map(|(name, command)| (name, command.into_iter().map(str::to_owned).collect()));
    Job { programs: owned.collect(), files: 0, bytes: 0, _servers: Vec::new() }
}

fn path_of_demo() -> String {
    demo().to_str().expect("a path in UTF-8").to_owned()
}
