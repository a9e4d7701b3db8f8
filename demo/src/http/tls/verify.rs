//! Verifies the certificate of a server. Used by `tls/mod.rs`.
//!
//! `rustls-webpki` builds and checks the chain. This file adds two rules. A certificate from `--cacert` is trusted
//! directly, even if it is a server certificate, as in OpenSSL and curl. A self-signed certificate gets its own error,
//! because the remedy differs from that for an unknown authority.

use super::error::SelfSigned;
use super::roots::Loaded;
use futures_rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use futures_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use futures_rustls::rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use futures_rustls::rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use futures_rustls::rustls::server::ParsedCertificate;
use futures_rustls::rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use std::fmt;
use std::sync::Arc;
use webpki::EndEntityCert;

/// Verifies the certificate of a server.
pub struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
    roots: Loaded,
    insecure: bool,
}

impl Verifier {
    /// A verifier that trusts these roots, or with `insecure` any certificate.
    pub fn new(provider: &CryptoProvider, roots: Loaded, insecure: bool) -> Verifier {
        Verifier { algorithms: provider.signature_verification_algorithms, roots, insecure }
    }

    fn verify_chain(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let authorities = &self.roots.authorities;
        let algorithms = self.algorithms.all;
        match verify_server_cert_signed_by_trust_anchor(&parsed, authorities, intermediates, now, algorithms) {
            // The certificate's dates have been checked when either error is returned.
            Err(Error::InvalidCertificate(error)) if is_about_issuer(&error) => {
                if self.roots.servers.contains(certificate) {
                    Ok(())
                } else if is_self_signed(certificate) {
                    Err(CertificateError::Other(OtherError(Arc::new(SelfSigned))).into())
                } else {
                    Err(error.into())
                }
            }
            result => result,
        }
    }
}

/// Whether the certificate is valid except for its issuer. `webpki` refuses an authority's own certificate, as made by
/// `openssl req -x509`, as that of a server before it looks for the issuer.
fn is_about_issuer(error: &CertificateError) -> bool {
    match error {
        CertificateError::UnknownIssuer => true,
        CertificateError::Other(OtherError(error)) => {
            matches!(error.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
        }
        _ => false,
    }
}

fn is_self_signed(certificate: &CertificateDer<'_>) -> bool {
    EndEntityCert::try_from(certificate).is_ok_and(|certificate| certificate.issuer() == certificate.subject())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.insecure {
            self.verify_chain(certificate, intermediates, now)?;
            verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("insecure", &self.insecure).finish_non_exhaustive()
    }
}
