//! A server, ours or the real one, and a client that checks each byte.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;
use tests::demo::{Program, Ran, Running, example, free_port, until_it_listens};
use tests::eventually;

/// The time limit of each reply.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Server {
    pub running: Running,
    pub address: SocketAddr,
}

impl Server {
    /// Ours, at a port that the system chooses.
    pub fn start() -> Server {
        let mut running = Running::start(Command::new(example("mini_redis")).args(["--listen", "127.0.0.1:0"]));
        eventually("it says where it listens", || running.stdout().ends_with('\n') || running.is_over());
        let address = running.stdout().trim().strip_prefix("listening on ").and_then(|address| address.parse().ok());
        let address = address.unwrap_or_else(|| panic!("it did not listen: {}{}", running.stdout(), running.stderr()));
        Server { running, address }
    }

    /// The real one, if it is installed.
    pub fn real() -> Option<Server> {
        let port = free_port();
        let mut command = Program::find("redis-server")?.command();
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()]);
        let mut running = Running::start(&mut command);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        until_it_listens(address, &mut running);
        Some(Server { running, address })
    }

    pub fn client(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Client(stream)
    }

    /// One of Redis's programs with these arguments, connected to this server, if it is installed.
    pub fn program(&self, name: &str, args: &[&str]) -> Option<Command> {
        let mut command = Program::find(name)?.command();
        command.args(["-h", "127.0.0.1", "-p", &self.address.port().to_string()]).args(args);
        Some(command)
    }

    /// What redis-cli prints, run to its end.
    #[track_caller]
    pub fn cli(&self, args: &[&str]) -> Option<Ran> {
        Some(Running::start(&mut self.program("redis-cli", args)?).wait().exits(0))
    }

    /// The server's resident memory in bytes, on systems that report it.
    pub fn memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.running.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().unwrap() * 1024)
    }
}

pub struct Client(pub TcpStream);

impl Client {
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).unwrap();
    }

    /// Checks that these are the next bytes.
    #[track_caller]
    pub fn gets(&mut self, expected: impl AsRef<[u8]>) {
        let expected = expected.as_ref();
        let mut got = vec![0; expected.len()];
        let mut length = 0;
        while length < got.len() {
            match self.0.read(&mut got[length..]) {
                Ok(0) | Err(_) => break,
                Ok(count) => length += count,
            }
            if got[..length] != expected[..length] {
                break;
            }
        }
        assert!(got[..length] == *expected, "{} and not {}", show(&got[..length]), show(expected));
    }

    /// Sends a request as a line and checks that this is the reply, written with `⏎` for its line ends.
    #[track_caller]
    pub fn ask(&mut self, line: &str, reply: &str) {
        self.send(format!("{line}\r\n"));
        let expected = format!("{reply}⏎").replace('⏎', "\r\n");
        let mut got = vec![0; expected.len()];
        let length = self.0.read(&mut got).unwrap();
        // Compares what has arrived first, so that a failure names the request; `gets` waits for the rest.
        assert!(expected.as_bytes().starts_with(&got[..length]), "{line}: {} and not {reply}", show(&got[..length]));
        self.gets(&expected.as_bytes()[length..]);
    }

    /// The number that is the reply to a line.
    #[track_caller]
    pub fn number(&mut self, line: &str) -> i64 {
        self.send(format!("{line}\r\n"));
        self.gets_number()
    }

    /// The number that comes next.
    #[track_caller]
    pub fn gets_number(&mut self) -> i64 {
        let mut reply = Vec::new();
        while !reply.ends_with(b"\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            reply.push(byte[0]);
        }
        let text = String::from_utf8(reply).unwrap();
        text.trim().strip_prefix(':').unwrap_or_else(|| panic!("`{text}` is no number")).parse().unwrap()
    }

    /// All that comes until the server closes.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error} after {}", show(&rest)),
            _ => rest,
        }
    }
}

/// A request as clients send it.
pub fn request(args: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    args.iter().for_each(|arg| bytes.extend(bulk(arg)));
    bytes
}

/// Bytes as they are sent in either direction.
pub fn bulk(bytes: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// The beginning is enough to see what is wrong.
fn show(bytes: &[u8]) -> String {
    let more = if bytes.len() > 300 { format!("… ({} bytes)", bytes.len()) } else { String::new() };
    format!("`{}`{more}", bytes[..bytes.len().min(300)].escape_ascii())
}
