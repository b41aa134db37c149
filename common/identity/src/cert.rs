//! Reading certificates: whom they name, how long they hold, when to replace them.

use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer};
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::SpiffeId;

/// The most certificates taken from one PEM text: a chain has a handful, a root bundle dozens.
const MAX_CERTIFICATES: usize = 1024;

/// Why a certificate or key could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertError {
    /// The PEM text is broken.
    #[error("certificate PEM cannot be read: {0}")]
    Pem(String),
    /// No `CERTIFICATE` block at all.
    #[error("no certificate found: the PEM must hold at least one CERTIFICATE block")]
    Empty,
    /// More blocks than any chain or bundle has.
    #[error("more than {MAX_CERTIFICATES} certificates in one PEM")]
    TooMany,
    /// No private key, or a broken one. The text is never repeated.
    #[error(
        "private key PEM cannot be read: it must hold one PKCS#8, SEC1 or PKCS#1 private key block"
    )]
    Key,
    /// Not X.509.
    #[error("not an X.509 certificate: {0}")]
    Der(String),
}

/// All certificates of a PEM text, in order.
///
/// # Errors
/// Broken PEM, none, or too many.
pub fn parse_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertError> {
    let mut chain = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        if chain.len() == MAX_CERTIFICATES {
            return Err(CertError::TooMany);
        }
        chain.push(certificate.map_err(|e| CertError::Pem(e.to_string()))?);
    }
    if chain.is_empty() {
        Err(CertError::Empty)
    } else {
        Ok(chain)
    }
}

/// The first private key of a PEM text.
///
/// # Errors
/// None there, or broken.
pub fn parse_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, CertError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| CertError::Key)
}

/// The workload that a chain's first certificate names: its only URI name, when that is a SPIFFE id. A certificate with
/// several URI names is no X509-SVID (X509-SVID section 2) and names nobody.
pub fn leaf_identity(chain: &[CertificateDer<'_>]) -> Option<SpiffeId> {
    let (_, leaf) = X509Certificate::from_der(chain.first()?).ok()?;
    let names = leaf.subject_alternative_name().ok()??;
    let mut uris = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
    match (uris.next(), uris.next()) {
        (Some(uri), None) => uri.parse().ok(),
        _ => None,
    }
}

/// The public key of a certificate of any version of X.509.
///
/// # Errors
/// Not an X.509 certificate.
pub fn public_key(
    certificate: &CertificateDer<'_>,
) -> Result<SubjectPublicKeyInfoDer<'static>, CertError> {
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|e| CertError::Der(e.to_string()))?;
    Ok(parsed.public_key().raw.to_vec().into())
}

/// The DNS names of a server's certificate in lower case; its common name where it has no alternative ones.
///
/// # Errors
/// Not an X.509 certificate.
pub fn dns_names(certificate: &CertificateDer<'_>) -> Result<Vec<String>, CertError> {
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|e| CertError::Der(e.to_string()))?;
    let alternative = parsed.subject_alternative_name().ok().flatten();
    let names: Vec<&str> = match alternative {
        Some(names) => {
            let all = names.value.general_names.iter();
            let dns = all.filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(*name),
                _ => None,
            });
            dns.collect()
        }
        None => {
            let common = parsed.subject().iter_common_name();
            common.filter_map(|name| name.as_str().ok()).collect()
        }
    };
    Ok(names.iter().map(|name| name.to_ascii_lowercase()).collect())
}

/// SHA-256 of the certificate, in lower-case hexadecimal.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    Sha256::digest(certificate.as_ref())
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// The time in which a certificate is good, both ends included (RFC 5280 section 4.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: SystemTime,
    /// The last moment.
    pub not_after: SystemTime,
}

impl Validity {
    /// Reads a certificate's own.
    ///
    /// # Errors
    /// Not an X.509 certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, CertError> {
        let (_, parsed) =
            X509Certificate::from_der(certificate).map_err(|e| CertError::Der(e.to_string()))?;
        let at = |seconds: i64| match u64::try_from(seconds) {
            Ok(after) => SystemTime::UNIX_EPOCH + Duration::from_secs(after),
            Err(_) => SystemTime::UNIX_EPOCH - Duration::from_secs(seconds.unsigned_abs()),
        };
        let validity = parsed.validity();
        Ok(Self {
            not_before: at(validity.not_before.timestamp()),
            not_after: at(validity.not_after.timestamp()),
        })
    }

    /// Whether the certificate is good at `now`.
    pub fn contains(&self, now: SystemTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// The middle of the lifetime: when Istio's agents ask for the next certificate (grace ratio 0.5).
    pub fn half_life(&self) -> SystemTime {
        let lifetime = self
            .not_after
            .duration_since(self.not_before)
            .unwrap_or_default();
        self.not_before + lifetime / 2
    }

    /// How long to wait from `now` until rotation is due; zero when the middle has passed.
    pub fn until_rotation(&self, now: SystemTime) -> Duration {
        self.half_life().duration_since(now).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn certificate(uris: &[&str]) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = uris
            .iter()
            .map(|uri| SanType::URI((*uri).try_into().unwrap()))
            .collect();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 1, 3);
        params
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap()
            .der()
            .clone()
    }

    #[test]
    fn the_leafs_only_uri_is_the_identity() {
        let id = "spiffe://cluster.local/ns/a/sa/b";
        let other = certificate(&["spiffe://cluster.local/ns/c/sa/d"]);
        assert_eq!(
            leaf_identity(&[certificate(&[id]), other])
                .unwrap()
                .to_string(),
            id
        );
    }

    #[test]
    fn a_certificate_with_two_uris_or_none_names_nobody() {
        let id = "spiffe://cluster.local/ns/a/sa/b";
        assert_eq!(
            leaf_identity(&[certificate(&[id, "spiffe://cluster.local/ns/a/sa/c"])]),
            None
        );
        assert_eq!(leaf_identity(&[certificate(&[])]), None);
        assert_eq!(
            leaf_identity(&[certificate(&["https://example.org"])]),
            None
        );
        assert_eq!(leaf_identity(&[]), None);
        assert_eq!(
            leaf_identity(&[CertificateDer::from(vec![0x30, 0x82])]),
            None
        );
    }

    #[test]
    fn rotation_is_due_in_the_middle_of_the_lifetime() {
        let validity = Validity::of(&certificate(&[])).unwrap();
        let day = Duration::from_secs(86400);
        assert_eq!(validity.half_life(), validity.not_before + day);
        assert_eq!(validity.until_rotation(validity.not_before), day);
        assert_eq!(validity.until_rotation(validity.not_after), Duration::ZERO);
        assert!(validity.contains(validity.not_after));
        assert!(!validity.contains(validity.not_after + Duration::from_secs(1)));
        assert!(!validity.contains(validity.not_before - Duration::from_secs(1)));
    }

    #[test]
    fn pem_without_certificates_is_an_error_and_not_an_empty_chain() {
        assert_eq!(parse_chain(b"hello"), Err(CertError::Empty));
        assert!(matches!(
            parse_chain(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"),
            Err(CertError::Pem(_))
        ));
        assert_eq!(parse_key(b"hello"), Err(CertError::Key));
    }

    #[test]
    fn a_fingerprint_is_the_sha256_of_the_whole_certificate() {
        let empty = CertificateDer::from(Vec::new());
        assert_eq!(
            fingerprint(&empty),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
