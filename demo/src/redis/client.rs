//! A connection to Redis that reconnects when it breaks. Tasks may share a client; their commands run one after
//! another.

use super::address::Address;
use super::connection::Connection;
use super::error::Error;
use super::script::Script;
use executor::sync::Mutex;
use executor::test::Network;
use executor::time::{Duration, now, sleep};
use redis_protocol::resp2::types::OwnedFrame as Reply;
use std::rc::Rc;

/// How long a command is retried while Redis is not reachable. A restart that reads a large append-only file takes
/// a minute or so.
pub const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// The bounds of the waits between two attempts.
const WAITS: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];

/// A connection to Redis that reconnects when it breaks.
pub struct Client {
    address: Address,
    /// `None` while there is no connection.
    connection: Mutex<Option<Connection>>,
    /// Prints messages: Redis is not reachable, or is reachable again.
    say: Rc<dyn Fn(&str)>,
}

impl Client {
    /// Connects. `say` prints messages about a connection that breaks later.
    ///
    /// # Errors
    /// If Redis can't be reached or refuses the login.
    pub async fn connect(address: Address, say: Rc<dyn Fn(&str)>) -> Result<Client, Error> {
        let mut connection = Connection::open(&address).await?;
        match connection.request(&[b"PING"]).await {
            // The server is running but not ready: it may be loading its data.
            Err(Error::Refused { .. }) | Ok(_) => Ok(Client { address, connection: Mutex::new(Some(connection)), say }),
            Err(error) => Err(error),
        }
    }

    /// The address that it connects to.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Executes a command. If the connection breaks, makes another one and sends the command again, so Redis may execute
    /// it more than once.
    ///
    /// # Errors
    /// If Redis refuses the command, or is not reachable for five minutes.
    ///
    /// # Cancel safety
    /// If the future is dropped, the command may have been executed or not.
    pub async fn command(&self, command: &[&[u8]]) -> Result<Reply, Error> {
        let mut slot = self.connection.lock().await;
        let mut down = None;
        loop {
            let error = match self.attempt(&mut slot, command).await {
                Ok(reply) => {
                    if down.is_some() {
                        (self.say)(&format!("connected to {} again", self.address));
                    }
                    return Ok(reply);
                }
                Err(error) if error.is_transient() => error,
                Err(error) => return Err(error),
            };
            let since = *down.get_or_insert_with(|| {
                let patience = humantime::format_duration(PATIENCE);
                (self.say)(&format!("{error}; trying again for {patience}"));
                now()
            });
            let waited = now() - since;
            if waited >= PATIENCE {
                return Err(error);
            }
            // Grows with the time that has passed, with jitter, so that workers do not reconnect all at once.
            let bound = waited.clamp(WAITS[0], WAITS[1]);
            sleep(bound.mul_f64(0.5 + random() / 2.0)).await;
        }
    }

    /// Runs a script with arguments and with `key`, the prefix of all keys that it uses. Redis keeps the source, so
    /// that only the first call sends it. The rest is as for [`command`](Client::command).
    ///
    /// # Errors
    /// As [`command`](Client::command), and if the script fails.
    pub async fn run(&self, script: &Script, key: &str, arguments: &[&[u8]]) -> Result<Reply, Error> {
        let by_digest = [&[b"EVALSHA", script.digest.as_bytes(), b"1", key.as_bytes()][..], arguments].concat();
        match self.command(&by_digest).await {
            Err(error) if error.has_code("NOSCRIPT") => {
                let by_source = [&[b"EVAL", script.text.as_bytes(), b"1", key.as_bytes()][..], arguments].concat();
                self.command(&by_source).await
            }
            result => result,
        }
    }

    /// One attempt. A connection on which a command failed is dropped, and so is one whose command was cancelled: its
    /// reply is still to come.
    async fn attempt(&self, slot: &mut Option<Connection>, command: &[&[u8]]) -> Result<Reply, Error> {
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => Connection::open(&self.address).await?,
        };
        let result = connection.request(command).await;
        if matches!(result, Ok(_) | Err(Error::Refused { .. })) {
            *slot = Some(connection);
        }
        result
    }
}

/// A number between 0 and 1. In a deterministic run it follows from the seed.
fn random() -> f64 {
    match Network::current() {
        Some(network) => network.random_below(1 << 20) as f64 / (1 << 20) as f64,
        None => fastrand::f64(),
    }
}
