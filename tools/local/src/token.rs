//! Service-account tokens as Kubernetes mints them, and the key set by which the ca checks them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use thiserror::Error;
use time::OffsetDateTime;

/// The issuer that Kubernetes clusters use unless told otherwise.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// The signer could not be made or could not sign.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The key pair.
    #[error("cannot make the service-account signing key: {0}")]
    Key(#[from] rcgen::Error),
    /// The signature.
    #[error("cannot sign a service-account token: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// Whom a token is for.
#[derive(Debug, Clone, Copy)]
pub struct Bearer<'a> {
    /// Namespace of the service account.
    pub namespace: &'a str,
    /// Its name.
    pub service_account: &'a str,
    /// Its uid.
    pub service_account_uid: &'a str,
    /// The pod that the token is bound to.
    pub pod: &'a str,
    /// The pod's uid.
    pub pod_uid: &'a str,
    /// The node.
    pub node: &'a str,
}

/// Signs tokens with a key made at start; the key lives in memory alone, so every token ends with the mesh.
pub struct Signer {
    key: EncodingKey,
    key_id: String,
    jwks: Value,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// A signer with a fresh P-256 key.
    ///
    /// # Errors
    /// When the cryptographic library refuses.
    pub fn generate() -> Result<Self, TokenError> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        // Kubernetes names keys by the hash of their SubjectPublicKeyInfo.
        let key_id = URL_SAFE_NO_PAD.encode(Sha256::digest(pair.subject_public_key_info()));
        // An uncompressed point: 0x04, x, y.
        let point = pair.der_bytes();
        let coordinate =
            |from: usize| URL_SAFE_NO_PAD.encode(point.get(from..from + 32).unwrap_or_default());
        let jwks = json!({"keys": [{
            "use": "sig", "kty": "EC", "crv": "P-256", "alg": "ES256", "kid": key_id,
            "x": coordinate(1), "y": coordinate(33),
        }]});
        Ok(Self {
            key: EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes())?,
            key_id,
            jwks,
        })
    }

    /// The public half as a JSON Web Key Set.
    pub fn jwks(&self) -> &Value {
        &self.jwks
    }

    /// A token for `bearer` that `audience` accepts from `now` for `seconds`.
    ///
    /// # Errors
    /// When signing fails.
    pub fn mint(
        &self,
        bearer: Bearer<'_>,
        audience: &str,
        seconds: i64,
        now: OffsetDateTime,
    ) -> Result<String, TokenError> {
        let issued = now.unix_timestamp();
        let claims = json!({
            "aud": [audience],
            "exp": issued + seconds,
            "iat": issued,
            "iss": ISSUER,
            "jti": crate::random::uuid(),
            "kubernetes.io": {
                "namespace": bearer.namespace,
                "node": {"name": bearer.node},
                "pod": {"name": bearer.pod, "uid": bearer.pod_uid},
                "serviceaccount": {
                    "name": bearer.service_account,
                    "uid": bearer.service_account_uid,
                },
            },
            "nbf": issued,
            "sub": format!(
                "system:serviceaccount:{}:{}", bearer.namespace, bearer.service_account),
        });
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.key_id.clone());
        header.typ = None;
        Ok(encode(&header, &claims, &self.key)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )]
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation, decode};

    fn minted(signer: &Signer) -> String {
        let bearer = Bearer {
            namespace: "default",
            service_account: "greeter",
            service_account_uid: "sa-uid",
            pod: "p",
            pod_uid: "pod-uid",
            node: "n",
        };
        signer
            .mint(bearer, "istio-ca", 43_200, OffsetDateTime::now_utc())
            .unwrap()
    }

    #[test]
    fn a_token_says_what_kubernetes_tokens_say_and_verifies_by_the_key_set() {
        process::crypto::install();
        let signer = Signer::generate().unwrap();
        let key = &signer.jwks()["keys"][0];
        let decoding =
            DecodingKey::from_ec_components(key["x"].as_str().unwrap(), key["y"].as_str().unwrap())
                .unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&["istio-ca"]);
        validation.set_issuer(&[ISSUER]);
        let token = decode::<Value>(minted(&signer), &decoding, &validation).unwrap();
        assert_eq!(token.header.kid.as_deref(), key["kid"].as_str());
        assert_eq!(token.claims["sub"], "system:serviceaccount:default:greeter");
        assert_eq!(token.claims["kubernetes.io"]["pod"]["uid"], "pod-uid");
        assert_eq!(
            token.claims["exp"].as_i64().unwrap() - token.claims["iat"].as_i64().unwrap(),
            43_200
        );
    }

    #[test]
    fn another_meshs_key_set_refuses_the_token() {
        process::crypto::install();
        let (one, other) = (Signer::generate().unwrap(), Signer::generate().unwrap());
        let key = &other.jwks()["keys"][0];
        let decoding =
            DecodingKey::from_ec_components(key["x"].as_str().unwrap(), key["y"].as_str().unwrap())
                .unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&["istio-ca"]);
        assert!(decode::<Value>(minted(&one), &decoding, &validation).is_err());
    }

    #[test]
    fn debug_shows_no_key() {
        process::crypto::install();
        let shown = format!("{:?}", Signer::generate().unwrap());
        assert!(
            !shown.contains("PRIVATE") && shown.contains("key_id"),
            "{shown}"
        );
    }
}
