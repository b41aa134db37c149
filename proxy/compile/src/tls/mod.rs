//! TLS: what contexts ask for, the secrets they name, and the settings that both make together.

pub(crate) mod context;
pub(crate) mod resumption;
pub(crate) mod secret;
pub(crate) mod settings;
pub(crate) mod verifier;

use std::sync::Arc;

use rustls::CipherSuite;
use rustls::crypto::CryptoProvider;

/// The cryptography that everything here uses. AES comes with keys of 128 bits first, as between Envoys: 256 cost two
/// fifths more rounds for each byte and are there for whoever asks for them.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| {
        !matches!(
            suite.suite(),
            CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        )
    });
    Arc::new(provider)
}
