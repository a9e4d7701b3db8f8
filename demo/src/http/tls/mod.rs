//! TLS for `https:` URLs: one configuration for the whole run, so that later connections resume earlier sessions.
//!
//! Used by `connector.rs`. `rustls` speaks the protocol. This folder chooses the trusted certificates (`roots.rs`),
//! verifies the server's (`verify.rs`), says what is wrong (`error.rs`) and adapts the stream (`stream.rs`).

mod error;
mod roots;
mod stream;
mod verify;

pub use error::TlsError;
pub use roots::{Roots, read_certificates};

use super::transport::Transport;
use executor::spawn_blocking;
use executor::sync::Mutex;
use futures_rustls::TlsConnector;
use futures_rustls::pki_types::ServerName;
use futures_rustls::rustls::ClientConfig;
use futures_rustls::rustls::crypto::ring;
use std::sync::Arc;
use stream::{FirstBytes, TlsStream};
use verify::Verifier;

/// Opens TLS connections. For one thread.
pub struct Tls {
    roots: Roots,
    insecure: bool,
    /// Built for the first connection: a run without `https:` URLs reads no certificates.
    connector: Mutex<Option<TlsConnector>>,
}

impl Tls {
    /// TLS that trusts these roots, or with `insecure` any certificate.
    pub fn new(roots: Roots, insecure: bool) -> Tls {
        Tls { roots, insecure, connector: Mutex::new(None) }
    }

    /// Performs the handshake with `host` over an open stream. `host` is a name or an address without brackets.
    ///
    /// # Errors
    /// If the server does not speak TLS, its certificate is not valid, or the connection breaks.
    pub async fn connect(&self, host: &str, stream: Box<dyn Transport>) -> Result<Box<dyn Transport>, TlsError> {
        let name = server_name(host)?;
        let connector = self.connector().await?;
        match connector.connect(name, FirstBytes::new(stream)).into_fallible().await {
            Ok(stream) => Ok(Box::new(TlsStream(stream))),
            Err((error, stream)) => Err(TlsError::handshake(host, error, stream.first())),
        }
    }

    async fn connector(&self) -> Result<TlsConnector, TlsError> {
        let mut connector = self.connector.lock().await;
        if let Some(connector) = &*connector {
            return Ok(connector.clone());
        }
        let (roots, insecure) = (self.roots.clone(), self.insecure);
        // The system's certificates are a file or a folder of a few hundred kilobytes.
        let built = spawn_blocking(move || configure(&roots, insecure)).await;
        let built = built.map_err(|error| TlsError::Setup(error.to_string()))??;
        Ok(connector.insert(TlsConnector::from(Arc::new(built))).clone())
    }
}

/// The name for the handshake and the certificate. Neither has a trailing dot (RFC 6066, 3). The handshake names no
/// addresses.
fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    let name = ServerName::try_from(host.strip_suffix('.').unwrap_or(host).to_owned());
    name.map_err(|_| TlsError::Name(host.to_owned()))
}

fn configure(roots: &Roots, insecure: bool) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new(&provider, roots.load(), insecure);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Setup(error.to_string()))?;
    let mut config = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_name_is_a_name_without_a_trailing_dot_or_an_address() {
        for (host, name) in [("example.org", "example.org"), ("example.org.", "example.org"), ("a_b.c", "a_b.c")] {
            assert!(matches!(server_name(host), Ok(ServerName::DnsName(known)) if known.as_ref() == name), "{host}");
        }
        for address in ["127.0.0.1", "::1"] {
            assert!(matches!(server_name(address), Ok(ServerName::IpAddress(_))), "{address}");
        }
        for wrong in ["", ".", "a..b", "a b", "-a"] {
            assert!(matches!(server_name(wrong), Err(TlsError::Name(_))), "{wrong}");
        }
    }
}
