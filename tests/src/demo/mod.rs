//! Runs the downloader as its users do: as a program, in a folder of its own.
//!
//! The examples are programs too, and run the same way. The handle of a program ends it when it is dropped, even when a
//! test fails half way. `build.rs` builds these programs, and finds those of the system.

mod build;

pub use build::{Program, copy_program, demo, example, executor_examples, optimized_executor_example};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// No run in these tests takes longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// As [`within`](crate::within), for a test that runs the demo: builds it first, because the time limit is for the test
/// and not for the compiler.
///
/// # Panics
/// As [`demo`], and when `body` does or the time is over.
#[track_caller]
pub fn within_after_build<R: Send + 'static>(seconds: u64, body: impl FnOnce() -> R + Send + 'static) -> R {
    demo();
    crate::within(seconds, body)
}

/// A port without a listener, for programs that cannot choose a free one.
///
/// Another program may bind it first, which is rare enough for tests.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    listener.local_addr().expect("a listener has an address").port()
}

/// Waits until a program listens there.
#[track_caller]
pub fn until_it_listens(address: SocketAddr, child: &mut Running) {
    let start = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(!child.is_over(), "it ended instead of listening at {address}: {}", child.stderr());
        assert!(start.elapsed() < PATIENCE, "no program listened at {address}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A program that was started. Killed when dropped.
pub struct Running {
    child: Child,
    stdout: Output,
    stderr: Output,
    start: Instant,
}

impl Running {
    /// Starts a program and collects its output.
    pub fn start(command: &mut Command) -> Running {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} can't be started: {error}"));
        let stdout = Output::collect(child.stdout.take().expect("it is piped"));
        let stderr = Output::collect(child.stderr.take().expect("it is piped"));
        Running { child, stdout, stderr, start: Instant::now() }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed to standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has printed to standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Whether it has ended.
    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_some()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("a child that was not waited for takes signals");
    }

    /// Waits until what it printed to standard error contains `text`.
    #[track_caller]
    pub fn until_it_says(&mut self, text: &str) {
        while !self.stderr().contains(text) {
            assert!(!self.is_over(), "it ended without printing `{text}`: {}", self.stderr());
            assert!(self.start.elapsed() < PATIENCE, "it did not print `{text}`: {}", self.stderr());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Ran {
        let status = self.status_within(PATIENCE);
        let took = self.start.elapsed();
        Ran { status, stdout: self.stdout.finish(), stderr: self.stderr.finish(), took }
    }

    #[track_caller]
    fn status_within(&mut self, time: Duration) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(start.elapsed() < time, "it hangs: not over after {time:?}; its output: {}", self.stderr());
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if it is over already, and then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The output of a program, read on a thread so that the program never waits for room in the pipe.
struct Output {
    text: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    fn collect(mut from: impl Read + Send + 'static) -> Output {
        let text = Arc::<Mutex<Vec<u8>>>::default();
        let into = text.clone();
        let reader = thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut piece) {
                into.lock().expect("no thread panics with it").extend(&piece[..count]);
            }
        });
        Output { text, reader: Some(reader) }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().expect("no thread panics with it")).into_owned()
    }

    /// Waits for the end of the output, and returns all of it.
    fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader only reads");
        }
        self.text()
    }
}

/// A program that is over.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed to standard output.
    pub stdout: String,
    /// What it printed to standard error.
    pub stderr: String,
    /// How long it ran.
    pub took: Duration,
}

impl Ran {
    /// Checks that it ended with this code; if not, shows its output.
    #[track_caller]
    pub fn exits(self, code: i32) -> Ran {
        assert_eq!(self.status.code(), Some(code), "{}; its output:\n{}{}", self.status, self.stdout, self.stderr);
        self
    }

    /// Checks that this is part of what it printed to standard error.
    #[track_caller]
    pub fn says(self, text: &str) -> Ran {
        assert!(self.stderr.contains(text), "it did not print `{text}` but:\n{}", self.stderr);
        self
    }
}

/// A folder to run the demo in, removed with all that is in it at the end.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Default for Place {
    fn default() -> Self {
        Place::new()
    }
}

impl Place {
    /// An empty folder.
    pub fn new() -> Place {
        Place { folder: tempfile::tempdir().expect("there is room for a folder") }
    }

    /// The path of the folder, or of something in it.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    /// The demo with these arguments, to run in here.
    pub fn command(&self, args: &[&str]) -> Command {
        self.inside(Command::new(demo()), args)
    }

    /// `sh` with this script, whose `"$@"` is the demo with these arguments, to run in here.
    pub fn shell(&self, script: &str, args: &[&str]) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).arg(demo());
        self.inside(shell, args)
    }

    fn inside(&self, mut command: Command, args: &[&str]) -> Command {
        command.args(args).current_dir(self.folder.path());
        // A proxy of the machine would not reach the servers of the tests.
        for name in ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs the demo with these arguments to its end.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Ran {
        self.start(args).wait()
    }

    /// Starts the demo with these arguments.
    pub fn start(&self, args: &[&str]) -> Running {
        Running::start(&mut self.command(args))
    }

    /// Runs `demo crawl` with these arguments to its end, saving and reporting in here.
    #[track_caller]
    pub fn crawl(&self, args: &[&str]) -> Ran {
        self.start_crawl(args).wait()
    }

    /// Starts what [`crawl`](Place::crawl) runs.
    pub fn start_crawl(&self, args: &[&str]) -> Running {
        Running::start(self.command(&["crawl", "--report", "report.jsonl"]).args(args))
    }

    /// Starts `demo crawl` with these arguments and at most this number of file descriptors.
    pub fn start_crawl_with_descriptors(&self, descriptors: u32, args: &[&str]) -> Running {
        let script = format!("ulimit -n {descriptors} && exec \"$@\"");
        Running::start(self.shell(&script, &["crawl", "--report", "report.jsonl"]).args(args))
    }

    /// The report of [`crawl`](Place::crawl).
    #[track_caller]
    pub fn report(&self) -> Report {
        Report::parse(&fs::read_to_string(self.path("report.jsonl")).expect("there is a report"))
    }

    /// The files below `download` with their bytes, by their paths in the server's folder. They include
    /// what is left in `.parts`. The `@` at the end of a name without an extension is left out.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        for (path, bytes) in files_below(&self.path("download")) {
            let (server, rest) = path.split_once('/').unwrap_or(("", &path));
            let is_a_site = server.starts_with("127.0.0.1_") || server == "built-in-site";
            let name = if is_a_site { rest.strip_suffix('@').unwrap_or(rest) } else { &path };
            assert!(files.insert(name.to_owned(), bytes).is_none(), "two servers' files: {name}");
        }
        files
    }

    /// The names of [`files`](Place::files).
    pub fn names(&self) -> Vec<String> {
        self.files().into_keys().collect()
    }

    /// The sizes of the unfinished files, by name.
    pub fn parts(&self) -> BTreeMap<String, u64> {
        let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
        let files = entries(&self.path("download/.parts")).flat_map(|run| entries(&run.path()));
        let files = files.filter_map(|file| Some((file.file_name().into_string().ok()?, file.metadata().ok()?.len())));
        files.filter(|(name, _)| name != "lock" && !name.ends_with(".json")).collect()
    }

    /// Checks that nothing unfinished was left behind.
    #[track_caller]
    pub fn has_no_parts(&self) {
        let parts = self.path("download/.parts");
        let left: Vec<_> = fs::read_dir(&parts).map(|parts| parts.flatten().collect()).unwrap_or_default();
        assert!(!parts.exists(), "`.parts` was left behind, with {left:?} in it");
    }
}

/// The files below a folder, by their paths in it, with their bytes. Symbolic links are not
/// followed: their bytes are the path they hold.
pub fn files_below(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(at: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) -> io::Result<()> {
        for entry in fs::read_dir(at)? {
            let entry = entry?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                walk(&entry.path(), &format!("{name}/"), files)?;
            } else if kind.is_symlink() {
                files.insert(name, fs::read_link(entry.path())?.into_os_string().into_encoded_bytes());
            } else {
                files.insert(name, fs::read(entry.path())?);
            }
        }
        Ok(())
    }
    let mut files = BTreeMap::new();
    walk(folder, "", &mut files).unwrap_or_else(|error| panic!("{} can't be read: {error}", folder.display()));
    files
}

/// A report: what became of each URL.
#[derive(Debug)]
pub struct Report(pub Vec<Line>);

impl Report {
    /// Parses a report, in which each line is a whole JSON object.
    #[track_caller]
    pub fn parse(text: &str) -> Report {
        assert!(text.is_empty() || text.ends_with('\n'), "the report ends inside of a line: {text}");
        let line = |line: &str| Line(serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}")));
        Report(text.lines().map(line).collect())
    }

    /// The one line about the URL with this path and query.
    #[track_caller]
    pub fn of(&self, path: &str) -> &Line {
        let lines: Vec<_> = self.0.iter().filter(|line| line.path_of_url() == path).collect();
        assert_eq!(lines.len(), 1, "lines about {path} in {self:#?}");
        lines[0]
    }

    /// The paths of all URLs, sorted.
    pub fn urls(&self) -> Vec<&str> {
        let mut urls: Vec<_> = self.0.iter().map(Line::path_of_url).collect();
        urls.sort_unstable();
        urls
    }
}

/// A line of a report. A field that is missing fails the test; it is not `null`.
#[derive(Clone, Debug)]
pub struct Line(pub Value);

impl Line {
    #[track_caller]
    fn field(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or_else(|| panic!("no `{name}` in {self:?}"))
    }

    /// The URL without the server.
    #[track_caller]
    pub fn path_of_url(&self) -> &str {
        let url = self.text("url").expect("each line has a URL");
        let rest = url.split_once("://").expect("a URL has a scheme").1;
        rest.find('/').map_or("/", |slash| &rest[slash..])
    }

    /// A field that is text or null.
    #[track_caller]
    pub fn text(&self, name: &str) -> Option<&str> {
        let field = self.field(name);
        assert!(field.is_string() || field.is_null(), "`{name}` in {self:?}");
        field.as_str()
    }

    /// A field that is a number or null.
    #[track_caller]
    pub fn number(&self, name: &str) -> Option<u64> {
        let field = self.field(name);
        assert!(field.is_u64() || field.is_null(), "`{name}` in {self:?}");
        field.as_u64()
    }

    /// Checks that the URL was fetched and saved.
    #[track_caller]
    pub fn is_saved(&self) -> &Line {
        assert!(self.text("error").is_none() && self.text("path").is_some(), "not saved: {self:?}");
        self
    }

    /// Checks that the URL failed, with this status or none, and an error that contains this.
    #[track_caller]
    pub fn failed(&self, status: Option<u64>, error: &str) -> &Line {
        let says = self.text("error").unwrap_or_else(|| panic!("it did not fail: {self:?}"));
        assert!(says.contains(error), "its error does not say `{error}`: {self:?}");
        assert!(self.text("path").is_none(), "it failed and has a file: {self:?}");
        assert_eq!(self.number("status"), status, "the status of {self:?}");
        self
    }

    /// Checks the number of attempts.
    #[track_caller]
    pub fn attempts(&self, attempts: u64) -> &Line {
        assert_eq!(self.number("attempts"), Some(attempts), "the attempts of {self:?}");
        self
    }
}

/// `demo serve`, or another program that serves HTTP, on a port of its own.
pub struct Serving {
    /// Where it serves.
    pub address: SocketAddr,
    /// The program.
    pub running: Running,
}

impl Serving {
    /// Starts `demo serve`, and waits until it prints its address.
    #[track_caller]
    pub fn start(place: &Place, args: &[&str]) -> Serving {
        Serving::run(place.command(&["serve", "--listen", "127.0.0.1:0"]).args(args))
    }

    /// Starts a program, and waits for its first line on standard output, which contains its address.
    #[track_caller]
    pub fn run(command: &mut Command) -> Serving {
        let mut running = Running::start(command);
        let start = Instant::now();
        let address = loop {
            let said = running.stdout();
            if let Some((line, _)) = said.split_once('\n') {
                let rest = line.split_once("http://").unwrap_or_else(|| panic!("no address in `{line}`")).1;
                break rest.split('/').next().and_then(|address| address.parse().ok()).expect("an address");
            }
            assert!(!running.is_over() && start.elapsed() < PATIENCE, "it serves nothing: {}", running.stderr());
            thread::sleep(Duration::from_millis(2));
        };
        Serving { address, running }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends these bytes on a new connection, and returns all that the server sends until it closes the
    /// connection.
    #[track_caller]
    pub fn raw(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut stream = self.connect();
        // The server may close before it has read all of a request that it refuses.
        let _ = stream.write_all(request.as_ref());
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("an answer and its end");
        Answer::parse(&bytes)
    }

    /// A connection to it, with a limit on the time that a read takes.
    #[track_caller]
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket takes a timeout");
        stream
    }

    /// Requests a path, exactly as it is written.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.raw(format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address))
    }
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The head, as it came.
    pub head: String,
    /// What followed it until the end of the connection, as it came.
    pub body: Vec<u8>,
}

impl Answer {
    /// Parses a response.
    #[track_caller]
    pub fn parse(bytes: &[u8]) -> Answer {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no head: {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8(bytes[..end].to_vec()).expect("a head is text");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
        Answer { status, head, body: bytes[end + 4..].to_vec() }
    }

    /// A field of the head.
    pub fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
