#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use identity::cert;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::*;
use crate::request;

const HOUR: Duration = Duration::from_secs(3600);
const LIFETIMES: Lifetimes = Lifetimes {
    default: Duration::from_secs(86400),
    max: MAX_LIFETIME,
};

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn subject() -> Subject {
    let id = "spiffe://cluster.local/ns/default/sa/greeter"
        .parse()
        .unwrap();
    Subject {
        id,
        dns_names: vec!["istiod.istio-system.svc".to_owned()],
    }
}

fn key() -> ProvedKey {
    // The request asks for other names than it may have.
    let (_, csr) =
        identity::csr::generate("spiffe://cluster.local/ns/kube-system/sa/admin").unwrap();
    request::parse(csr.as_str()).unwrap()
}

fn root() -> Root {
    Root::generate(
        &"cluster.local".parse().unwrap(),
        crate::root::LIFETIME,
        now(),
    )
    .unwrap()
}

fn leaf(issued: &Issued) -> Vec<u8> {
    cert::parse_chain(issued.chain[0].as_bytes()).unwrap()[0].to_vec()
}

#[test]
fn zero_seconds_mean_the_default_and_the_rest_is_capped_at_ninety_days() {
    assert_eq!(LIFETIMES.grant(0).unwrap(), 24 * HOUR);
    assert_eq!(LIFETIMES.grant(60).unwrap(), Duration::from_secs(60));
    assert_eq!(LIFETIMES.grant(i64::MAX).unwrap(), 90 * 24 * HOUR);
    assert!(matches!(
        LIFETIMES.grant(-1),
        Err(IssueError::NegativeLifetime(-1))
    ));
    let careless = Lifetimes {
        default: 200 * 24 * HOUR,
        max: Duration::MAX,
    };
    assert_eq!(careless.grant(0).unwrap(), MAX_LIFETIME);
}

#[test]
fn a_certificate_names_the_subject_alone_whatever_the_request_asked_for() {
    let issued = issue(&root(), &key(), &subject(), HOUR, now()).unwrap();
    let der = leaf(&issued);
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    assert!(
        names.critical,
        "a certificate without subject must have critical names (RFC 5280 section 4.2.1.6)"
    );
    assert_eq!(
        names.value.general_names,
        [
            GeneralName::URI("spiffe://cluster.local/ns/default/sa/greeter"),
            GeneralName::DNSName("istiod.istio-system.svc"),
        ]
    );
    assert_eq!(certificate.subject().iter().count(), 0);
}

#[test]
fn a_certificate_is_for_servers_and_clients_and_never_an_authority() {
    let issued = issue(&root(), &key(), &subject(), HOUR, now()).unwrap();
    let der = leaf(&issued);
    let (_, certificate) = X509Certificate::from_der(&der).unwrap();
    let extended = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.server_auth && extended.client_auth && !extended.any);
    let usage = certificate.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && !usage.key_cert_sign() && !usage.crl_sign());
    assert!(!certificate.is_ca());
}

#[test]
fn validity_begins_a_little_early_and_ends_as_granted() {
    let root = Root::generate(
        &"cluster.local".parse().unwrap(),
        crate::root::LIFETIME,
        now() - HOUR,
    )
    .unwrap();
    let day = issue(&root, &key(), &subject(), 24 * HOUR, now())
        .unwrap()
        .validity;
    assert_eq!(
        (day.not_before, day.not_after),
        (now() - Duration::from_secs(120), now() + 24 * HOUR)
    );
    let minute = issue(&root, &key(), &subject(), Duration::from_secs(60), now())
        .unwrap()
        .validity;
    assert!(
        minute.not_before < now() && minute.half_life() > now(),
        "due for renewal when it was issued"
    );
}

#[test]
fn what_is_written_is_what_is_reported() {
    let issued = issue(&root(), &key(), &subject(), HOUR, now()).unwrap();
    assert_eq!(
        Validity::of(&leaf(&issued).into()).unwrap(),
        issued.validity
    );
}

#[test]
fn no_certificate_outlives_the_root() {
    let root = root();
    let end = root.validity().not_after;
    let issued = issue(&root, &key(), &subject(), 24 * HOUR, end - HOUR).unwrap();
    assert_eq!(issued.validity.not_after, end);
    assert!(matches!(
        issue(&root, &key(), &subject(), HOUR, end),
        Err(IssueError::RootExpired)
    ));
}

#[test]
fn the_chain_has_the_leaf_first_and_the_root_last_and_verifies() {
    let root = root();
    let issued = issue(&root, &key(), &subject(), HOUR, now()).unwrap();
    assert_eq!(issued.chain.len(), 2);
    assert_eq!(issued.chain[1], root.pem());
    let (leaf, root) = (
        leaf(&issued),
        cert::parse_chain(root.pem().as_bytes()).unwrap(),
    );
    let (_, leaf) = X509Certificate::from_der(&leaf).unwrap();
    let (_, root) = X509Certificate::from_der(&root[0]).unwrap();
    leaf.verify_signature(Some(root.public_key())).unwrap();
    assert_eq!(leaf.issuer(), root.subject());
}

#[test]
fn the_same_key_certified_twice_gets_two_serial_numbers() {
    let (root, key) = (root(), key());
    let serial = || {
        let der = leaf(&issue(&root, &key, &subject(), HOUR, now()).unwrap());
        let (_, certificate) = X509Certificate::from_der(&der).unwrap();
        certificate.raw_serial().to_vec()
    };
    assert_ne!(serial(), serial());
}
