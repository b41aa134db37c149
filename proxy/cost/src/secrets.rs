//! The certificate and roots of a workload, for clusters that wait for them: the same in every run, and made without
//! randomness, whose first byte costs more than all else here (aws-lc measures the processor's jitter for it).

use std::sync::Arc;

use compile::{Update, Upsert};
use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source::Specifier};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, Secret, TlsCertificate, secret::Type,
};
use identity::bundle::WorkloadCertificate;
use identity::tls::{ClientTls, Expected};
use prost::Message;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType,
};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::PrivatePkcs8KeyDer;
use xds::TypeUrl;

use crate::Failure;

/// What stands before the seed in a PKCS #8 document of an Ed25519 key (RFC 8410, 7).
const BEFORE_SEED: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// Who the workload is.
const ID: &str = "spiffe://cluster.local/ns/default/sa/default";

/// What a workload has of its mesh.
struct Issued {
    certificate: Certificate,
    key: KeyPair,
    roots: CertifiedIssuer<'static, KeyPair>,
}

fn issued() -> Result<Issued, Failure> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let roots = CertifiedIssuer::self_signed(params, key(1)?)?;
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI(ID.try_into()?)];
    let key = key(2)?;
    Ok(Issued {
        certificate: params.signed_by(&key, &roots)?,
        key,
        roots,
    })
}

/// The secrets `default` and `ROOTCA`.
pub(crate) fn update() -> Result<Update, Failure> {
    let issued = issued()?;
    let own = Type::TlsCertificate(TlsCertificate {
        certificate_chain: inline(issued.certificate.pem()),
        private_key: inline(issued.key.serialize_pem()),
        ..Default::default()
    });
    let roots = Type::ValidationContext(CertificateValidationContext {
        trusted_ca: inline(issued.roots.pem()),
        ..Default::default()
    });
    let upserts = [("default", own), ("ROOTCA", roots)].map(|(name, secret)| {
        let secret = Secret {
            name: name.to_owned(),
            r#type: Some(secret),
        };
        Upsert {
            name: name.into(),
            body: secret.encode_to_vec().into(),
        }
    });
    Ok(Update {
        kind: TypeUrl::Secret,
        upserts: upserts.into(),
        removals: Vec::new(),
    })
}

/// The settings of a caller with the same certificate. No session is resumed: each connection is like the first.
pub(crate) fn caller() -> Result<Arc<ClientConfig>, Failure> {
    let issued = issued()?;
    let roots = vec![issued.roots.der().clone()];
    let own = WorkloadCertificate {
        chain: vec![issued.certificate.der().clone()],
        key: PrivatePkcs8KeyDer::from(issued.key.serialize_der()).into(),
        roots: roots.clone(),
    };
    let tls = ClientTls::new(&roots, Some(own), Expected::Spiffe(vec![ID.parse()?]))?;
    let mut config = (*tls.config()).clone();
    // What tells a proxy of the mesh that a proxy of the mesh calls, and what is spoken then.
    config.alpn_protocols = vec![b"istio".to_vec(), b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// A key whose seed is 32 times a byte. Ed25519 signs without a random number.
fn key(seed: u8) -> Result<KeyPair, Failure> {
    let document = [&BEFORE_SEED[..], &[seed; 32]].concat();
    let document = PrivatePkcs8KeyDer::from(document);
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&document, &rcgen::PKCS_ED25519)?;
    Ok(key)
}

fn inline(pem: String) -> Option<DataSource> {
    Some(DataSource {
        specifier: Some(Specifier::InlineString(pem)),
        ..Default::default()
    })
}
