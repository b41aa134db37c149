//! The cryptography that everything here uses.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs, ring};
use rustls::{CipherSuite, SupportedCipherSuite};

/// Keys, signatures and random numbers of aws-lc, and ciphers of whoever has the faster ones for this processor. AES
/// comes with keys of 128 bits first, as between Envoys: 256 cost two fifths more rounds for each byte and are there
/// for whoever asks for them.
pub(super) fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    if has_wide_aes_in_avx2_alone() {
        provider.cipher_suites = ring::ALL_CIPHER_SUITES.to_vec();
    }
    provider.cipher_suites.sort_by_key(order);
    Arc::new(provider)
}

fn order(suite: &SupportedCipherSuite) -> bool {
    !matches!(
        suite.suite(),
        CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
    )
}

/// Whether the processor does several blocks of AES at once in registers of 256 bits, but not of 512 (AMD's Zen 3, for
/// one). aws-lc uses those of 512 bits alone, ring those of 256: it takes half of aws-lc's time there for 16 KiB and two
/// thirds for 100 bytes.
#[cfg(target_arch = "x86_64")]
fn has_wide_aes_in_avx2_alone() -> bool {
    is_x86_feature_detected!("vaes")
        && is_x86_feature_detected!("vpclmulqdq")
        && is_x86_feature_detected!("avx2")
        && !is_x86_feature_detected!("avx512f")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_wide_aes_in_avx2_alone() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_ciphers_are_there_in_the_same_order_whoever_makes_them() {
        let names = |mut suites: Vec<SupportedCipherSuite>| -> Vec<CipherSuite> {
            suites.sort_by_key(order);
            suites.iter().map(SupportedCipherSuite::suite).collect()
        };
        assert_eq!(
            names(ring::ALL_CIPHER_SUITES.to_vec()),
            names(aws_lc_rs::ALL_CIPHER_SUITES.to_vec())
        );
    }
}
