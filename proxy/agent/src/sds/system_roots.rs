//! The roots of the public web, which `file-root:system` names.

use std::sync::OnceLock;

use pem::Pem;
use rustls_native_certs::CertificateResult;
use sha2::{Digest, Sha256};

/// Roots of public authorities.
#[derive(Debug)]
pub struct SystemRoots {
    /// The certificates, PEM.
    pub pem: String,
    /// SHA-256 of them, in hexadecimal.
    pub fingerprint: String,
}

/// The roots of this system: `SSL_CERT_FILE` and `SSL_CERT_DIR` where they are set, else where distributions keep
/// them. An image without any gets Mozilla's, as they were when this program was built. They are read once.
pub fn system_roots() -> &'static SystemRoots {
    static ROOTS: OnceLock<SystemRoots> = OnceLock::new();
    ROOTS.get_or_init(read)
}

fn read() -> SystemRoots {
    let CertificateResult { certs, errors, .. } = rustls_native_certs::load_native_certs();
    for error in errors {
        tracing::warn!("a root certificate of this system cannot be read: {error}");
    }
    if certs.is_empty() {
        tracing::info!("this system has no root certificates: `file-root:system` are Mozilla's");
        return of(webpki_root_certs::TLS_SERVER_ROOT_CERTS);
    }
    of(&certs)
}

fn of(certificates: &[impl AsRef<[u8]>]) -> SystemRoots {
    let encode = |der: &_| pem::encode(&Pem::new("CERTIFICATE", AsRef::<[u8]>::as_ref(der)));
    let pem: String = certificates.iter().map(encode).collect();
    let digest = Sha256::digest(pem.as_bytes());
    SystemRoots {
        fingerprint: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        pem,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn there_are_roots_on_a_system_with_and_without_its_own() {
        let own = system_roots();
        let built_in = of(webpki_root_certs::TLS_SERVER_ROOT_CERTS);
        for roots in [own, &built_in] {
            let chain = identity::cert::parse_chain(roots.pem.as_bytes()).unwrap();
            assert!(chain.len() > 10, "{}", chain.len());
            assert_eq!(roots.fingerprint.len(), 64);
        }
    }
}
