//! The address of a Redis server: `redis://user:password@host:port/database`. Its `Display`, its `Debug` and errors
//! about it never contain the login.

use percent_encoding::percent_decode_str;
use std::fmt;
use std::str::FromStr;
use url::Url;

/// The default port of Redis.
const PORT: u16 = 6379;

/// The address of a Redis server, and the login.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The number of the database.
    pub database: u32,
    /// The arguments of AUTH: a password, or a user and a password. Empty if there is no login.
    pub login: Vec<String>,
}

/// Why a text is not the address of a Redis server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{shown}` is not the address of a Redis server: {why}; write redis://HOST[:PORT][/DATABASE], with a login as redis://USER:PASSWORD@HOST"
)]
pub struct AddressError {
    /// The text without the login.
    shown: String,
    why: String,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        parse(text).map_err(|why| AddressError { shown: without_login(text), why })
    }
}

fn parse(text: &str) -> Result<Address, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    match url.scheme() {
        "redis" => {}
        "rediss" => return Err("Redis over TLS is not supported; use a tunnel".to_owned()),
        scheme => return Err(format!("the scheme is `{scheme}:`")),
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or("it names no host")?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("it has a query or a fragment; percent-encode these characters in a password".to_owned());
    }
    let database = match url.path().trim_start_matches('/') {
        "" => 0,
        number => number.parse().map_err(|_| "the database is not a number".to_owned())?,
    };
    let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
    let login = match (url.username(), url.password()) {
        ("", None) => Vec::new(),
        ("", Some(password)) => vec![decode(password)],
        (_, None) => return Err("it has a user and no password".to_owned()),
        (user, Some(password)) => vec![decode(user), decode(password)],
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(Address { host, port: url.port().unwrap_or(PORT), database, login })
}

/// The text without anything that may be a login.
fn without_login(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("…@{rest}"),
        None => text.to_owned(),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "redis://{host}:{}/{}", self.port, self.database)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_optional_except_the_host() {
        for (text, shown, login) in [
            ("redis://h", "redis://h:6379/0", &[][..]),
            ("redis://h/", "redis://h:6379/0", &[]),
            ("redis://127.0.0.1:7000/3", "redis://127.0.0.1:7000/3", &[]),
            ("redis://[::1]:7000", "redis://[::1]:7000/0", &[]),
            ("redis://:p%40ss@h/1", "redis://h:6379/1", &["p@ss"]),
            ("redis://us%3Aer:secret@h:1", "redis://h:1/0", &["us:er", "secret"]),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(address.login, login);
        }
    }

    #[test]
    fn an_error_says_what_to_write_and_hides_the_login() {
        for (text, why) in [
            ("http://u:secret@h/", "the scheme is `http:`"),
            ("rediss://u:secret@h/", "TLS"),
            ("redis://u:secret@h/x", "the database is not a number"),
            ("redis://u:secret@h/-1", "the database is not a number"),
            ("redis://u:secret@h/0?x=1", "query"),
            ("redis://u:secret@h:99999/", "port"),
            ("redis://:sec/ret@h/", "write redis://"),
            ("redis://secret@h/", "no password"),
            ("redis://", "host"),
            ("localhost:6379", "scheme"),
            ("localhost", "relative"),
            ("", "relative"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("redis://HOST"), "{text}: {error}");
            assert!(!error.contains("sec"), "{error}");
        }
        let address: Address = "redis://u:secret@h".parse().unwrap();
        assert!(!format!("{address:?} {address}").contains("secret"));
    }
}
