//! nginx, as Debian has it, serving files from a folder by a configuration of a few lines.

use crate::demo::{Place, Program, Running, free_port, until_it_listens};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

/// What a test adds to the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config<'a> {
    /// Lines of `http`. Paths are relative to the folder `nginx` of the place.
    pub http: &'a str,
    /// Lines of `server`.
    pub server: &'a str,
    /// Parameters of `listen`, for instance `ssl`.
    pub listen: &'a str,
}

/// A running nginx. Dropping it kills the process.
pub struct Nginx {
    /// Its address.
    pub address: SocketAddr,
    /// The program.
    pub running: Running,
}

impl Nginx {
    /// Serves the files of `root` with one process; `None` if nginx is not installed.
    #[track_caller]
    pub fn start(place: &Place, root: &Path, config: Config<'_>) -> Option<Nginx> {
        let nginx = Program::find("nginx")?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let folder = place.path("nginx");
        fs::create_dir(&folder).expect("the place has no other nginx");
        // Workers of another user may not read files below /root.
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let temporary =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|of| format!("{of}_temp_path {of};")).join("\n");
        let Config { http, server, listen } = config;
        let log = if http.contains("access_log") { "" } else { "access_log off;" };
        // One process: a killed master would leave its workers behind.
        let text = format!(
            "{user} daemon off; master_process off; pid pid; error_log error.log; events {{}}
            http {{
                {log} {temporary} default_type application/octet-stream;
                types {{ text/html html; text/css css; text/javascript js; image/svg+xml svg; font/woff2 woff2; }}
                {http}
                server {{ listen {address} {listen}; root \"{}\"; {server} }}
            }}",
            root.display()
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, text).expect("there is room for a file");
        let mut command = nginx.command();
        command.arg("-c").arg(file).arg("-p").arg(&folder).args(["-e", "stderr"]);
        let mut running = Running::start(&mut command);
        until_it_listens(address, &mut running);
        Some(Nginx { address, running })
    }

    /// The URL of a path, over HTTP.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}
