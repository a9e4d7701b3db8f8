//! One connection to Redis: sends a command, and reads its reply.

use super::address::Address;
use super::error::Error;
use executor::net::{TcpStream, connect};
use executor::time::{Duration, timeout};
use futures_lite::AsyncWriteExt;
use redis_protocol::resp2::decode::decode;
use redis_protocol::resp2::types::OwnedFrame as Reply;
use std::io;

/// The longest time for a connection, and for a reply after the command was sent. Redis answers within milliseconds;
/// after this time the machine or the network is gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to Redis.
pub struct Connection {
    stream: TcpStream,
    /// The server, for errors.
    address: String,
    /// Bytes of the next reply.
    input: Vec<u8>,
}

impl Connection {
    /// Connects, logs in, and selects the database.
    ///
    /// # Errors
    /// If the server is not there, does not answer within ten seconds, or refuses the login or the database.
    pub async fn open(address: &Address) -> Result<Connection, Error> {
        let shown = address.to_string();
        let connecting = timeout(PATIENCE, connect((address.host.as_str(), address.port))).await;
        let stream = connecting.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let stream = stream.map_err(|source| Error::Connect { address: shown.clone(), source })?;
        let _ = stream.set_nodelay(true); // an optimization only
        let mut connection = Connection { stream, address: shown, input: Vec::new() };
        if !address.login.is_empty() {
            let login = address.login.iter().map(String::as_bytes);
            let auth: Vec<&[u8]> = std::iter::once(&b"AUTH"[..]).chain(login).collect();
            connection.request(&auth).await?;
        }
        if address.database != 0 {
            connection.request(&[b"SELECT", address.database.to_string().as_bytes()]).await?;
        }
        Ok(connection)
    }

    /// Sends a command, and returns its reply.
    ///
    /// # Errors
    /// If the connection breaks, or no reply comes within ten seconds, or the reply is an error.
    ///
    /// # Cancel safety
    /// If the future is dropped, the command may have been executed or not, and the connection is unusable.
    pub async fn request(&mut self, command: &[&[u8]]) -> Result<Reply, Error> {
        let exchange = timeout(PATIENCE, self.exchange(command)).await;
        match exchange.unwrap_or_else(|_| Err(self.lost(io::ErrorKind::TimedOut.into())))? {
            Reply::Error(message) => Err(Error::Refused { address: self.address.clone(), message }),
            reply => Ok(reply),
        }
    }

    async fn exchange(&mut self, command: &[&[u8]]) -> Result<Reply, Error> {
        let sent = self.stream.write_all(&encoded(command)).await;
        sent.map_err(|source| self.lost(source))?;
        let mut piece = vec![0; 16 * 1024];
        loop {
            // Decodes from the beginning each time, so callers ask for long lists in pieces.
            let decoded = decode(&self.input).map_err(|error| self.not_redis(error.to_string()))?;
            if let Some((reply, length)) = decoded {
                self.input.drain(..length);
                return Ok(reply);
            }
            match self.stream.read(&mut piece).await {
                Ok(0) => return Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => self.input.extend(&piece[..count]),
                Err(source) => return Err(self.lost(source)),
            }
        }
    }

    fn lost(&self, source: io::Error) -> Error {
        Error::Lost { address: self.address.clone(), source }
    }

    fn not_redis(&self, why: String) -> Error {
        Error::Protocol { address: self.address.clone(), why }
    }
}

/// A command as an array of strings.
fn encoded(command: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for part in command {
        bytes.extend(format!("${}\r\n", part.len()).as_bytes());
        bytes.extend(*part);
        bytes.extend(b"\r\n");
    }
    bytes
}
