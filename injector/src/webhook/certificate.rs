//! The webhook's serving certificate, from two PEM files.

use identity::bundle::WorkloadCertificate;
use identity::csr::KeyPem;
use identity::tls::{ClientAuth, ServerTls};

/// The certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// Not PEM, or nothing in it.
    #[error("--tlsCertFile, --tlsKeyFile: {0}")]
    Pem(#[from] identity::cert::CertError),
    /// The key does not fit, mostly.
    #[error("--tlsCertFile, --tlsKeyFile: {0}")]
    Tls(#[from] identity::tls::TlsError),
}

/// Parses chain and key. The API server shows no certificate, so the roots are never used; the
/// chain stands in for them.
fn parse(chain: &str, key: &str) -> Result<WorkloadCertificate, CertificateError> {
    Ok(WorkloadCertificate::from_pem(
        chain.as_bytes(),
        &KeyPem::new(key.to_owned()),
        chain.as_bytes(),
    )?)
}

pub(super) fn serve_with(chain: &str, key: &str) -> Result<ServerTls, CertificateError> {
    let alpn: [&[u8]; 2] = [b"h2", b"http/1.1"];
    Ok(ServerTls::new(parse(chain, key)?, ClientAuth::None, &alpn)?)
}

pub(super) fn replace(tls: &ServerTls, chain: &str, key: &str) -> Result<(), CertificateError> {
    Ok(tls.replace(parse(chain, key)?)?)
}
