//! What a certificate says and how long it holds.

use std::time::{Duration, SystemTime};

use identity::cert::Validity;
use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose,
    PublicKeyData, SanType, SerialNumber,
};
use time::OffsetDateTime;

use crate::authorize::Subject;
use crate::request::ProvedKey;
use crate::root::Root;

/// The longest lifetime of a certificate, whatever is asked for or configured (Istio's maximum).
pub const MAX_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);
/// How far `not_before` lies in the past, so that a verifier whose clock is behind accepts a fresh certificate.
const CLOCK_SKEW: Duration = Duration::from_secs(120);

/// Why nothing could be issued although the request is good.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// A lifetime below zero was asked for.
    #[error("validity_duration is {0}: ask for seconds above 0, or 0 for the default")]
    NegativeLifetime(i64),
    /// The root has no life left to give.
    #[error("the root certificate has expired: replace it (see --dataDir)")]
    RootExpired,
    /// No random serial number.
    #[error("cannot make a serial number: the system gives no random bytes")]
    Random,
    /// A name that no certificate can hold.
    #[error("{0:?} cannot be written into a certificate")]
    Name(String),
    /// A time that no certificate can hold.
    #[error("the certificate's time is out of range")]
    Time,
    /// The signature failed.
    #[error("signing failed: {0}")]
    Sign(#[from] rcgen::Error),
}

/// How long certificates hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// When the request asks for no time of its own.
    pub default: Duration,
    /// However much is asked for; at most [`MAX_LIFETIME`].
    pub max: Duration,
}

impl Lifetimes {
    /// The lifetime for a request of `seconds`, 0 meaning the default.
    ///
    /// # Errors
    /// A negative request.
    pub fn grant(&self, seconds: i64) -> Result<Duration, IssueError> {
        let asked = match u64::try_from(seconds) {
            Ok(0) => self.default,
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => return Err(IssueError::NegativeLifetime(seconds)),
        };
        Ok(asked.min(self.max).min(MAX_LIFETIME))
    }
}

/// An issued certificate.
#[derive(Debug)]
pub struct Issued {
    /// PEM, one certificate each: the leaf, then the root.
    pub chain: Vec<String>,
    /// When the leaf is good.
    pub validity: Validity,
}

/// Certifies `key` for `subject`, good from now for `lifetime` but never longer than the root.
///
/// # Errors
/// The root is too old, or the machinery failed.
pub fn issue(
    root: &Root,
    key: &ProvedKey,
    subject: &Subject,
    lifetime: Duration,
    now: SystemTime,
) -> Result<Issued, IssueError> {
    issue_for(root, &key.key, key.is_rsa, subject, lifetime, now)
}

/// As [`issue`], for a key of our own that needs no proof.
pub(crate) fn issue_for(
    root: &Root,
    key: &impl PublicKeyData,
    is_rsa: bool,
    subject: &Subject,
    lifetime: Duration,
    now: SystemTime,
) -> Result<Issued, IssueError> {
    let validity = validity(root.validity(), lifetime, now)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.serial_number = Some(serial_number()?);
    params.not_before = OffsetDateTime::from(validity.not_before);
    params.not_after = OffsetDateTime::from(validity.not_after);
    params.subject_alt_names = names(subject)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if is_rsa {
        params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
    }
    // A workload is a server to some and a client to others, with the same certificate.
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let leaf = params.signed_by(key, root.issuer())?;
    Ok(Issued {
        chain: vec![leaf.pem(), root.pem().to_owned()],
        validity,
    })
}

/// The time that a certificate gets: within the root's, a little of it in the past.
fn validity(root: Validity, lifetime: Duration, now: SystemTime) -> Result<Validity, IssueError> {
    if now >= root.not_after {
        return Err(IssueError::RootExpired);
    }
    // Short-lived certificates are backdated less: otherwise their half-life, when they are due for renewal, would
    // already have passed when they are issued.
    let before = now - CLOCK_SKEW.min(lifetime / 10);
    let after = now.checked_add(lifetime).ok_or(IssueError::Time)?;
    Ok(Validity {
        not_before: before.max(root.not_before),
        not_after: after.min(root.not_after),
    })
}

fn names(subject: &Subject) -> Result<Vec<SanType>, IssueError> {
    let id = subject.id.to_string();
    let mut names = vec![SanType::URI(
        id.as_str()
            .try_into()
            .map_err(|_| IssueError::Name(id.clone()))?,
    )];
    for name in &subject.dns_names {
        names.push(SanType::DnsName(
            name.as_str()
                .try_into()
                .map_err(|_| IssueError::Name(name.clone()))?,
        ));
    }
    Ok(names)
}

/// 127 random bits: unique without keeping count, and positive (RFC 5280 section 4.1.2.2). rcgen's own default is made
/// of the key, and the same key may be certified again.
pub(crate) fn serial_number() -> Result<SerialNumber, IssueError> {
    let mut bytes = [0; 16];
    rustls::crypto::aws_lc_rs::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| IssueError::Random)?;
    if let Some(first) = bytes.first_mut() {
        // Not zero either, so that the encoding keeps its length.
        *first = (*first & 0x7f) | 0x40;
    }
    Ok(SerialNumber::from_slice(&bytes))
}

#[cfg(test)]
mod tests;
