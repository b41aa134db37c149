//! A root that nears its end: the same key and name with a new time, so that everything it has signed stays good, for
//! those who know the old form as for those who know the new one.

use std::time::{Duration, SystemTime};

use identity::cert::{self, Validity};
use rcgen::string::{Ia5String, PrintableString};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, IsCa, KeyIdMethod,
    KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use x509_parser::der_parser::asn1_rs::Tag;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{LIFETIME, Root, signed};
use crate::issue::{IssueError, serial_number};

/// When a root is renewed, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Renewal {
    /// How long a new or renewed root holds (`CITADEL_SELF_SIGNED_CA_CERT_TTL`).
    pub lifetime: Duration,
    /// The part of a root's life that is left when it is renewed, in percent
    /// (`CITADEL_SELF_SIGNED_ROOT_CERT_GRACE_PERIOD_PERCENTILE`).
    pub grace_percent: u32,
}

impl Default for Renewal {
    /// Istio's: ten years, a fifth of them left.
    fn default() -> Self {
        Self {
            lifetime: LIFETIME,
            grace_percent: 20,
        }
    }
}

impl Renewal {
    /// When a root of this validity is to be renewed.
    pub fn due(&self, root: Validity) -> SystemTime {
        let life = root
            .not_after
            .duration_since(root.not_before)
            .unwrap_or_default();
        let grace = life.mul_f64(f64::from(self.grace_percent.min(100)) / 100.0);
        root.not_after.checked_sub(grace).unwrap_or(root.not_before)
    }
}

/// Why a root cannot be renewed.
#[derive(Debug, thiserror::Error)]
pub enum RenewalError {
    /// Its name or what it says of its key cannot be written again as it is.
    #[error("it has a name or extensions that cannot be written again as they are")]
    Form,
    /// The machinery failed.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

impl Root {
    /// This root with the same key and name, good for `lifetime` from now.
    ///
    /// # Errors
    /// The new form would not stand for the same authority to every verifier.
    pub fn renewed(&self, lifetime: Duration, now: SystemTime) -> Result<Self, RenewalError> {
        let (_, old) =
            X509Certificate::from_der(&self.certificate).map_err(|_| RenewalError::Form)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = name_of(&old).ok_or(RenewalError::Form)?;
        params.serial_number = Some(serial_number()?);
        params.is_ca = match old.basic_constraints() {
            Ok(Some(basic)) => match basic.value.path_len_constraint {
                None => IsCa::Ca(BasicConstraints::Unconstrained),
                Some(length) => IsCa::Ca(BasicConstraints::Constrained(
                    u8::try_from(length).map_err(|_| RenewalError::Form)?,
                )),
            },
            _ => return Err(RenewalError::Form),
        };
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // Leaves may name their authority by it.
        if let Some(id) = key_identifier(&old) {
            params.key_identifier_method = KeyIdMethod::PreSpecified(id.to_vec());
        }
        let key = rcgen::KeyPair::from_pem(&self.issuer.key().serialize_pem())
            .map_err(IssueError::Sign)?;
        let renewed = signed(params, key, lifetime, now)?;
        let (_, new) =
            X509Certificate::from_der(&renewed.certificate).map_err(|_| RenewalError::Form)?;
        let same = new.subject().as_raw() == old.subject().as_raw()
            && new.public_key().raw == old.public_key().raw
            && key_identifier(&old).is_none_or(|id| key_identifier(&new) == Some(id));
        if same {
            Ok(renewed)
        } else {
            Err(RenewalError::Form)
        }
    }

    /// Whether a PEM text is one certificate of this root's key.
    pub(super) fn is_of_the_same_key(&self, pem: &str) -> bool {
        let key = |der: &CertificateDer<'_>| {
            X509Certificate::from_der(der)
                .map(|(_, parsed)| parsed.public_key().raw.to_vec())
                .ok()
        };
        match cert::parse_chain(pem.as_bytes()).as_deref() {
            Ok([other]) => key(other).is_some_and(|of| Some(of) == key(&self.certificate)),
            _ => false,
        }
    }
}

fn key_identifier<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    use x509_parser::extensions::ParsedExtension;
    certificate
        .extensions()
        .iter()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
            _ => None,
        })
}

/// The subject, each part in the type of string that it has; `None` where one cannot be written again.
fn name_of(certificate: &X509Certificate<'_>) -> Option<DistinguishedName> {
    let mut name = DistinguishedName::new();
    for attribute in certificate.subject().iter_attributes() {
        let oid: Vec<u64> = attribute.attr_type().iter()?.collect();
        let text = attribute.as_str().ok()?;
        let value = match attribute.attr_value().tag() {
            Tag::Utf8String => DnValue::Utf8String(text.to_owned()),
            Tag::PrintableString => DnValue::PrintableString(PrintableString::try_from(text).ok()?),
            Tag::Ia5String => DnValue::Ia5String(Ia5String::try_from(text).ok()?),
            _ => return None,
        };
        name.push(DnType::from_oid(&oid), value);
    }
    Some(name)
}
