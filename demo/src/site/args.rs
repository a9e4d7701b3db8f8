//! The options of `demo serve`.

use crate::http::server::CONNECTIONS;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Options of `demo serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// Address to listen on; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    pub listen: SocketAddr,
    /// Delay before each response (100ms, 1s)
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration, conflicts_with = "root")]
    pub delay: Duration,
    /// Serve the files in this directory instead of the built-in site
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Maximum number of connections at once; further ones get 503 (Service Unavailable)
    #[arg(long, value_name = "N", default_value_t = CONNECTIONS, value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: u32,
    /// Exit at the end of standard input, which comes when the parent process exits
    #[arg(long)]
    pub until_eof: bool,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address and a port, as 127.0.0.1:8080".to_owned())
}
