//! Which of several certificates a caller is shown.

use std::fmt;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};

/// A certificate and the names that callers know it by.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) key: Arc<CertifiedKey>,
    /// DNS names of the leaf, lower case; its common name where it has no alternative ones.
    pub(crate) names: Arc<[String]>,
}

impl Shown {
    fn is_usable(&self, schemes: &[SignatureScheme]) -> bool {
        self.key.key.choose_scheme(schemes).is_some()
    }

    /// How well it fits the name that a caller asks for: wholly, by a pattern, or not.
    fn fits(&self, name: &str) -> Option<Fit> {
        let by_pattern = |own: &String| {
            let below = own.strip_prefix('*');
            below.is_some() && below == name.find('.').and_then(|dot| name.get(dot..))
        };
        if self.names.iter().any(|own| own == name) {
            Some(Fit::Wholly)
        } else if self.names.iter().any(by_pattern) {
            Some(Fit::ByPattern)
        } else {
            None
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Wholly,
    ByPattern,
}

/// Chooses as Envoy does: of the certificates that have the name asked for, wholly before by pattern, the one with a key
/// of elliptic curves where the caller takes such, else the first that it takes. Where none has the name, the first.
pub(super) struct Choice(pub(super) Vec<Shown>);

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Choice({})", self.0.len())
    }
}

impl Choice {
    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<&Shown> {
        let name = name.unwrap_or_default().to_ascii_lowercase();
        let usable = |fit| {
            let named = self.0.iter().filter(move |s| s.is_usable(schemes));
            named.filter(|s| s.fits(&name) == Some(fit)).collect()
        };
        let fitting: [Vec<&Shown>; 2] = [usable(Fit::Wholly), usable(Fit::ByPattern)];
        for all in &fitting {
            let curve = all
                .iter()
                .find(|s| s.key.key.algorithm() == SignatureAlgorithm::ECDSA);
            if let Some(found) = curve.or(all.first()) {
                return Some(found);
            }
        }
        self.0.iter().find(|s| s.is_usable(schemes))
    }
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let chosen = self.choose(hello.server_name(), hello.signature_schemes())?;
        Some(chosen.key.clone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use rcgen::{CertificateParams, KeyPair};
    use rustls::pki_types::PrivateKeyDer;

    use super::*;

    const CURVES: [SignatureScheme; 2] = [
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::ED25519,
    ];

    fn shown(algorithm: &'static rcgen::SignatureAlgorithm, names: &[&str]) -> Shown {
        let pair = KeyPair::generate_for(algorithm).unwrap();
        let certificate = CertificateParams::default().self_signed(&pair).unwrap();
        let key = PrivateKeyDer::try_from(pair.serialize_der()).unwrap();
        let key = CertifiedKey::from_der(
            vec![certificate.der().clone()],
            key,
            &rustls::crypto::aws_lc_rs::default_provider(),
        );
        Shown {
            key: Arc::new(key.unwrap()),
            names: names.iter().map(|n| (*n).to_owned()).collect(),
        }
    }

    #[test]
    fn the_name_counts_first_then_the_kind_of_key_then_the_order() {
        let (curve, edwards) = (&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ED25519);
        let choice = Choice(vec![
            shown(edwards, &["a.io"]),
            shown(curve, &["a.io"]),
            shown(curve, &["*.b.io", "c.io"]),
            shown(edwards, &["x.b.io"]),
        ]);
        for (name, schemes, expected) in [
            (Some("a.io"), &CURVES[..], Some(1)),
            (Some("A.io"), &CURVES[1..], Some(0)),
            (Some("y.b.io"), &CURVES, Some(2)),
            (Some("x.b.io"), &CURVES, Some(3)),
            (Some("x.b.io"), &CURVES[..1], Some(2)),
            (Some("z.y.b.io"), &CURVES, Some(0)),
            (None, &CURVES, Some(0)),
            (None, &CURVES[..1], Some(1)),
            (Some("a.io"), &[SignatureScheme::RSA_PSS_SHA256], None),
        ] {
            let chosen = choice.choose(name, schemes);
            let at = chosen.map(|c| choice.0.iter().position(|s| Arc::ptr_eq(&s.key, &c.key)));
            assert_eq!(at.flatten(), expected, "{name:?} {schemes:?}");
        }
    }
}
