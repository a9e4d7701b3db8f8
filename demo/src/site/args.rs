//! The options of `demo serve`.

use crate::http::server::CONNECTIONS;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Options of `demo serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// Directory whose files to serve [default: the built-in site]
    #[arg(value_name = "DIR", conflicts_with = "root", value_parser = directory)]
    pub directory: Option<PathBuf>,
    /// Address to listen on; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    pub listen: SocketAddr,
    /// Port to listen on, at the address of --listen
    #[arg(short, long, value_name = "PORT")]
    pub port: Option<u16>,
    /// Delay before each response (100ms, 1s)
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration, conflicts_with_all = ["root", "directory"])]
    pub delay: Duration,
    /// Same as the argument DIR
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Append a line for each request to FILE, in the combined log format; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub access_log: Option<PathBuf>,
    /// Maximum number of connections at once; further ones get 503 (Service Unavailable)
    #[arg(long, value_name = "N", default_value_t = CONNECTIONS, value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: u32,
    /// Exit at the end of standard input, which comes when the parent process exits
    #[arg(long)]
    pub until_eof: bool,
}

impl ServeArgs {
    /// The address to listen on.
    pub(super) fn address(&self) -> SocketAddr {
        let mut address = self.listen;
        address.set_port(self.port.unwrap_or(address.port()));
        address
    }
}

fn directory(text: &str) -> Result<PathBuf, String> {
    match text.contains("://") {
        true => Err("is a URL: give a directory, or download the site with `demo crawl URL`".to_owned()),
        false => Ok(PathBuf::from(text)),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address and a port, as 127.0.0.1:8080".to_owned())
}
