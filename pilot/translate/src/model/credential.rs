//! Secrets that hold a certificate with its key, or roots.

use std::fmt;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1 as core;

/// What a gateway may show, and what it verifies its callers by. PEM.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    /// The chain, leaf first; empty in a secret of roots alone.
    pub(crate) chain: Vec<u8>,
    /// Its private key.
    pub(crate) key: Vec<u8>,
    /// Roots; empty where there are none.
    pub(crate) roots: Vec<u8>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").finish_non_exhaustive()
    }
}

/// The most bytes of one part; larger ones are no certificates, and each gateway gets a copy.
const MAX_PART: usize = 256 * 1024;

impl Credential {
    /// Reads the keys that Istio reads: `tls.crt`, `tls.key`, `ca.crt`, or `cert`, `key`, `cacert`. `None` for a secret
    /// without any of them.
    pub(crate) fn new(secret: &core::Secret) -> Option<Self> {
        let data = secret.data.as_ref()?;
        let part = |names: [&str; 2]| {
            let found = names.iter().find_map(|name| data.get(*name));
            let ByteString(bytes) = found?;
            (!bytes.is_empty() && bytes.len() <= MAX_PART).then(|| bytes.clone())
        };
        let pair = part(["tls.crt", "cert"]).zip(part(["tls.key", "key"]));
        let roots = part(["ca.crt", "cacert"]);
        if pair.is_none() && roots.is_none() {
            return None;
        }
        let (chain, key) = pair.unwrap_or_default();
        Some(Self {
            chain,
            key,
            roots: roots.unwrap_or_default(),
        })
    }
}
