//! What can go wrong in a TLS handshake, and what to do then. Used by `error.rs` and by the files beside this one.

use futures_rustls::pki_types::UnixTime;
use futures_rustls::rustls::{CertificateError, Error, OtherError};
use std::io;
use std::time::{Duration, UNIX_EPOCH};

/// Why there is no TLS connection.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The server's certificate is not valid.
    #[error("the certificate of \"{host}\" {fault} (--insecure skips this check)")]
    Certificate {
        /// The server's name or address.
        host: String,
        /// What is wrong with it.
        fault: CertificateFault,
    },
    /// The server answered in plain HTTP.
    #[error("\"{0}\" speaks HTTP on this port, not TLS: write http:// instead of https://")]
    PlainHttp(String),
    /// The server answered with something else.
    #[error("\"{0}\" does not speak TLS on this port: check the port of the URL")]
    NotTls(String),
    /// The server refused the handshake, or the two sides have no parameters in common.
    #[error("the TLS handshake with \"{host}\" failed: {why}")]
    Handshake {
        /// The server's name or address.
        host: String,
        /// The reason.
        why: String,
    },
    /// The connection broke during the handshake.
    #[error("the connection to \"{host}\" broke during the TLS handshake: {source}")]
    Broken {
        /// The server's name or address.
        host: String,
        /// The system's error.
        source: io::Error,
    },
    /// The handshake took too long.
    #[error(
        "the TLS handshake with \"{host}\" took longer than {}: does the server speak TLS on this port?",
        humantime::format_duration(*.after)
    )]
    Timeout {
        /// The server's name or address.
        host: String,
        /// The time limit.
        after: Duration,
    },
    /// A certificate cannot be issued for the host.
    #[error("\"{0}\" is not a host name that a certificate can contain")]
    Name(String),
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Setup(String),
}

/// What is wrong with a certificate. The texts continue "the certificate of `host` …".
#[derive(Debug, thiserror::Error)]
pub enum CertificateFault {
    /// It has expired.
    #[error("expired{}: its owner must renew it, or this machine's clock is wrong", on(.0))]
    Expired(Option<UnixTime>),
    /// It is not valid yet.
    #[error("is not valid yet{}: is this machine's clock right?", before(.0))]
    NotYetValid(Option<UnixTime>),
    /// It is for other hosts.
    #[error("is for another host{}: check the host of the URL", only(.0))]
    OtherHost(Vec<String>),
    /// It is self-signed.
    #[error("is self-signed: if you trust it, save it to a file and pass --cacert FILE")]
    SelfSigned,
    /// Its issuer is not trusted.
    #[error("is from an unknown authority: if you trust the authority, pass its certificate with --cacert FILE")]
    UnknownAuthority,
    /// It was revoked.
    #[error("was revoked by its issuer")]
    Revoked,
    /// Another fault.
    #[error("is not valid: {0}")]
    Other(String),
}

/// The certificate is self-signed. `verify.rs` reports it through rustls.
#[derive(Debug, thiserror::Error)]
#[error("self-signed")]
pub struct SelfSigned;

impl TlsError {
    /// The error for a handshake that failed. `first` holds the first bytes of the server's answer.
    pub(super) fn handshake(host: &str, error: io::Error, first: &[u8]) -> TlsError {
        let host = host.to_owned();
        match error.get_ref().and_then(|error| error.downcast_ref::<Error>()) {
            Some(Error::InvalidCertificate(error)) => TlsError::Certificate { host, fault: fault(error) },
            Some(_) if first.starts_with(b"HTTP/") => TlsError::PlainHttp(host),
            Some(Error::InvalidMessage(_)) if !is_tls(first) => TlsError::NotTls(host),
            Some(Error::AlertReceived(alert)) => {
                TlsError::Handshake { host, why: format!("the server refused it with the alert {alert:?}") }
            }
            Some(Error::PeerIncompatible(why)) => TlsError::Handshake {
                host,
                why: format!("the server supports neither TLS 1.2 nor 1.3 as needed ({why:?})"),
            },
            Some(error) => TlsError::Handshake { host, why: error.to_string() },
            None if first.starts_with(b"HTTP/") => TlsError::PlainHttp(host),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                let why = "the server closed the connection; does it speak TLS on this port?";
                let source = io::Error::new(error.kind(), why);
                TlsError::Broken { host, source }
            }
            None => TlsError::Broken { host, source: error },
        }
    }

    /// Whether a retry may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, TlsError::Broken { .. } | TlsError::Timeout { .. })
    }
}

/// Whether bytes may begin a TLS record: its type is 20 to 24, its major version 3.
fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [] | [20..=24]) || matches!(bytes, [20..=24, 3, ..])
}

fn fault(error: &CertificateError) -> CertificateFault {
    match error {
        CertificateError::Expired => CertificateFault::Expired(None),
        CertificateError::ExpiredContext { not_after, .. } => CertificateFault::Expired(Some(*not_after)),
        CertificateError::NotValidYet => CertificateFault::NotYetValid(None),
        CertificateError::NotValidYetContext { not_before, .. } => CertificateFault::NotYetValid(Some(*not_before)),
        CertificateError::NotValidForName => CertificateFault::OtherHost(Vec::new()),
        CertificateError::NotValidForNameContext { presented, .. } => CertificateFault::OtherHost(presented.clone()),
        CertificateError::UnknownIssuer => CertificateFault::UnknownAuthority,
        CertificateError::Revoked => CertificateFault::Revoked,
        CertificateError::Other(OtherError(error)) if error.is::<SelfSigned>() => CertificateFault::SelfSigned,
        error => CertificateFault::Other(error.to_string()),
    }
}

fn date(time: &UnixTime) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(time.as_secs()))
}

fn on(time: &Option<UnixTime>) -> String {
    time.as_ref().map_or(String::new(), |time| format!(" on {}", date(time)))
}

fn before(time: &Option<UnixTime>) -> String {
    time.as_ref().map_or(String::new(), |time| format!(", only from {}", date(time)))
}

/// The first names of a certificate, which may have hundreds.
fn only(names: &[String]) -> String {
    const MOST: usize = 3;
    let more = if names.len() > MOST { ", …" } else { "" };
    // rustls writes a name as `DnsName("example.org")`.
    let names = names.iter().take(MOST).map(|name| name.split('"').nth(1).unwrap_or(name));
    match names.collect::<Vec<_>>().join(", ") {
        names if names.is_empty() => String::new(),
        names => format!(" (only for {names}{more})"),
    }
}
