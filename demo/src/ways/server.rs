//! The server that all ways download from: the built-in site in a process of its own, so that its cost is not counted.

use crate::Failure;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The server's process. Dropping this ends it.
pub struct Server {
    process: Child,
    /// The address that the server listens on.
    pub address: SocketAddr,
}

impl Server {
    /// Starts `demo serve`, which waits for `delay` before each response.
    pub fn start(delay: Duration) -> Result<Server, Failure> {
        let delay = humantime::format_duration(delay).to_string().replace(' ', "");
        let mut process = Command::new(std::env::current_exe().map_err(Failure::Process)?)
            .args(["serve", "--listen", "127.0.0.1:0", "--delay", &delay, "--until-eof"])
            .stdin(Stdio::piped()) // closes when this process ends, and `--until-eof` then ends the server
            .stdout(Stdio::piped())
            .spawn()
            .map_err(Failure::Process)?;
        let mut line = String::new();
        let read = BufReader::new(process.stdout.take().expect("it is a pipe")).read_line(&mut line);
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()?.parse().ok());
        let mut server = Server { process, address: ([127, 0, 0, 1], 0).into() };
        server.address =
            address.ok_or_else(|| Failure::Process(read.err().unwrap_or_else(|| io::Error::other(line))))?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
