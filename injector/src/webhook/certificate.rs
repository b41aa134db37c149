//! The webhook's serving certificate, from two PEM files.

use std::path::PathBuf;

use identity::bundle::WorkloadCertificate;
use identity::csr::KeyPem;
use identity::tls::{ClientAuth, ServerTls};

/// The certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("--tlsCertFile {}, --tlsKeyFile {}: {problem}", chain.display(), key.display())]
pub struct CertificateError {
    chain: PathBuf,
    key: PathBuf,
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    /// Not PEM, or nothing in it.
    #[error(transparent)]
    Pem(#[from] identity::cert::CertError),
    /// The key does not fit, mostly.
    #[error(transparent)]
    Tls(#[from] identity::tls::TlsError),
}

/// Where the certificate is.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
}

impl Files {
    /// Serves with the files' contents.
    pub(super) fn serve(&self, chain: &str, key: &str) -> Result<ServerTls, CertificateError> {
        let alpn: [&[u8]; 2] = [b"h2", b"http/1.1"];
        parse(chain, key)
            .and_then(|certificate| Ok(ServerTls::new(certificate, ClientAuth::None, &alpn)?))
            .map_err(|problem| self.error(problem))
    }

    /// Serves new connections with the files' contents.
    pub(super) fn replace(
        &self,
        tls: &ServerTls,
        chain: &str,
        key: &str,
    ) -> Result<(), CertificateError> {
        parse(chain, key)
            .and_then(|certificate| Ok(tls.replace(certificate)?))
            .map_err(|problem| self.error(problem))
    }

    fn error(&self, problem: Problem) -> CertificateError {
        CertificateError {
            chain: self.chain.clone(),
            key: self.key.clone(),
            problem,
        }
    }
}

/// Parses chain and key. The API server shows no certificate, so the roots are never used; the
/// chain stands in for them.
fn parse(chain: &str, key: &str) -> Result<WorkloadCertificate, Problem> {
    Ok(WorkloadCertificate::from_pem(
        chain.as_bytes(),
        &KeyPem::new(key.to_owned()),
        chain.as_bytes(),
    )?)
}
