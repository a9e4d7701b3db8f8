//! Debian's redis-server as a program, with an append-only file, on a port and a Unix socket of its own.
//!
//! Used by the tests of crawls that processes share. Each test prints `skipped` if Redis is not installed.

use crate::demo::{Program, free_port};
use redis_protocol::resp2::decode::decode;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use std::{io, thread};

pub use redis_protocol::resp2::types::OwnedFrame as Reply;

/// A Redis server. Dropping it ends the server and removes its files.
pub struct RedisServer {
    program: Program,
    folder: tempfile::TempDir,
    port: u16,
    password: Option<&'static str>,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts a server without data; prints a message and returns `None` if Redis is not installed.
    #[track_caller]
    pub fn start() -> Option<RedisServer> {
        RedisServer::with_password(None)
    }

    /// As [`start`](RedisServer::start), but requires the password.
    #[track_caller]
    pub fn with_password(password: Option<&'static str>) -> Option<RedisServer> {
        let program = Program::find("redis-server")?;
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let mut server = RedisServer { program, folder, port: free_port(), password, process: None };
        server.run();
        Some(server)
    }

    /// Kills the server. The commands that it has answered are in its append-only file.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("a child can be killed");
            process.wait().expect("a child can be waited for");
        }
    }

    /// Starts the server, with the data of its append-only file, and waits until it answers.
    #[track_caller]
    pub fn run(&mut self) {
        let mut command = self.program.command();
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]);
        command.args(["--unixsocket", "redis.sock", "--daemonize", "no"]).current_dir(self.folder.path());
        if let Some(password) = self.password {
            command.args(["--requirepass", password]);
        }
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.process = Some(process.expect("redis-server can be started"));
        let start = Instant::now();
        let loading = |reply: io::Result<Reply>| match reply {
            Ok(Reply::Error(message)) => message.starts_with("LOADING"),
            reply => reply.is_err(),
        };
        while loading(self.try_ask(&["PING"])) {
            assert!(start.elapsed() < Duration::from_secs(60), "redis-server does not answer");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The value of `--frontier`.
    pub fn url(&self) -> String {
        let login = self.password.map(|password| format!(":{password}@")).unwrap_or_default();
        format!("redis://{login}127.0.0.1:{}/0", self.port)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// The path of its Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// Executes a command.
    ///
    /// # Panics
    /// If the server does not answer, or answers with an error.
    #[track_caller]
    pub fn ask(&self, command: &[&str]) -> Reply {
        match self.try_ask(command).expect("the server answers") {
            Reply::Error(message) => panic!("{command:?}: {message}"),
            reply => reply,
        }
    }

    /// As [`ask`](RedisServer::ask), for a number.
    #[track_caller]
    pub fn number(&self, command: &[&str]) -> i64 {
        match self.ask(command) {
            Reply::Integer(number) => number,
            reply => panic!("{command:?}: {reply:?}"),
        }
    }

    fn try_ask(&self, command: &[&str]) -> io::Result<Reply> {
        let mut stream = UnixStream::connect(self.socket())?;
        if let Some(password) = self.password {
            exchange(&mut stream, &[b"AUTH", password.as_bytes()])?;
        }
        let command: Vec<&[u8]> = command.iter().map(|part| part.as_bytes()).collect();
        exchange(&mut stream, &command)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a command, and reads its reply. Blocks.
///
/// # Errors
/// If the connection breaks, or the bytes received are not a reply.
pub fn exchange(stream: &mut UnixStream, command: &[&[u8]]) -> io::Result<Reply> {
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for part in command {
        bytes.extend(format!("${}\r\n", part.len()).as_bytes());
        bytes.extend(*part);
        bytes.extend(b"\r\n");
    }
    stream.write_all(&bytes)?;
    let (mut input, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        input.extend(&piece[..count]);
        if let Some((reply, _)) = decode(&input).map_err(io::Error::other)? {
            return Ok(reply);
        }
    }
}
