//! Service-account tokens, as Kubernetes signs them, checked against a key set in a file.

mod claims;
mod keys;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use jsonwebtoken::{Validation, decode, decode_header};

use claims::Claims;
pub use claims::ServiceAccountToken;
use keys::KeySet;
pub use keys::KeySetError;

use crate::spiffe::excerpt;

/// The longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 16 * 1024;

/// Why a token proves nothing. No message repeats the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Not meant for this service.
    #[error("token has the wrong audience: it is for [{}], and one of [{}] is needed", .token.join(", "), .wanted.join(", "))]
    WrongAudience {
        /// The token's `aud`.
        token: Vec<String>,
        /// What would do.
        wanted: Vec<String>,
    },
    /// Made by another issuer.
    #[error("token has the wrong issuer {token:?}: {wanted:?} is needed")]
    WrongIssuer {
        /// The token's `iss`.
        token: String,
        /// What would do.
        wanted: String,
    },
    /// Past its `exp`.
    #[error("token has expired {0} s ago")]
    Expired(u64),
    /// Before its `nbf`.
    #[error("token is not valid yet: it begins in {0} s")]
    NotYetValid(u64),
    /// Not signed by the key that it names.
    #[error("token has a wrong signature")]
    BadSignature,
    /// Signed by a key that is not in the key set.
    #[error("token is signed by an unknown key (kid {0:?})")]
    UnknownKey(String),
    /// Not a token at all, or one that lacks what every token has.
    #[error("token is malformed: {0}")]
    Malformed(String),
    /// A good token of something that is not a service account.
    #[error("token is not a service account's: {0}")]
    NotAServiceAccount(String),
}

/// Checks tokens against the JSON Web Key Set (RFC 7517) in a file. The file is read again when it changes; while it is
/// missing or broken the keys read last stay in use.
#[derive(Debug)]
pub struct Validator {
    path: PathBuf,
    issuer: Option<String>,
    keys: ArcSwap<KeySet>,
}

impl Validator {
    /// Reads the key set in `path`.
    ///
    /// # Errors
    /// The file cannot be read or holds no usable key.
    pub fn from_jwks_file(path: impl Into<PathBuf>) -> Result<Self, KeySetError> {
        let path = path.into();
        let keys = KeySet::read(&path)?;
        Ok(Self {
            path,
            issuer: None,
            keys: ArcSwap::from_pointee(keys),
        })
    }

    /// Accepts only tokens whose `iss` is `issuer`.
    pub fn with_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Whose token this is, if it is good now and for one of `audiences`.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn validate(
        &self,
        token: &str,
        audiences: &[String],
    ) -> Result<ServiceAccountToken, JwtError> {
        self.validate_at(token, audiences, SystemTime::now())
    }

    /// As [`Validator::validate`], at the time `now`.
    ///
    /// # Errors
    /// The first thing that is wrong with the token.
    pub fn validate_at(
        &self,
        token: &str,
        audiences: &[String],
        now: SystemTime,
    ) -> Result<ServiceAccountToken, JwtError> {
        let claims = verify(token, &self.current_keys())?;
        claims.check(self.issuer.as_deref(), audiences, now)
    }

    fn current_keys(&self) -> Arc<KeySet> {
        let keys = self.keys.load_full();
        match keys.refreshed(&self.path) {
            None => keys,
            Some(fresh) => {
                let fresh = Arc::new(fresh);
                self.keys.store(fresh.clone());
                fresh
            }
        }
    }
}

/// The claims of a token that one of `keys` has signed.
fn verify(token: &str, keys: &KeySet) -> Result<Claims, JwtError> {
    if token.len() > MAX_TOKEN {
        return Err(JwtError::Malformed(format!(
            "{} bytes are more than {MAX_TOKEN}",
            token.len()
        )));
    }
    let malformed =
        |_| JwtError::Malformed("it is not a signed JSON Web Token (RFC 7519)".to_owned());
    let header = decode_header(token).map_err(malformed)?;
    let mut candidates = keys.named(header.kid.as_deref()).peekable();
    if candidates.peek().is_none() {
        return Err(JwtError::UnknownKey(excerpt(
            header.kid.as_deref().unwrap_or_default(),
        )));
    }
    // The key decides which algorithms may be used with it, never the token (RFC 8725 section 3.1).
    for key in candidates.filter(|key| key.algorithms.contains(&header.alg)) {
        let mut validation = Validation::new(header.alg);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        match decode::<Claims>(token, &key.key, &validation) {
            Ok(decoded) => return Ok(decoded.claims),
            Err(error) => match error.kind() {
                jsonwebtoken::errors::ErrorKind::Json(_)
                | jsonwebtoken::errors::ErrorKind::Utf8(_) => {
                    return Err(JwtError::Malformed(
                        "its claims are not those of a token".to_owned(),
                    ));
                }
                _ => {}
            },
        }
    }
    Err(JwtError::BadSignature)
}

#[cfg(test)]
mod tests;
