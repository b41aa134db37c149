//! Verifying clients. The TLS library takes certificates of X.509 version 3 alone; those that `openssl x509 -req` makes
//! without extensions, as in the tasks of Istio's documentation, are of version 1, and Envoy takes them.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved,
    RootCertStore, SignatureScheme,
};
use x509_parser::asn1_rs::{Any, FromDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::x509::{SubjectPublicKeyInfo, X509Version};

/// Who issues certificates, and with which key.
#[derive(Debug)]
struct Issuer {
    name: DistinguishedName,
    /// A `SubjectPublicKeyInfo`, DER.
    key: DistinguishedName,
}

/// Takes what leads to the roots.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    library: Arc<dyn ClientCertVerifier>,
    issuers: Vec<Issuer>,
    provider: Arc<CryptoProvider>,
}

impl ClientVerifier {
    /// One that asks for a certificate, and where it is `required` lets nobody in without.
    ///
    /// # Errors
    /// The TLS library cannot use the roots.
    pub(super) fn new(
        roots: Arc<RootCertStore>,
        required: bool,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let named = roots.subjects().into_iter().zip(&roots.roots);
        let issuers = named
            .map(|(name, root)| Issuer {
                name,
                // An anchor has the key's parts without their sequence around, and this type puts it there.
                key: DistinguishedName::in_sequence(&root.subject_public_key_info),
            })
            .collect();
        let builder = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
        let builder = match required {
            true => builder,
            false => builder.allow_unauthenticated(),
        };
        Ok(Self {
            library: builder.build().map_err(|e| e.to_string())?,
            issuers,
            provider,
        })
    }

    /// Whether a root itself issued the certificate, which holds now. What has no extensions cannot be an authority, so
    /// there is nothing between.
    fn verify_old(&self, leaf: &X509Certificate<'_>, now: UnixTime) -> Result<(), Error> {
        let validity = leaf.validity();
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if now > validity.not_after.timestamp() {
            return Err(CertificateError::Expired.into());
        }
        if now < validity.not_before.timestamp() {
            return Err(CertificateError::NotValidYet.into());
        }
        let named = self
            .issuers
            .iter()
            .filter(|issuer| issuer.name.as_ref() == leaf.issuer().as_raw());
        let signed = |issuer: &Issuer| {
            SubjectPublicKeyInfo::from_der(issuer.key.as_ref())
                .is_ok_and(|(_, key)| leaf.verify_signature(Some(&key)).is_ok())
        };
        match named.into_iter().any(signed) {
            true => Ok(()),
            false => Err(CertificateError::UnknownIssuer.into()),
        }
    }
}

/// The certificate, where it is one that the TLS library does not read.
fn old<'a>(certificate: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    let (rest, parsed) = X509Certificate::from_der(certificate).ok()?;
    (rest.is_empty() && parsed.version() == X509Version::V1).then_some(parsed)
}

impl ClientCertVerifier for ClientVerifier {
    fn offer_client_auth(&self) -> bool {
        self.library.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.library.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.library.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match old(end_entity) {
            None => self
                .library
                .verify_client_cert(end_entity, intermediates, now),
            Some(leaf) => {
                self.verify_old(&leaf, now)?;
                Ok(ClientCertVerified::assertion())
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let Some(leaf) = old(cert) else {
            return self.library.verify_tls12_signature(message, cert, dss);
        };
        let key = leaf.public_key();
        let kind = kind(key.raw).ok_or(CertificateError::BadEncoding)?;
        let all = &self.provider.signature_verification_algorithms.mapping;
        let (_, algorithms) = all
            .iter()
            .find(|(scheme, _)| *scheme == dss.scheme)
            .ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
        let valid = algorithms
            .iter()
            .filter(|algorithm| algorithm.public_key_alg_id().as_ref() == kind)
            .any(|algorithm| {
                let bits = &key.subject_public_key.data;
                algorithm
                    .verify_signature(bits, message, dss.signature())
                    .is_ok()
            });
        match valid {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(CertificateError::BadSignature.into()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match old(cert) {
            None => self.library.verify_tls13_signature(message, cert, dss),
            Some(leaf) => verify_tls13_signature_with_raw_key(
                message,
                &SubjectPublicKeyInfoDer::from(leaf.public_key().raw),
                dss,
                &self.provider.signature_verification_algorithms,
            ),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.library.supported_verify_schemes()
    }
}

/// The algorithm of a `SubjectPublicKeyInfo`, as the TLS library names it: the first part of it, without its header.
fn kind(key: &[u8]) -> Option<&[u8]> {
    let (_, whole) = Any::from_der(key).ok()?;
    let (_, algorithm) = Any::from_der(whole.data).ok()?;
    Some(algorithm.data)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use rustls::pki_types::pem::PemObject;

    use super::*;

    fn certificate(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    fn verifier(root: &str) -> ClientVerifier {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(root)).unwrap();
        ClientVerifier::new(Arc::new(roots), true, super::super::provider()).unwrap()
    }

    const ROOT: &str = include_str!("testdata/root.pem");
    /// A root of the same name with another key.
    const NAMESAKE: &str = include_str!("testdata/namesake.pem");
    /// Of the root, by `openssl x509 -req` without extensions; good from November 2026 for a hundred years.
    const OLD: &str = include_str!("testdata/version_1.pem");

    #[test]
    fn a_certificate_of_version_1_is_taken_from_its_root_alone_and_in_its_time() {
        let leaf = certificate(OLD);
        let at =
            |year: u64| UnixTime::since_unix_epoch(Duration::from_secs((year - 1970) * 31_557_600));
        let judge = |root, year| {
            verifier(root)
                .verify_client_cert(&leaf, &[], at(year))
                .map(|_| ())
        };
        assert_eq!(judge(ROOT, 2050), Ok(()));
        let unknown = CertificateError::UnknownIssuer.into();
        assert_eq!(judge(NAMESAKE, 2050), Err(unknown));
        let early = CertificateError::NotValidYet.into();
        assert_eq!(judge(ROOT, 2020), Err(early));
        assert_eq!(judge(ROOT, 2130), Err(CertificateError::Expired.into()));
    }

    #[test]
    fn a_certificate_that_was_changed_has_no_issuer() {
        let mut bytes = certificate(OLD).to_vec();
        let at = bytes.windows(6).position(|w| w == b"client").unwrap();
        *bytes.get_mut(at).unwrap() = b'C';
        let changed = CertificateDer::from(bytes);
        let now = UnixTime::since_unix_epoch(Duration::from_secs(80 * 31_557_600));
        let judged = verifier(ROOT).verify_client_cert(&changed, &[], now);
        assert_eq!(
            judged.map(|_| ()),
            Err(CertificateError::UnknownIssuer.into())
        );
    }
}
