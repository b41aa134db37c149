//! The workload's certificate: asked for, kept, renewed before it ends.

pub mod issuer;
pub mod keeper;
pub mod output;
pub mod schedule;
pub mod state;

use std::time::SystemTime;

use identity::bundle::WorkloadCertificate;
use identity::cert::{self, CertError, Validity};
use identity::csr::KeyPem;
use rustls::sign::CertifiedKey;

/// A certificate that the authority issued to this workload, with its key. PEM, as SDS carries it.
#[derive(Debug)]
pub struct Issued {
    /// Leaf first, then intermediates; without the root, which peers have.
    pub chain: String,
    /// The private key.
    pub key: KeyPem,
    /// The roots that peers' certificates are verified against.
    pub roots: String,
    /// When the leaf is valid.
    pub validity: Validity,
    /// SHA-256 of the leaf, in hexadecimal: names this certificate in logs and versions.
    pub fingerprint: String,
}

/// What the authority sent is not a certificate for us.
#[derive(Debug, thiserror::Error)]
pub enum UnusableCertificate {
    /// Fewer than two elements: a leaf and a root are the least.
    #[error("the certificate authority sent {0} certificates; a leaf and a root are the least")]
    TooFew(usize),
    /// An element is not a certificate.
    #[error("the certificate authority sent an unreadable certificate: {0}")]
    Unreadable(#[from] CertError),
    /// The leaf is for another key.
    #[error("the certificate authority's certificate does not fit the key that was asked for: {0}")]
    Key(rustls::Error),
    /// The leaf has ended already.
    #[error(
        "the certificate authority sent a certificate that has expired already; compare the clocks of this node and the authority's"
    )]
    Expired,
}

impl Issued {
    /// Takes a response of the authority (leaf first, root last, one or more certificates per
    /// element) for `key`, received at `now`.
    ///
    /// # Errors
    /// [`UnusableCertificate`] says what is wrong with it.
    pub fn from_response(
        key: KeyPem,
        elements: &[String],
        now: SystemTime,
    ) -> Result<Self, UnusableCertificate> {
        let too_few = || UnusableCertificate::TooFew(elements.len());
        let (roots, chain) = elements.split_last().ok_or_else(too_few)?;
        if chain.is_empty() {
            return Err(too_few());
        }
        Self::from_pem(key, join(chain), join(std::slice::from_ref(roots)), now)
    }

    /// Takes a certificate from PEM texts.
    ///
    /// # Errors
    /// As [`Issued::from_response`].
    pub fn from_pem(
        key: KeyPem,
        chain: String,
        roots: String,
        now: SystemTime,
    ) -> Result<Self, UnusableCertificate> {
        let parsed = WorkloadCertificate::from_pem(chain.as_bytes(), &key, roots.as_bytes())?;
        let validity = parsed.validity()?;
        if validity.not_after <= now {
            return Err(UnusableCertificate::Expired);
        }
        let fingerprint = parsed
            .chain
            .first()
            .map(cert::fingerprint)
            .unwrap_or_default();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        CertifiedKey::from_der(parsed.chain, parsed.key, &provider)
            .map_err(UnusableCertificate::Key)?;
        Ok(Self {
            chain,
            key,
            roots,
            validity,
            fingerprint,
        })
    }

    /// The parsed form, for TLS in this process.
    ///
    /// # Errors
    /// None in practice: the texts were read once already.
    pub fn parsed(&self) -> Result<WorkloadCertificate, CertError> {
        WorkloadCertificate::from_pem(self.chain.as_bytes(), &self.key, self.roots.as_bytes())
    }
}

/// Elements as one PEM text; some authorities leave out the last line end.
fn join(elements: &[String]) -> String {
    elements
        .iter()
        .map(|element| format!("{}\n", element.trim_end()))
        .collect()
}
