//! The options of the network, and what is made from them: a pool of connections, and what each request carries.
//!
//! Used by the engine. Values that may contain a password are checked here and not by `clap`, which would print them.

use super::connector::{Connector, Family};
use super::cookies::{self, Jar};
use super::credentials::{Credentials, Login};
use super::custom::{CustomField, is_field_value};
use super::netrc::Netrc;
use super::pool::Pool;
use super::proxy::Proxies;
use super::requests::Requests;
use super::tls::{Roots, Tls, read_certificates};
use clap::Args;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::str::FromStr;
use url::Url;

const USER_AGENT: &str = concat!("demo/", env!("CARGO_PKG_VERSION"));

/// The options of the network.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Network")]
pub struct NetworkOptions {
    /// Trust the certificates in FILE (PEM) instead of the system's
    #[arg(hide_short_help = true, long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// Skip certificate verification; anyone on the network path can then read and change the traffic
    #[arg(long, visible_alias = "no-check-certificate")]
    pub insecure: bool,
    /// Proxy for all requests (http://user:password@host:port) [default: http_proxy, https_proxy, all_proxy, no_proxy]
    #[arg(long, value_name = "URL", conflicts_with = "no_proxy")]
    pub proxy: Option<Secret>,
    /// Ignore the proxies of the environment
    #[arg(hide_short_help = true, long)]
    pub no_proxy: bool,
    /// User name and password for the hosts of the given URLs
    #[arg(long, value_name = "USER:PASSWORD")]
    pub user: Option<Secret>,
    /// Read logins from ~/.netrc
    #[arg(hide_short_help = true, long)]
    pub netrc: bool,
    /// Read logins from FILE, in the format of .netrc
    #[arg(hide_short_help = true, long, value_name = "FILE", conflicts_with = "netrc")]
    pub netrc_file: Option<PathBuf>,
    /// Ignore cookies
    #[arg(hide_short_help = true, long)]
    pub no_cookies: bool,
    /// Read cookies from FILE, in the format of Netscape's cookies.txt
    #[arg(hide_short_help = true, long, value_name = "FILE", conflicts_with = "no_cookies")]
    pub load_cookies: Option<PathBuf>,
    /// Add or replace a header in each request; 'NAME:' removes it (repeatable)
    #[arg(long = "header", value_name = "'NAME: VALUE'")]
    pub headers: Vec<Secret>,
    /// User-Agent header; '' sends none
    #[arg(long, value_name = "NAME", default_value = USER_AGENT)]
    pub user_agent: Option<String>,
    /// Referer header for the given URLs
    #[arg(hide_short_help = true, long, value_name = "URL")]
    pub referer: Option<String>,
    /// Connect to IPv4 addresses only
    #[arg(hide_short_help = true, short = '4', long = "ipv4", visible_alias = "inet4-only", conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Connect to IPv6 addresses only
    #[arg(hide_short_help = true, short = '6', long = "ipv6", visible_alias = "inet6-only")]
    pub ipv6: bool,
}

/// Text that may contain a password. It is not shown in debug output.
#[derive(Clone, Default)]
pub struct Secret(pub String);

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Secret, Self::Err> {
        Ok(Secret(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// An option has a wrong value. The text names the option, but no secret.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OptionError(String);

impl NetworkOptions {
    /// Makes the pool of connections, and what the requests carry. Moves the logins of the first pages' URLs out of
    /// them.
    ///
    /// # Errors
    /// If an option has a wrong value, or a file that it names cannot be used.
    pub fn open(&self, first_pages: &mut [Url]) -> Result<(Pool, Requests), OptionError> {
        self.open_with(first_pages, |name| std::env::var(name).ok()).map_err(OptionError)
    }

    fn open_with(
        &self,
        first_pages: &mut [Url],
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<(Pool, Requests), String> {
        let roots = match &self.cacert {
            Some(file) => read_certificates(file).map_err(|why| format!("--cacert {}: {why}", file.display()))?,
            None => Roots::System,
        };
        let proxies = match self.no_proxy {
            true => Proxies::default(),
            false => Proxies::new(self.proxy.as_ref().map(|Secret(text)| &**text), &variable)?,
        };
        let proxies = Rc::new(proxies);
        let user = self.user.as_ref().map(|Secret(text)| Login::parse(text).map_err(|why| format!("--user: {why}")));
        let credentials = Credentials::take(first_pages, user.transpose()?.as_ref(), self.read_netrc(&variable)?)?;
        let parse = |Secret(text): &Secret| CustomField::parse(text).map_err(|why| format!("--header: {why}"));
        let user_agent = self.user_agent.as_deref().unwrap_or(USER_AGENT);
        for (option, text) in [("--user-agent", Some(user_agent)), ("--referer", self.referer.as_deref())] {
            if !text.is_none_or(is_field_value) {
                return Err(format!("{option}: contains a line break or another control character"));
            }
        }
        let user_agent = (!user_agent.is_empty()).then(|| user_agent.to_owned());
        let requests = Requests {
            proxies: proxies.clone(),
            credentials,
            cookies: self.cookies()?,
            custom: self.headers.iter().map(parse).collect::<Result<_, _>>()?,
            user_agent: user_agent.clone(),
            referer: self.referer.clone(),
        };
        let family = match (self.ipv4, self.ipv6) {
            (true, _) => Some(Family::V4),
            (_, true) => Some(Family::V6),
            _ => None,
        };
        let connector = Connector::new(Tls::new(roots, self.insecure), proxies, family, user_agent);
        Ok((Pool::new(connector), requests))
    }

    fn read_netrc(&self, variable: &impl Fn(&str) -> Option<String>) -> Result<Netrc, String> {
        let file = match (&self.netrc_file, self.netrc) {
            (Some(file), _) => file.clone(),
            (None, true) => {
                Path::new(&variable("HOME").ok_or("--netrc: HOME is not set; use --netrc-file FILE")?).join(".netrc")
            }
            (None, false) => return Ok(Netrc::default()),
        };
        Netrc::parse(&read(&file)?).map_err(|why| format!("{}: {why}", file.display()))
    }

    fn cookies(&self) -> Result<Option<Jar>, String> {
        if self.no_cookies {
            return Ok(None);
        }
        let jar = Jar::default();
        if let Some(file) = &self.load_cookies {
            cookies::read(&read(file)?, &jar).map_err(|why| format!("{}: {why}", file.display()))?;
        }
        Ok(Some(jar))
    }
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        network: NetworkOptions,
    }

    fn open(args: &[&str]) -> Result<(Pool, Requests), String> {
        let cli = Cli::try_parse_from([&["demo"], args].concat()).map_err(|error| error.to_string())?;
        cli.network.open_with(&mut [Url::parse("http://h/").unwrap()], |_| None)
    }

    #[test]
    fn an_error_names_the_option_and_prints_no_secret() {
        for (args, named) in [
            (&["--user", "secret"][..], "--user"),
            (&["--proxy", "socks5://u:secret@h"], "--proxy"),
            (&["--header", "X: secret\r\nEvil: 1"], "--header"),
            (&["--header", "secret"], "--header"),
            (&["--user-agent", "a\nb"], "--user-agent"),
            (&["--referer", "a\nb"], "--referer"),
            (&["--cacert", "/no/such/file"], "--cacert /no/such/file"),
            (&["--netrc-file", "/no/such/file"], "/no/such/file"),
            (&["--netrc"], "HOME"),
            (&["--load-cookies", "/no/such/file"], "/no/such/file"),
            (&["--proxy", "u:secret@h", "--no-proxy"], "--no-proxy"),
            (&["-4", "-6"], "--ipv6"),
        ] {
            let error = open(args).err().unwrap_or_else(|| panic!("{args:?} is accepted"));
            assert!(error.contains(named) && !error.contains("secret"), "{args:?}: {error}");
        }
    }

    #[test]
    fn the_options_change_what_a_request_carries() {
        let page = Url::parse("http://h/").unwrap();
        let head = |args: &[&str]| String::from_utf8(open(args).unwrap().1.get(&page, None).head()).unwrap();
        let plain = head(&[]);
        assert_eq!(
            plain,
            format!(
                "GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: {USER_AGENT}\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\r\n"
            )
        );
        assert_eq!(
            head(&["--user-agent", ""]),
            "GET / HTTP/1.1\r\nHost: h\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\r\n"
        );
        assert!(head(&["--user-agent", "x/1"]).contains("User-Agent: x/1\r\n"));
        assert!(head(&["--referer", "http://r/"]).contains("Referer: http://r/\r\n"));
        assert!(head(&["--user", "u:p"]).contains("Authorization: Basic dTpw\r\n"));
        assert!(head(&["--proxy", "a:b@p:1"]).starts_with("GET http://h/ HTTP/1.1\r\n"));
        assert!(head(&["--proxy", "a:b@p:1"]).contains("Proxy-Authorization: Basic YTpi\r\n"));
    }

    #[test]
    fn secrets_are_not_in_debug_output() {
        let args = ["demo", "--user", "u:hidden", "--proxy", "u:hidden@h", "--header", "Authorization: hidden"];
        assert!(!format!("{:?}", Cli::try_parse_from(args).unwrap()).contains("hidden"));
    }
}
