#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;

/// An issuer of tokens with one P-256 key.
struct Signer {
    kid: &'static str,
    key: rcgen::KeyPair,
}

impl Signer {
    fn new(kid: &'static str) -> Self {
        Self {
            kid,
            key: rcgen::KeyPair::generate().unwrap(),
        }
    }

    fn jwk(&self) -> Value {
        let point = self.key.public_key_raw();
        let coordinate = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid,
            "x": coordinate(1..33), "y": coordinate(33..65)})
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header {
            kid: Some(self.kid.to_owned()),
            ..Header::new(Algorithm::ES256)
        };
        encode(
            &header,
            claims,
            &EncodingKey::from_ec_der(self.key.serialized_der()),
        )
        .unwrap()
    }
}

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)
}

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "system:serviceaccount:default:greeter", "aud": ["istio-ca"], "exp": 1_000_100,
        "iat": 999_900, "nbf": 999_900, "kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "greeter",
        "uid": "u"}, "pod": {"name": "greeter-1", "uid": "p"}}})
}

fn with(key: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[key] = value;
    claims
}

fn write(path: &Path, keys: &[Value]) {
    let fresh = path.with_extension("new");
    std::fs::write(&fresh, json!({"keys": keys}).to_string()).unwrap();
    std::fs::rename(fresh, path).unwrap();
}

struct Fixture {
    _dir: tempfile::TempDir,
    path: PathBuf,
    signer: Signer,
    validator: Validator,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jwks.json");
    let signer = Signer::new("one");
    write(&path, &[signer.jwk()]);
    let validator = Validator::from_jwks_file(&path)
        .unwrap()
        .with_issuer(ISSUER);
    Fixture {
        _dir: dir,
        path,
        signer,
        validator,
    }
}

impl Fixture {
    fn check(&self, claims: &Value) -> Result<ServiceAccountToken, JwtError> {
        self.check_token(&self.signer.sign(claims))
    }

    fn check_token(&self, token: &str) -> Result<ServiceAccountToken, JwtError> {
        self.validator
            .validate_at(token, &["istio-ca".to_owned(), "other".to_owned()], now())
    }
}

#[test]
fn a_good_token_names_its_service_account_and_pod() {
    let token = fixture().check(&claims()).unwrap();
    assert_eq!(
        (token.namespace.as_str(), token.service_account.as_str()),
        ("default", "greeter")
    );
    assert_eq!(token.pod.as_deref(), Some("greeter-1"));
    assert_eq!(token.expires, now() + Duration::from_secs(100));
}

#[test]
fn each_thing_wrong_with_a_token_has_its_own_error() {
    let f = fixture();
    let error = |key, value| f.check(&with(key, value)).unwrap_err();
    let wrong_audience = error("aud", json!(["vault"]));
    assert_eq!(
        wrong_audience.to_string(),
        "token has the wrong audience: it is for [vault], and one of [istio-ca, other] is needed"
    );
    assert!(matches!(
        error("aud", json!("vault")),
        JwtError::WrongAudience { .. }
    ));
    assert!(matches!(
        error("aud", json!(null)),
        JwtError::WrongAudience { .. }
    ));
    assert_eq!(error("exp", json!(999_990)), JwtError::Expired(10));
    assert_eq!(error("exp", json!(1_000_000)), JwtError::Expired(0));
    assert_eq!(error("nbf", json!(1_000_070)), JwtError::NotYetValid(70));
    assert!(matches!(error("exp", json!(null)), JwtError::Malformed(_)));
    assert!(matches!(
        error("exp", json!("soon")),
        JwtError::Malformed(_)
    ));
    assert!(matches!(
        error("exp", json!(u64::MAX)),
        JwtError::Malformed(_)
    ));
    assert!(matches!(
        error("iss", json!("https://elsewhere")),
        JwtError::WrongIssuer { .. }
    ));
    for sub in [
        "",
        "alice",
        "system:serviceaccount:default",
        "system:serviceaccount::a",
        "system:serviceaccount:a:b:c",
    ] {
        assert!(
            matches!(error("sub", json!(sub)), JwtError::NotAServiceAccount(_)),
            "{sub}"
        );
    }
    assert!(matches!(
        error("sub", json!("system:serviceaccount:default:other")),
        JwtError::NotAServiceAccount(_)
    ));
}

#[test]
fn a_clock_slightly_behind_the_signers_does_not_matter() {
    assert!(fixture().check(&with("nbf", json!(1_000_030))).is_ok());
}

#[test]
fn a_changed_or_foreign_signature_is_told_apart_from_an_unknown_key() {
    let f = fixture();
    let impostor = Signer::new("one");
    assert_eq!(
        f.check_token(&impostor.sign(&claims())),
        Err(JwtError::BadSignature)
    );
    let stranger = Signer::new("two");
    assert_eq!(
        f.check_token(&stranger.sign(&claims())),
        Err(JwtError::UnknownKey("two".to_owned()))
    );
    let (good, other) = (
        f.signer.sign(&claims()),
        f.signer
            .sign(&with("sub", json!("system:serviceaccount:default:root"))),
    );
    let (head, body) = (
        good.split('.').next().unwrap(),
        other.split('.').nth(1).unwrap(),
    );
    let spliced = format!("{head}.{body}.{}", good.rsplit('.').next().unwrap());
    assert_eq!(f.check_token(&spliced), Err(JwtError::BadSignature));
}

#[test]
fn the_token_never_chooses_an_algorithm_that_its_key_is_not_for() {
    let f = fixture();
    let secret = EncodingKey::from_secret(f.signer.key.public_key_raw());
    let header = Header {
        kid: Some("one".to_owned()),
        ..Header::new(Algorithm::HS256)
    };
    assert_eq!(
        f.check_token(&encode(&header, &claims(), &secret).unwrap()),
        Err(JwtError::BadSignature)
    );
    let none = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
        URL_SAFE_NO_PAD.encode(claims().to_string())
    );
    assert!(matches!(f.check_token(&none), Err(JwtError::Malformed(_))));
}

#[test]
fn text_that_is_no_token_is_malformed_and_never_repeated() {
    let f = fixture();
    for text in [
        "",
        "secret",
        "secret.secret",
        "secret.secret.secret",
        "a.b.c.d",
        &"s".repeat(MAX_TOKEN + 1),
    ] {
        let error = f.check_token(text).unwrap_err();
        assert!(matches!(error, JwtError::Malformed(_)), "{error}");
        assert!(!error.to_string().contains("secret"));
    }
}

#[test]
fn a_replaced_key_set_is_used_at_once() {
    let f = fixture();
    let next = Signer::new("two");
    write(&f.path, &[next.jwk()]);
    assert!(f.check_token(&next.sign(&claims())).is_ok());
    assert_eq!(
        f.check(&claims()),
        Err(JwtError::UnknownKey("one".to_owned()))
    );
}

#[test]
fn a_missing_or_broken_key_set_keeps_the_keys_read_last() {
    let f = fixture();
    std::fs::write(&f.path, "{").unwrap();
    assert!(f.check(&claims()).is_ok());
    std::fs::remove_file(&f.path).unwrap();
    assert!(f.check(&claims()).is_ok());
    write(&f.path, &[Signer::new("two").jwk()]);
    assert!(f.check(&claims()).is_err());
}

#[test]
fn one_unusable_key_does_not_lose_the_others() {
    let f = fixture();
    write(
        &f.path,
        &[
            json!({"kty": "new"}),
            json!(1),
            json!({"kty": "oct", "k": "c2VjcmV0", "kid": "s"}),
            f.signer.jwk(),
        ],
    );
    assert!(f.check(&claims()).is_ok());
}

#[test]
fn a_key_set_that_cannot_be_used_at_the_start_is_an_error_that_names_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jwks.json");
    let error = |content: Option<&str>| {
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let error = Validator::from_jwks_file(&path).unwrap_err();
        assert!(error.to_string().contains("jwks.json"), "{error}");
        error
    };
    assert!(matches!(error(None), KeySetError::Read { .. }));
    assert!(matches!(error(Some("[]")), KeySetError::Parse { .. }));
    assert!(matches!(
        error(Some(r#"{"keys": []}"#)),
        KeySetError::NoKeys { .. }
    ));
    let symmetric = r#"{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}"#;
    assert!(matches!(error(Some(symmetric)), KeySetError::NoKeys { .. }));
}
