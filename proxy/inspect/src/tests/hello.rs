use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::Numbers;
use crate::{ClientHello, MOST_HELLO_BYTES, client_hello};

/// What a real client sends first.
fn real(name: &str, alpn: &[&[u8]], sni: bool) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
    config.enable_sni = sni;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

fn records(message: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in message.chunks(size) {
        bytes.extend_from_slice(&[22, 3, 1]);
        bytes.extend_from_slice(&(part.len() as u16).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

fn asked(bytes: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let ClientHello::Found(found) = client_hello(bytes) else {
        panic!("{:?}", client_hello(bytes));
    };
    let alpn = found.alpn().map(<[u8]>::to_vec).collect();
    (found.server_name().to_vec(), alpn)
}

#[test]
fn a_real_clients_name_and_protocols_are_found() {
    let hello = real(
        "outbound_.80_._.reviews.default.svc",
        &[b"istio-h2", b"istio", b"h2"],
        true,
    );
    let (name, alpn) = asked(&hello);
    assert_eq!(name, b"outbound_.80_._.reviews.default.svc");
    assert_eq!(alpn, [&b"istio-h2"[..], b"istio", b"h2"]);
}

#[test]
fn a_client_without_name_or_protocols_is_tls_all_the_same() {
    assert_eq!(asked(&real("a.b", &[], false)), (Vec::new(), Vec::new()));
    assert_eq!(
        asked(&real("10.0.0.1", &[b"h2"], true)),
        (Vec::new(), vec![b"h2".to_vec()])
    );
}

/// Envoy 1.40's `tls_inspector` finds the name in each of these, too.
#[test]
fn a_hello_in_many_records_is_put_together() {
    let whole = real("a.b", &[b"h2"], true);
    for size in [1, 2, 3, 4, 5, 50, whole.len()] {
        let mut bytes = records(&whole[5..], size);
        bytes.extend_from_slice(b"what follows is not looked at");
        assert_eq!(asked(&bytes).0, b"a.b", "{size} bytes a record");
    }
}

#[test]
fn every_beginning_of_a_hello_waits_for_more() {
    let hello = real("a.b", &[b"h2"], true);
    for end in 0..hello.len() {
        assert_eq!(client_hello(&hello[..end]), ClientHello::NeedMore, "{end}");
    }
}

/// Envoy 1.40 gives each of these to the chain for plaintext.
#[test]
fn what_is_no_hello_is_plaintext() {
    let cases: &[&[u8]] = &[
        b"GET / ",
        b"\x15\x03\x01\x00\x02\x01\x00",
        b"\x16\x02\x01\x00\x05abcde",
        b"\x16\x03\x01\x00\x05\x02bcde",
        b"\x16\x03\x01\x50\x00aaaa",
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x16\x03\x01\x3f\x00\x01\x00\x50\x00aaaa",
    ];
    for bytes in cases {
        assert_eq!(
            client_hello(bytes),
            ClientHello::NotTls,
            "{}",
            bytes.escape_ascii()
        );
    }
}

/// Envoy's inspector waits for five bytes; one is enough to see that it is not TLS.
#[test]
fn one_byte_tells_plaintext() {
    assert_eq!(client_hello(b"G"), ClientHello::NotTls);
    assert_eq!(client_hello(b"\x16"), ClientHello::NeedMore);
}

#[test]
fn a_hello_that_does_not_end_is_refused() {
    let mut message = vec![1, 0, 0x3f, 0];
    message.resize(0x3f00, 0);
    let bytes = records(&message, 20);
    assert!(bytes.len() > MOST_HELLO_BYTES);
    assert_eq!(client_hello(&bytes), ClientHello::Invalid);
    assert_eq!(
        client_hello(&bytes[..MOST_HELLO_BYTES - 1]),
        ClientHello::NeedMore
    );
}

#[test]
fn damaged_hellos_break_nothing() {
    let hello = real("a.example", &[b"h2", b"http/1.1"], true);
    let mut numbers = Numbers(11);
    let mut found = 0;
    for _ in 0..50_000 {
        let mut bytes = hello.clone();
        for _ in 0..1 + numbers.below(3) {
            let at = numbers.below(bytes.len());
            bytes[at] = numbers.next() as u8;
        }
        bytes.truncate(1 + numbers.below(bytes.len()));
        if let ClientHello::Found(hello) = client_hello(&bytes) {
            found += 1;
            assert!(hello.server_name().len() < bytes.len());
            assert!(hello.alpn().all(|p| !p.is_empty()));
        }
    }
    assert!(found > 0);
}
