//! What a peer's certificate says.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use graph::manager::ClientCertDetails;
use graph::tls::{PeerNames, Pins, SanKind};
use rustls::pki_types::CertificateDer;
use sha2::Digest;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::subject::rfc2253;

/// Facts of a verified certificate.
#[derive(Debug, Clone, Default)]
pub(crate) struct Certificate {
    /// URI names in order.
    pub(crate) uris: Vec<Arc<str>>,
    /// DNS names in order.
    pub(crate) dns: Vec<Arc<str>>,
    /// Subject; empty in the certificates of Istio's workloads.
    pub(crate) subject: String,
    /// SHA-256 of the certificate, lower-case hex.
    pub(crate) hash: String,
    /// SHA-256 of its public key.
    key: [u8; 32],
    /// The end of its life, in seconds since the epoch.
    not_after: i64,
}

impl Certificate {
    /// Reads a leaf; `None` when it is no X.509 (a verifier let none such through).
    pub(crate) fn read(leaf: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
        let mut facts = Certificate {
            subject: rfc2253(parsed.subject()),
            hash: hash(leaf),
            key: sha2::Sha256::digest(parsed.public_key().raw).into(),
            not_after: parsed.validity().not_after.timestamp(),
            ..Certificate::default()
        };
        let names = parsed.subject_alternative_name().ok().flatten();
        for name in names.iter().flat_map(|names| &names.value.general_names) {
            match name {
                GeneralName::URI(uri) => facts.uris.push((*uri).into()),
                GeneralName::DNSName(dns) => facts.dns.push((*dns).into()),
                _ => {}
            }
        }
        Some(facts)
    }

    /// What `x-forwarded-client-cert` says of a client with this certificate, as `details` ask; `chain` is what it
    /// showed, this one first.
    pub(crate) fn element(
        &self,
        chain: &[CertificateDer<'_>],
        local_uri: &str,
        details: ClientCertDetails,
    ) -> Vec<u8> {
        let own = chain.first().map_or(chain, std::slice::from_ref);
        let pem = details.cert.then(|| url_encoded_pem(own));
        let chain_pem = details.chain.then(|| url_encoded_pem(chain));
        let uris: Vec<&str> = self.uris.iter().map(|u| &**u).collect();
        let dns: Vec<&str> = self.dns.iter().map(|d| &**d).collect();
        let mut text = Vec::new();
        let own_uri = [local_uri];
        let facts = routing::xfcc::Certificates {
            local_uris: if local_uri.is_empty() { &[] } else { &own_uri },
            hash: &self.hash,
            subject: &self.subject,
            uris: &uris,
            dns: &dns,
            pem: pem.as_deref().unwrap_or_default(),
            chain_pem: chain_pem.as_deref().unwrap_or_default(),
        };
        routing::xfcc::element(&facts, details, &mut text);
        text
    }

    /// Whether it still holds. A full handshake has asked that already, a session that is resumed has not.
    pub(crate) fn holds_at(&self, wall: SystemTime) -> bool {
        wall.duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|since| i64::try_from(since.as_secs()).ok())
            .is_some_and(|now| now <= self.not_after)
    }

    /// Whether it is one of those asked for.
    pub(crate) fn is_pinned(&self, pins: &Pins) -> bool {
        let own = |sum: &[u8; 32]| hex(sum) == self.hash;
        pins.is_empty() || pins.keys.contains(&self.key) || pins.certificates.iter().any(own)
    }

    /// Whether it has one of the names asked for.
    pub(crate) fn is_one_of(&self, wanted: &PeerNames) -> bool {
        wanted.names.is_empty()
            || wanted.names.iter().any(|want| {
                let names = match want.kind {
                    SanKind::Uri => &self.uris,
                    SanKind::Dns => &self.dns,
                };
                names
                    .iter()
                    .any(|name| want.pattern.matches(name.as_bytes()))
            })
    }
}

/// Certificates as PEM, of which Envoy encodes what has a meaning in the field or in a URL.
fn url_encoded_pem(chain: &[CertificateDer<'_>]) -> String {
    let mut text = String::new();
    for der in chain {
        text.push_str("-----BEGIN%20CERTIFICATE-----%0A");
        let encoded = base64::engine::general_purpose::STANDARD.encode(der);
        for (n, c) in encoded.chars().enumerate() {
            if n > 0 && n % 64 == 0 {
                text.push_str("%0A");
            }
            match c {
                '+' => text.push_str("%2B"),
                '/' => text.push_str("%2F"),
                '=' => text.push_str("%3D"),
                c => text.push(c),
            }
        }
        text.push_str("%0A-----END%20CERTIFICATE-----%0A");
    }
    text
}

fn hash(der: &[u8]) -> String {
    hex(&sha2::Sha256::digest(der))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_certificate_is_said_as_envoy_says_it_where_that_is_asked_for() {
        let parameters = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let own = parameters.self_signed(&key).unwrap();
        let chain = [own.der().clone(), own.der().clone()];
        let element = |details| {
            let read = Certificate::read(own.der()).unwrap();
            String::from_utf8(read.element(&chain, "spiffe://td/x", details)).unwrap()
        };
        let encoded = own.pem().replace("\r\n", "\n");
        let encoded = [
            ("\n", "%0A"),
            (" ", "%20"),
            ("+", "%2B"),
            ("/", "%2F"),
            ("=", "%3D"),
        ]
        .iter()
        .fold(encoded, |text, (plain, code)| text.replace(plain, code));
        let cert = ClientCertDetails {
            cert: true,
            ..ClientCertDetails::default()
        };
        assert!(element(cert).ends_with(&format!(";Cert=\"{encoded}\"")));
        let whole = ClientCertDetails {
            chain: true,
            ..ClientCertDetails::default()
        };
        assert!(element(whole).ends_with(&format!(";Chain=\"{encoded}{encoded}\"")));
        assert!(!element(ClientCertDetails::default()).contains("BEGIN"));
    }

    #[test]
    fn a_certificate_holds_until_its_life_ends_and_not_in_a_session_resumed_later() {
        let mut parameters = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let own = parameters.self_signed(&key).unwrap();
        let read = Certificate::read(own.der()).unwrap();
        // 2030-01-01T00:00:00Z
        let end = UNIX_EPOCH + Duration::from_secs(1_893_456_000);
        assert!(read.holds_at(end));
        assert!(!read.holds_at(end + Duration::from_secs(1)));
        assert_eq!(*read.dns, ["a.example".into()]);
    }
}
