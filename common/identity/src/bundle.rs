//! What a workload holds to prove itself: chain, key and the roots it trusts.

use std::fmt;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::SpiffeId;
use crate::cert::{self, CertError, Validity};
use crate::csr::KeyPem;

/// A certificate chain with its key, and the roots against which its holder checks peers.
pub struct WorkloadCertificate {
    /// Leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's private key.
    pub key: PrivateKeyDer<'static>,
    /// The trusted roots; never empty.
    pub roots: Vec<CertificateDer<'static>>,
}

impl WorkloadCertificate {
    /// Reads all three from PEM. That the key fits the chain is checked where it is used, in [`crate::tls`].
    ///
    /// # Errors
    /// Any of them missing or broken.
    pub fn from_pem(chain: &[u8], key: &KeyPem, roots: &[u8]) -> Result<Self, CertError> {
        Ok(Self {
            chain: cert::parse_chain(chain)?,
            key: cert::parse_key(key.as_str().as_bytes())?,
            roots: cert::parse_chain(roots)?,
        })
    }

    /// The workload that the leaf names.
    pub fn identity(&self) -> Option<SpiffeId> {
        cert::leaf_identity(&self.chain)
    }

    /// How long the leaf is good.
    ///
    /// # Errors
    /// An empty chain, or a leaf that is not X.509.
    pub fn validity(&self) -> Result<Validity, CertError> {
        Validity::of(self.chain.first().ok_or(CertError::Empty)?)
    }
}

impl Clone for WorkloadCertificate {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
            roots: self.roots.clone(),
        }
    }
}

impl fmt::Debug for WorkloadCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkloadCertificate")
            .field(
                "chain",
                &self.chain.iter().map(cert::fingerprint).collect::<Vec<_>>(),
            )
            .field("key", &"[redacted]")
            .field(
                "roots",
                &self.roots.iter().map(cert::fingerprint).collect::<Vec<_>>(),
            )
            .finish()
    }
}
