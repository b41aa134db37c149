//! The keys with which tokens are checked, as last read from their file.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

/// The largest key set that is read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;
/// The most keys kept from one set.
const MAX_KEYS: usize = 64;

/// Why a key set cannot be used. Each message names the file.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// The file cannot be read.
    #[error("cannot read the key set {path}: {source}; --jwksFile must name a JSON Web Key Set")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is larger than any key set.
    #[error("the key set {path} has {size} bytes, more than {MAX_FILE}")]
    TooLarge {
        /// The file.
        path: String,
        /// Its size in bytes.
        size: u64,
    },
    /// The file is not a key set.
    #[error("{path} is not a JSON Web Key Set (RFC 7517): {source}")]
    Parse {
        /// The file.
        path: String,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// No key that can be used.
    #[error("the key set {path} holds no RSA, P-256, P-384 or Ed25519 public key for signatures")]
    NoKeys {
        /// The file.
        path: String,
    },
}

/// One public key and what it may be used with.
pub(super) struct Key {
    pub(super) kid: Option<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) key: DecodingKey,
}

/// The keys of one reading of the file.
pub(super) struct KeySet {
    keys: std::sync::Arc<[Key]>,
    /// What the file looked like when it was last read or tried; none if it was missing.
    stamp: Option<Stamp>,
}

/// Changes when a file is written or replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(|key| &key.kid))
            .finish()
    }
}

impl KeySet {
    pub(super) fn read(path: &Path) -> Result<Self, KeySetError> {
        // Taken before reading: a change in between is then seen at the next look.
        let stamp = Stamp::of(path);
        Ok(Self {
            keys: read_keys(path)?.into(),
            stamp,
        })
    }

    /// The keys that can have signed a token which names `kid`, or any if it names none.
    pub(super) fn named<'a>(&'a self, kid: Option<&'a str>) -> impl Iterator<Item = &'a Key> {
        self.keys
            .iter()
            .filter(move |key| kid.is_none() || key.kid.as_deref() == kid)
    }

    /// What to use from now on, if the file has changed.
    pub(super) fn refreshed(&self, path: &Path) -> Option<Self> {
        let stamp = Stamp::of(path);
        if stamp == self.stamp {
            return None;
        }
        match read_keys(path) {
            Ok(keys) => {
                tracing::info!(path = %path.display(), keys = keys.len(), "read the changed key set");
                Some(Self {
                    keys: keys.into(),
                    stamp,
                })
            }
            Err(error) => {
                tracing::warn!(%error, "the keys read before stay in use");
                Some(Self {
                    keys: self.keys.clone(),
                    stamp,
                })
            }
        }
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let meta = fs::metadata(path).ok()?;
        Some(Self {
            inode: meta.ino(),
            size: meta.size(),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

fn read_keys(path: &Path) -> Result<Vec<Key>, KeySetError> {
    let shown = || path.display().to_string();
    let read = |source| KeySetError::Read {
        path: shown(),
        source,
    };
    let size = fs::metadata(path).map_err(read)?.len();
    if size > MAX_FILE {
        return Err(KeySetError::TooLarge {
            path: shown(),
            size,
        });
    }
    let text = fs::read(path).map_err(read)?;
    let document: Document =
        serde_json::from_slice(&text).map_err(|source| KeySetError::Parse {
            path: shown(),
            source,
        })?;
    // Each key on its own: one of a kind not known here must not lose the others.
    let keys: Vec<Key> = document
        .keys
        .into_iter()
        .filter_map(usable)
        .take(MAX_KEYS)
        .collect();
    if keys.is_empty() {
        Err(KeySetError::NoKeys { path: shown() })
    } else {
        Ok(keys)
    }
}

fn usable(value: serde_json::Value) -> Option<Key> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let algorithms = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => vec![RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => vec![ES256],
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P384 => vec![ES384],
        AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => {
            vec![EdDSA]
        }
        // A symmetric key would let whoever can read the set sign tokens.
        _ => return None,
    };
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some(Key {
        kid: jwk.common.key_id,
        algorithms,
        key,
    })
}
