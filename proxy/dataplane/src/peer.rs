//! What a peer's certificate says.

use std::sync::Arc;

use graph::tls::{PeerNames, SanKind};
use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Facts of a verified certificate.
#[derive(Debug, Clone, Default)]
pub(crate) struct Certificate {
    /// URI names in order.
    pub(crate) uris: Vec<Arc<str>>,
    /// DNS names in order.
    pub(crate) dns: Vec<Arc<str>>,
    /// Subject as RFC 2253 writes it.
    pub(crate) subject: String,
    /// SHA-256 of the certificate, lower-case hex.
    pub(crate) hash: String,
}

impl Certificate {
    /// Reads a leaf; `None` when it is no X.509 (a verifier let none such through).
    pub(crate) fn read(leaf: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
        let mut facts = Certificate {
            subject: parsed.subject().to_string(),
            hash: hash(leaf),
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

fn hash(der: &[u8]) -> String {
    use std::fmt::Write;
    let digest = <sha2::Sha256 as sha2::Digest>::digest(der);
    digest
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
