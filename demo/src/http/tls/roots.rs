//! The certificates that are trusted to issue others. Used by `tls/mod.rs` and by the options.

use futures_rustls::pki_types::CertificateDer;
use futures_rustls::pki_types::pem::PemObject;
use futures_rustls::rustls::RootCertStore;
use std::path::Path;
use std::sync::Arc;

/// Where the trusted certificates come from.
#[derive(Clone, Default)]
pub enum Roots {
    /// From the system, or from `SSL_CERT_FILE` and `SSL_CERT_DIR`; if there are none, from Mozilla's list in this
    /// program.
    #[default]
    System,
    /// These.
    Given(Arc<[CertificateDer<'static>]>),
}

/// Loaded roots.
pub struct Loaded {
    /// Authorities.
    pub authorities: RootCertStore,
    /// Certificates of servers that the user trusts as they are.
    pub servers: Arc<[CertificateDer<'static>]>,
}

impl Roots {
    /// Reads the certificates. Those that cannot be parsed are left out, as the system may have some that are outdated.
    pub fn load(&self) -> Loaded {
        let mut authorities = RootCertStore::empty();
        match self {
            Roots::Given(certificates) => {
                authorities.add_parsable_certificates(certificates.iter().cloned());
                Loaded { authorities, servers: certificates.clone() }
            }
            Roots::System => {
                authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if authorities.is_empty() {
                    authorities.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
                }
                Loaded { authorities, servers: Arc::new([]) }
            }
        }
    }
}

/// Reads the certificates of a PEM file.
///
/// # Errors
/// If the file cannot be read or contains no certificate: a reason that follows the file's name.
pub fn read_certificates(file: &Path) -> Result<Roots, String> {
    let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let certificates = certificates.map_err(|error| format!("not valid PEM: {error}"))?;
    let mut authorities = RootCertStore::empty();
    match authorities.add_parsable_certificates(certificates.iter().cloned()) {
        (0, 0) => Err("contains no certificate in PEM (`-----BEGIN CERTIFICATE-----`)".to_owned()),
        (0, _) => Err("contains no valid certificate".to_owned()),
        _ => Ok(Roots::Given(certificates.into())),
    }
}
