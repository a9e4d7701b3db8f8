//! nginx, its certificate and its files; and our own server, for replies that take time.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use tests::demo::{Program, Running, free_port, until_it_listens};

/// Pages of 1 KB.
const PAGES: usize = 20_000;
/// Links on one page.
const LINKS: usize = 120_000;
/// Bytes of the large file.
const LARGE: u64 = 1 << 30;
/// Connections at once to the slow server.
const CONNECTIONS: usize = 10_000;

/// The server, and the directory for all files.
pub struct Server {
    directory: TempDir,
    /// The divisor of the full sizes.
    scale: usize,
    plain: SocketAddr,
    tls: SocketAddr,
    _nginx: Running,
}

impl Server {
    /// Starts it. Prints a message and returns `None` if nginx or openssl is not installed.
    pub fn start(scale: usize) -> Option<Server> {
        let (nginx, openssl) = (Program::find("nginx")?, Program::find("openssl")?);
        let directory = in_memory();
        certificate(&openssl, directory.path());
        write_files(directory.path(), scale);
        let [plain, tls] = [(); 2].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
        let config = directory.path().join("nginx.conf");
        fs::write(&config, configuration(directory.path(), plain, tls)).expect("its configuration can be written");
        let prefix = directory.path();
        let mut running =
            Running::start(nginx.command().arg("-c").arg(config).arg("-p").arg(prefix).args(["-e", "stderr"]));
        until_it_listens(tls, &mut running);
        Some(Server { directory, scale, plain, tls, _nginx: running })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The authority that issued the server's certificate.
    pub fn authority(&self) -> String {
        self.path("certificate.pem").to_str().expect("a path in UTF-8").to_owned()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.plain)
    }

    pub fn secure_url(&self, path: &str) -> String {
        format!("https://{}/{path}", self.tls)
    }

    /// Whether the sizes are those that the rows name.
    pub fn is_full(&self) -> bool {
        self.scale == 1
    }

    pub fn pages(&self) -> usize {
        PAGES / self.scale
    }

    pub fn links(&self) -> usize {
        LINKS / self.scale
    }

    pub fn connections(&self) -> usize {
        CONNECTIONS / self.scale
    }

    pub fn large(&self) -> u64 {
        LARGE / self.scale as u64
    }

    /// Writes a list of URLs, in the formats of the programs.
    pub fn list(&self, name: &str, urls: impl Iterator<Item = String>) -> List {
        let urls: Vec<String> = urls.collect();
        let (plain, curl) = (self.path(name), self.path(&format!("{name}.curl")));
        fs::write(&plain, urls.join("\n")).expect("the list can be written");
        let of_curl = urls.iter().map(|url| format!("url = \"{url}\"\noutput = \"{}\"\n", file_name(url)));
        fs::write(&curl, of_curl.collect::<String>()).expect("the list can be written");
        List { plain: text(plain), curl: text(curl), urls: urls.len() }
    }
}

/// URLs in a file.
pub struct List {
    /// One in each line.
    pub plain: String,
    /// As curl's options.
    pub curl: String,
    pub urls: usize,
}

/// The last segment of a URL's path.
pub fn file_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

fn text(path: PathBuf) -> String {
    path.into_os_string().into_string().expect("a path in UTF-8")
}

/// A directory in memory, if the system has one.
fn in_memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a directory can be created")
}

fn certificate(openssl: &Program, directory: &Path) {
    let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=localhost \
        -keyout key.pem -out certificate.pem -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=CA:FALSE";
    let mut command = openssl.command();
    Running::start(command.args(new.split_whitespace()).current_dir(directory)).wait().exits(0);
}

fn write_files(directory: &Path, scale: usize) {
    let create = |name: &str| fs::create_dir(directory.join(name)).expect("a directory can be created");
    ["files", "files/pages", "files/links"].into_iter().for_each(create);
    let write =
        |name: String, text: &str| fs::write(directory.join("files").join(name), text).expect("it can be written");
    let (mut index, filler) = (String::from("<!doctype html><title>Pages</title>\n"), "text ".repeat(190));
    for number in 0..PAGES / scale {
        index.push_str(&format!("<a href=\"page{number}.html\">page {number}</a>\n"));
        write(format!("pages/page{number}.html"), &format!("<!doctype html><title>{number}</title><p>{filler}</p>\n"));
    }
    write("pages/index.html".to_owned(), &index);
    let links =
        (0..LINKS / scale).map(|number| format!("<a href=\"../same/a-page-of-many-{number}.html\">{number}</a>\n"));
    write("links/index.html".to_owned(), &links.collect::<String>());
    let large = File::create(directory.join("files/large")).expect("it can be created");
    large.set_len(LARGE / scale as u64).expect("it can be as large");
    if let Some(docs) = documentation() {
        std::os::unix::fs::symlink(docs, directory.join("files/docs")).expect("a link can be created");
    }
}

/// Rust's documentation, if it is installed.
fn documentation() -> Option<PathBuf> {
    let printed = Command::new("rustc").args(["--print", "sysroot"]).output().ok()?;
    let docs = Path::new(String::from_utf8(printed.stdout).ok()?.trim()).join("share/doc/rust/html");
    docs.join("std/index.html").is_file().then_some(docs)
}

fn configuration(directory: &Path, plain: SocketAddr, tls: SocketAddr) -> String {
    let directory = directory.to_str().expect("a path in UTF-8");
    // Its workers would run as another user, who may not read files below /root.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|of| format!("{of}_temp_path \"{directory}/{of}\";"))
        .join("\n");
    format!(
        "{user} daemon off; master_process off; pid \"{directory}/pid\"; error_log \"{directory}/error.log\";
        events {{ worker_connections 4096; }}
        http {{
            access_log off; default_type application/octet-stream; {temporary}
            types {{ text/html html; text/css css; text/javascript js; image/svg+xml svg; font/woff2 woff2; }}
            sendfile on; keepalive_requests 1000000;
            server {{
                listen {plain}; listen {tls} ssl; root \"{directory}/files\";
                ssl_certificate \"{directory}/certificate.pem\"; ssl_certificate_key \"{directory}/key.pem\";
                location /same/ {{ default_type text/html; return 200 \"<!doctype html><title>same</title>\"; }}
            }}
        }}"
    )
}
