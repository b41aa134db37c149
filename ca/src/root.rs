//! The root of trust: its key is made once, kept in a directory, and from then on only read.
//!
//! Whoever replaces that key silently breaks every certificate of the mesh, so nothing here ever does: files that do
//! not fit together are an error for the operator to decide about. A root that nears its end gets a new time for the
//! same key and name ([`Renewal`]).

mod directory;
pub(crate) mod keeper;
mod renewal;
pub mod secret;
pub(crate) mod store;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use identity::TrustDomain;
use identity::cert::{self, Validity};
use process::fs::WriteError;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::issue::{IssueError, serial_number};

pub use directory::RootDirectory;
pub use renewal::{Renewal, RenewalError};

/// The private key, mode 0600.
const KEY_FILE: &str = "ca-key.pem";
/// The certificate that signs.
const CERT_FILE: &str = "ca-cert.pem";
/// What workloads must trust: the same certificate, as the root signs itself.
const ROOT_FILE: &str = "root-cert.pem";
/// How long a new root holds: ten years, as Istio's.
pub const LIFETIME: Duration = Duration::from_secs(3650 * 24 * 3600);
/// How far a new root's life begins in the past, for verifiers whose clock is behind.
const CLOCK_SKEW: Duration = Duration::from_secs(120);

/// Why there is no root to sign with. Each message names the path and what to do.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The directory cannot be made or used.
    #[error("cannot use the directory {}: {source}; make it a writable directory or choose another with --dataDir", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A new root could not be kept, so it is not used.
    #[error("the new root is not used, because it cannot be kept: {0}")]
    Write(#[from] WriteError),
    /// A file is there and cannot be read.
    #[error("cannot read {}: {source}; make it readable for this user", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// One of key and certificate is missing.
    #[error("{} is there without {}: restore the missing file; remove both only to begin with a new root, which every workload must then be restarted for", found.display(), missing.display())]
    Half {
        /// What is there.
        found: PathBuf,
        /// What is not.
        missing: PathBuf,
    },
    /// A file is there and is not what it should be.
    #[error("{} cannot be used: {problem}; restore it from a copy", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Key and certificate are not a pair.
    #[error("the key in {} is not the one of the certificate in {}: restore the pair that belongs together", key.display(), certificate.display())]
    Mismatch {
        /// The key file.
        key: PathBuf,
        /// The certificate file.
        certificate: PathBuf,
    },
    /// A root has ended, or is about to, and cannot be renewed.
    #[error("{} has expired and cannot be renewed with its key: {problem}; put a root in its place that holds", path.display())]
    Renewal {
        /// The certificate file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// The API server cannot be asked for the Secret, or refuses it. Trying again may help.
    #[error("cannot use the Secret {secret}: {problem}")]
    Cluster {
        /// The Secret, as namespace/name.
        secret: String,
        /// What the API server or the network said.
        problem: String,
    },
    /// Looking at the files ended before its time.
    #[error("looking at the root ended: {0}")]
    Stopped(String),
    /// The machinery failed.
    #[error("cannot make a root: {0}")]
    Generate(#[from] IssueError),
}

/// A root that can sign.
pub struct Root {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
    validity: Validity,
}

impl std::fmt::Debug for Root {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Root")
            .field("fingerprint", &cert::fingerprint(&self.certificate))
            .finish_non_exhaustive()
    }
}

impl Root {
    /// A new root, kept nowhere, good for `lifetime` ([`LIFETIME`]) from `now`.
    ///
    /// # Errors
    /// The machinery failed.
    pub fn generate(
        trust_domain: &TrustDomain,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<Self, IssueError> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, trust_domain.as_str());
        params.serial_number = Some(serial_number()?);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        signed(params, key, lifetime, now)
    }

    fn load(key: (&Path, &str), certificate: (&Path, &str)) -> Result<Self, RootError> {
        let unusable = |path: &Path, problem: String| RootError::Unusable {
            path: path.to_owned(),
            problem,
        };
        let pair = KeyPair::from_pem(key.1)
            .map_err(|_| unusable(key.0, "it does not hold one PKCS#8 private key".to_owned()))?;
        let bad_certificate = |problem: String| unusable(certificate.0, problem);
        let chain = cert::parse_chain(certificate.1.as_bytes())
            .map_err(|e| bad_certificate(e.to_string()))?;
        let [der] = <[CertificateDer<'static>; 1]>::try_from(chain).map_err(|chain| {
            bad_certificate(format!(
                "it holds {} certificates instead of one",
                chain.len()
            ))
        })?;
        let validity = Validity::of(&der).map_err(|e| bad_certificate(e.to_string()))?;
        let (_, parsed) =
            X509Certificate::from_der(&der).map_err(|e| bad_certificate(e.to_string()))?;
        if parsed.public_key().subject_public_key.data.as_ref() != pair.public_key_raw() {
            return Err(RootError::Mismatch {
                key: key.0.to_owned(),
                certificate: certificate.0.to_owned(),
            });
        }
        check_authority(&parsed).map_err(|problem| bad_certificate(problem.to_owned()))?;
        let issuer =
            Issuer::from_ca_cert_der(&der, pair).map_err(|e| bad_certificate(e.to_string()))?;
        Ok(Self {
            issuer,
            certificate: der,
            pem: certificate.1.to_owned(),
            validity,
        })
    }

    /// What signs.
    pub(crate) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// The certificate, for those who trust it.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The certificate as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// When the root is good.
    pub fn validity(&self) -> Validity {
        self.validity
    }
}

/// The root that `params` describe, signed by its own key, good for `lifetime` from `now`.
fn signed(
    mut params: CertificateParams,
    key: KeyPair,
    lifetime: Duration,
    now: SystemTime,
) -> Result<Root, IssueError> {
    let end = now.checked_add(lifetime).ok_or(IssueError::Time)?;
    params.not_before = OffsetDateTime::from(now - CLOCK_SKEW.min(lifetime / 10));
    params.not_after = OffsetDateTime::from(end);
    let certificate = params.self_signed(&key)?;
    let (pem, der) = (certificate.pem(), certificate.der().clone());
    let validity = Validity::of(&der).map_err(|_| IssueError::Time)?;
    Ok(Root {
        issuer: Issuer::new(params, key),
        certificate: der,
        pem,
        validity,
    })
}

fn check_authority(certificate: &X509Certificate<'_>) -> Result<(), &'static str> {
    if !certificate.is_ca() {
        return Err("it is not the certificate of an authority (basic constraints)");
    }
    match certificate.key_usage() {
        Ok(Some(usage)) if !usage.value.key_cert_sign() => {
            Err("its key usage does not allow to sign certificates")
        }
        Err(_) => Err("its key usage cannot be read"),
        Ok(_) => certificate
            .verify_signature(None)
            .map_err(|_| "it is not self-signed: this authority keeps a root of its own"),
    }
}

#[cfg(test)]
mod tests;
