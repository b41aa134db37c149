//! A new private key and the request to certify it, as an agent makes them.

use std::fmt;

use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, SanType};

/// Why no request could be made.
#[derive(Debug, thiserror::Error)]
pub enum CsrError {
    /// The name cannot be written into a certificate: a URI or DNS name there is ASCII (RFC 5280 section 4.2.1.6).
    #[error("{0:?} cannot be a subject alternative name: it is not ASCII")]
    Name(String),
    /// The cryptographic library refused.
    #[error("cannot make a key and its certificate request: {0}")]
    Crypto(#[from] rcgen::Error),
}

/// A PKCS#8 private key as PEM. Shown by `Debug` without its content; to be written only to files of mode 0600 or to
/// memory.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPem(String);

impl KeyPem {
    /// Takes PEM text that holds a private key.
    pub fn new(pem: String) -> Self {
        Self(pem)
    }

    /// The secret itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyPem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyPem([redacted])")
    }
}

/// A PKCS#10 certificate signing request as PEM (RFC 2986).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsrPem(String);

impl CsrPem {
    /// The PEM text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The PEM text, owned.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// Makes an ECDSA P-256 key and a request that names `san` (a SPIFFE id, or a DNS name when it has no `://`). What the
/// certificate will say is the authority's decision: Istio's takes the name from the authenticated caller.
///
/// # Errors
/// A name that is not ASCII, or a failure of the cryptographic library.
pub fn generate(san: &str) -> Result<(KeyPem, CsrPem), CsrError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let name = san
        .try_into()
        .map_err(|_| CsrError::Name(crate::spiffe::excerpt(san)))?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![if san.contains("://") {
        SanType::URI(name)
    } else {
        SanType::DnsName(name)
    }];
    let csr = params.serialize_request(&key)?.pem()?;
    Ok((KeyPem(key.serialize_pem()), CsrPem(csr)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_request_is_signed_by_the_key_that_comes_with_it() {
        let (key, csr) = generate("spiffe://cluster.local/ns/default/sa/a").unwrap();
        let parsed = rcgen::CertificateSigningRequestParams::from_pem(csr.as_str()).unwrap();
        let key = KeyPair::from_pem(key.as_str()).unwrap();
        assert_eq!(
            rcgen::PublicKeyData::der_bytes(&parsed.public_key),
            key.public_key_raw()
        );
    }

    #[test]
    fn two_requests_never_share_a_key() {
        assert_ne!(
            generate("a.example").unwrap().0,
            generate("a.example").unwrap().0
        );
    }

    #[test]
    fn a_key_does_not_show_in_debug_output() {
        let (key, _) = generate("a.example").unwrap();
        assert_eq!(format!("{key:?}"), "KeyPem([redacted])");
    }

    #[test]
    fn a_name_that_no_certificate_can_hold_is_refused() {
        assert!(matches!(
            generate("spiffe://höhle/ns/a/sa/b"),
            Err(CsrError::Name(_))
        ));
    }
}
