//! TLS whose certificate and roots are replaced while it is in use: connections made before go on with what they had,
//! those made after use the new.
//!
//! Sessions are not resumed: a resumed session skips the check of the peer's certificate, so that one that has expired
//! would go on being accepted, and control-plane connections are few.

mod client;
mod server;

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;

pub use client::{ClientTls, Expected};
pub use server::{ClientAuth, ServerTls};

use crate::bundle::WorkloadCertificate;

/// The ALPN name of HTTP/2 (RFC 9113 section 3.1).
pub const ALPN_H2: &[u8] = b"h2";

/// Why a certificate or a set of roots cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The set of trusted roots is empty or none of it is a certificate.
    #[error("no usable root certificate among the {0} given")]
    Roots(usize),
    /// The key is not the leaf certificate's, or of a kind that TLS cannot use.
    #[error("the private key cannot be used with the certificate: {0}")]
    Key(rustls::Error),
    /// The TLS library refused the settings.
    #[error("TLS settings refused: {0}")]
    Settings(#[from] rustls::Error),
    /// The verifier of client certificates could not be built.
    #[error("client certificates cannot be verified: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn root_store(roots: &[CertificateDer<'static>]) -> Result<Arc<RootCertStore>, TlsError> {
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(roots.iter().cloned());
    if added == 0 {
        Err(TlsError::Roots(roots.len()))
    } else {
        Ok(Arc::new(store))
    }
}

fn certified_key(
    certificate: WorkloadCertificate,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, TlsError> {
    CertifiedKey::from_der(certificate.chain, certificate.key, provider)
        .map(Arc::new)
        .map_err(TlsError::Key)
}
