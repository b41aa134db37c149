#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::cert::Validity;
use crate::incoming::PeerCertificate;

const ISTIOD: &str = "spiffe://cluster.local/ns/istio-system/sa/istiod";
const GREETER: &str = "spiffe://cluster.local/ns/default/sa/greeter";
const HOUR: Duration = Duration::from_secs(3600);

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn peer(id: Option<&str>) -> Peer {
    let validity = Validity {
        not_before: now() - HOUR,
        not_after: now() + HOUR,
    };
    let certificate = PeerCertificate {
        id: id.map(|id| id.parse().unwrap()),
        validity,
        chain: Vec::new(),
    };
    Peer {
        addr: "192.0.2.1:1".parse().unwrap(),
        certificate: Some(Arc::new(certificate)),
    }
}

fn stranger() -> Peer {
    Peer {
        addr: "192.0.2.1:1".parse().unwrap(),
        certificate: None,
    }
}

fn headers(headers: &[(&'static str, &str)]) -> MetadataMap {
    let mut map = MetadataMap::new();
    for (key, value) in headers {
        map.append(*key, value.parse().unwrap());
    }
    map
}

fn authenticate(
    peer: &Peer,
    metadata: &[(&'static str, &str)],
) -> Result<Caller, AuthenticationError> {
    authenticate_at(peer, metadata, now())
}

fn authenticate_at(
    peer: &Peer,
    metadata: &[(&'static str, &str)],
    now: SystemTime,
) -> Result<Caller, AuthenticationError> {
    let authenticator = Authenticator {
        trust_domain: "cluster.local".parse().unwrap(),
        tokens: None,
        audiences: vec!["istio-ca".to_owned()],
        trusted_forwarders: vec![ISTIOD.parse().unwrap()],
    };
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(authenticator.authenticate_at(peer, &headers(metadata), now))
}

#[test]
fn a_certificate_counts_only_while_it_is_good_however_old_the_connection_is() {
    let peer = peer(Some(GREETER));
    assert_eq!(
        authenticate(&peer, &[]),
        Ok(Caller {
            id: GREETER.parse().unwrap(),
            by: Authentication::ClientCertificate
        })
    );
    let later = authenticate_at(&peer, &[], now() + 2 * HOUR);
    assert_eq!(later, Err(AuthenticationError::CertificateNotValid));
}

#[test]
fn an_old_certificate_is_not_made_good_by_a_forwarded_caller() {
    let forwarded = format!("URI={GREETER}");
    let answer = authenticate_at(
        &peer(Some(ISTIOD)),
        &[("x-forwarded-client-cert", &forwarded)],
        now() + 2 * HOUR,
    );
    assert_eq!(answer, Err(AuthenticationError::CertificateNotValid));
}

#[test]
fn how_a_caller_is_known_is_told() {
    let forwarded = format!("URI={GREETER}");
    let caller = authenticate(
        &peer(Some(ISTIOD)),
        &[("x-forwarded-client-cert", &forwarded)],
    )
    .unwrap();
    assert_eq!(
        (caller.id.to_string().as_str(), caller.by),
        (GREETER, Authentication::ForwardedCertificate)
    );
    let twice = [
        ("x-forwarded-client-cert", forwarded.as_str()),
        ("x-forwarded-client-cert", forwarded.as_str()),
    ];
    assert!(matches!(
        authenticate(&peer(Some(ISTIOD)), &twice),
        Err(AuthenticationError::Forwarded(_))
    ));
}

#[test]
fn a_certificate_that_names_nobody_is_no_credential() {
    assert_eq!(
        authenticate(&peer(None), &[]),
        Err(AuthenticationError::CertificateWithoutIdentity)
    );
}

#[test]
fn only_one_bearer_token_is_taken() {
    for metadata in [
        &[("authorization", "Basic YTpi")][..],
        &[("authorization", "Bearer")],
        &[("authorization", "Bearer  ")],
        &[("authorization", "Bearer a"), ("authorization", "Bearer b")],
    ] {
        assert_eq!(
            authenticate(&stranger(), metadata),
            Err(AuthenticationError::NotBearer),
            "{metadata:?}"
        );
    }
    assert_eq!(
        authenticate(&stranger(), &[]),
        Err(AuthenticationError::NoCredential)
    );
}

#[test]
fn without_keys_no_token_is_accepted() {
    for scheme in ["Bearer", "bearer"] {
        let answer = authenticate(
            &stranger(),
            &[("authorization", &format!("{scheme} a.b.c"))],
        );
        assert_eq!(answer, Err(AuthenticationError::TokensNotAccepted));
    }
}
