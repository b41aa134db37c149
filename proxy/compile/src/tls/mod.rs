//! TLS: what contexts ask for, the secrets they name, and the settings that both make together.

pub(crate) mod context;
pub(crate) mod resumption;
pub(crate) mod secret;
pub(crate) mod settings;
pub(crate) mod verifier;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// The cryptography that everything here uses.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
