//! What is taken from a certificate signing request: the public key, after proof that the sender has the private one.
//! Subject and extensions are not even looked at.

use rcgen::SubjectPublicKeyInfo;
use rustls::pki_types::CertificateSigningRequestDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION,
    OID_PKCS1_SHA1WITHRSA, OID_SHA1_WITH_RSA,
};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo as ParsedKey;

/// The largest request that is looked at, in bytes of PEM: one for an RSA key of 8192 bits has about 3 KiB.
pub const MAX_CSR: usize = 16 * 1024;
/// The RSA key sizes that are accepted, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Why a request cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsrError {
    /// Larger than any request needs to be.
    #[error("the CSR has {0} bytes, more than {MAX_CSR}")]
    TooLarge(usize),
    /// Not a PEM block `CERTIFICATE REQUEST`.
    #[error("the CSR is not PEM: one `-----BEGIN CERTIFICATE REQUEST-----` block is needed")]
    NotPem,
    /// The block does not hold a PKCS#10 request.
    #[error("the CSR is malformed: it is not a PKCS#10 certification request (RFC 2986)")]
    Malformed,
    /// The sender does not have the private key, or the request was changed.
    #[error(
        "the CSR's signature is wrong: it must be signed with SHA-256 or better by the key that it holds"
    )]
    Signature,
    /// A kind of key that certificates are not issued for.
    #[error(
        "the CSR's key is not supported: use ECDSA P-256 or P-384, or RSA of 2048 to 8192 bits"
    )]
    Key,
}

/// A public key whose owner has proved to hold the private key.
#[derive(Debug)]
pub struct ProvedKey {
    pub(crate) key: SubjectPublicKeyInfo,
    /// RSA keys can also carry the older key exchanges of TLS 1.2.
    pub(crate) is_rsa: bool,
}

/// Reads a PEM request and checks the proof of possession.
///
/// # Errors
/// What is wrong with it, first by size, then by form, key and signature.
pub fn parse(pem: &str) -> Result<ProvedKey, CsrError> {
    if pem.len() > MAX_CSR {
        return Err(CsrError::TooLarge(pem.len()));
    }
    let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| CsrError::NotPem)?;
    parse_der(&der)
}

/// As [`parse`], for the DER inside the PEM.
///
/// # Errors
/// As [`parse`].
pub fn parse_der(der: &[u8]) -> Result<ProvedKey, CsrError> {
    let (rest, csr) = X509CertificationRequest::from_der(der).map_err(|_| CsrError::Malformed)?;
    if !rest.is_empty() {
        return Err(CsrError::Malformed);
    }
    let parsed = &csr.certification_request_info.subject_pki;
    let is_rsa = check_key(parsed)?;
    let algorithm = &csr.signature_algorithm.algorithm;
    if *algorithm == OID_PKCS1_SHA1WITHRSA || *algorithm == OID_SHA1_WITH_RSA {
        return Err(CsrError::Signature);
    }
    csr.verify_signature().map_err(|_| CsrError::Signature)?;
    let key = SubjectPublicKeyInfo::from_der(parsed.raw).map_err(|_| CsrError::Key)?;
    Ok(ProvedKey { key, is_rsa })
}

/// Whether the key is RSA; an error if it is of a kind or size that is not accepted.
fn check_key(key: &ParsedKey<'_>) -> Result<bool, CsrError> {
    let kind = &key.algorithm.algorithm;
    if *kind == OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = key
            .algorithm
            .parameters
            .as_ref()
            .and_then(|p| p.as_oid().ok())
            .ok_or(CsrError::Key)?;
        return if curve == OID_EC_P256 || curve == OID_NIST_EC_P384 {
            Ok(false)
        } else {
            Err(CsrError::Key)
        };
    }
    match key.parsed() {
        Ok(PublicKey::RSA(rsa))
            if *kind == OID_PKCS1_RSAENCRYPTION && RSA_BITS.contains(&rsa.key_size()) =>
        {
            Ok(true)
        }
        _ => Err(CsrError::Key),
    }
}

#[cfg(test)]
mod tests;
