#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use rcgen::{
    CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
    PKCS_RSA_SHA256, RsaKeySize, SignatureAlgorithm,
};

use super::*;

fn csr_of(key: &KeyPair) -> Vec<u8> {
    CertificateParams::default()
        .serialize_request(key)
        .unwrap()
        .der()
        .to_vec()
}

fn csr(algorithm: &'static SignatureAlgorithm) -> Vec<u8> {
    csr_of(&KeyPair::generate_for(algorithm).unwrap())
}

#[test]
fn requests_for_the_usual_keys_are_accepted() {
    assert!(!parse_der(&csr(&PKCS_ECDSA_P256_SHA256)).unwrap().is_rsa);
    assert!(!parse_der(&csr(&PKCS_ECDSA_P384_SHA384)).unwrap().is_rsa);
    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    assert!(parse_der(&csr_of(&rsa)).unwrap().is_rsa);
}

#[test]
fn the_key_that_comes_out_is_the_one_in_the_request() {
    let key = KeyPair::generate().unwrap();
    let proved = parse_der(&csr_of(&key)).unwrap();
    assert_eq!(
        rcgen::PublicKeyData::der_bytes(&proved.key),
        key.public_key_raw()
    );
}

#[test]
fn keys_of_other_kinds_are_refused() {
    assert_eq!(parse_der(&csr(&PKCS_ED25519)).unwrap_err(), CsrError::Key);
    // openssl req -new -newkey rsa:1024
    let weak = include_str!("rsa1024.pem");
    assert_eq!(parse(weak).unwrap_err(), CsrError::Key);
}

#[test]
fn a_request_signed_by_another_key_is_refused() {
    let (mine, theirs) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut csr = csr_of(&mine);
    let at = csr
        .windows(65)
        .position(|window| window == mine.public_key_raw())
        .unwrap();
    csr[at..at + 65].copy_from_slice(theirs.public_key_raw());
    assert_eq!(parse_der(&csr).unwrap_err(), CsrError::Signature);
}

/// The signature does not cover its own encoding, so some bytes outside what was signed can differ. What must never
/// happen is that another key is certified.
fn assert_refused_or_unchanged(csr: &[u8], key: &[u8]) {
    if let Ok(proved) = parse_der(csr) {
        assert_eq!(
            rcgen::PublicKeyData::der_bytes(&proved.key),
            key,
            "{csr:02x?}"
        );
    }
}

#[test]
fn no_single_changed_byte_gets_another_key_certified() {
    let key = KeyPair::generate().unwrap();
    let good = csr_of(&key);
    let mut refused = 0;
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert_refused_or_unchanged(&bad, key.public_key_raw());
        refused += usize::from(parse_der(&bad).is_err());
    }
    assert!(
        refused > good.len() - 10,
        "only {refused} of {} changes were noticed",
        good.len()
    );
}

#[test]
fn text_that_is_no_request_is_told_apart() {
    assert_eq!(parse("").unwrap_err(), CsrError::NotPem);
    assert_eq!(
        parse("-----BEGIN CERTIFICATE REQUEST-----\nMII").unwrap_err(),
        CsrError::NotPem
    );
    let certificate = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    assert_eq!(parse(certificate).unwrap_err(), CsrError::NotPem);
    let empty = "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n";
    assert_eq!(parse(empty).unwrap_err(), CsrError::Malformed);
    assert_eq!(
        parse(&"a".repeat(MAX_CSR + 1)).unwrap_err(),
        CsrError::TooLarge(MAX_CSR + 1)
    );
    let mut trailing = csr(&PKCS_ECDSA_P256_SHA256);
    trailing.push(0);
    assert_eq!(parse_der(&trailing).unwrap_err(), CsrError::Malformed);
}

/// A small generator of repeatable pseudo-random numbers (xorshift64*), so that a failure can be run again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

#[test]
fn random_and_mutilated_bytes_never_panic_and_get_no_other_key_certified() {
    let key = KeyPair::generate().unwrap();
    let good = csr_of(&key);
    let mut random = Random(0x5eed);
    for round in 0..20_000 {
        let mut bytes: Vec<u8> = if round % 4 == 0 {
            (0..random.below(300))
                .map(|_| random.next() as u8)
                .collect()
        } else {
            good.clone()
        };
        for _ in 0..=random.below(4) {
            if bytes.is_empty() {
                break;
            }
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] = random.next() as u8,
                1 => bytes.truncate(at),
                2 => bytes.insert(at, random.next() as u8),
                _ => drop(bytes.remove(at)),
            }
        }
        assert_refused_or_unchanged(&bytes, key.public_key_raw());
        let text = String::from_utf8_lossy(&bytes);
        let pem = format!(
            "-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n"
        );
        assert!(parse(&pem).is_err());
    }
}
