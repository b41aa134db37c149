//! The one TLS provider of the process.

/// Makes aws-lc-rs the process-wide rustls provider. Call it first in every `main`: rustls panics
/// when it has to choose between several compiled-in providers. Calling it again changes nothing.
pub fn install() {
    // An error only says that a provider is installed already, which is what the caller wants.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
