//! Names of subjects as text (RFC 2253), as OpenSSL and Envoy write them.

use std::fmt::Write;

use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// The last part first, parts without spaces between.
pub(crate) fn rfc2253(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    let parts: Vec<_> = name.iter_rdn().collect();
    for (n, part) in parts.into_iter().rev().enumerate() {
        for (m, attribute) in part.iter().enumerate() {
            match (n, m) {
                (0, 0) => {}
                (_, 0) => text.push(','),
                (_, _) => text.push('+'),
            }
            add(&mut text, attribute);
        }
    }
    text
}

fn add(text: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    let kind = attribute.attr_type();
    match oid2abbrev(kind, oid_registry()) {
        Ok(short) => text.push_str(short),
        Err(_) => text.push_str(&kind.to_id_string()),
    }
    text.push('=');
    match attribute.as_str() {
        Ok(value) => escape(text, value),
        Err(_) => {
            text.push('#');
            for byte in attribute.attr_value().data {
                let _ = write!(text, "{byte:02X}");
            }
        }
    }
}

/// RFC 2253, 2.4; what is no printable ASCII is written byte by byte.
fn escape(text: &mut String, value: &str) {
    let last = value.len().saturating_sub(1);
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b'#' | b' ' if at == 0 => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b' ' if at == last => text.push_str("\\ "),
            0x20..0x7f => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
    use x509_parser::prelude::{FromDer, X509Certificate};

    use super::*;

    /// The expected text is of `openssl x509 -noout -subject -nameopt RFC2253` for the same subject.
    #[test]
    fn a_subject_is_written_as_openssl_writes_it() {
        let mut parameters = CertificateParams::default();
        let mut name = DistinguishedName::new();
        for (kind, value) in [
            (DnType::CountryName, "DE"),
            (DnType::OrganizationName, "a, b+c; \"d\" <e> \\f"),
            (DnType::OrganizationalUnitName, " #x y "),
            (DnType::LocalityName, "#M\u{fc}nchen"),
            (DnType::CommonName, "client.example.com"),
        ] {
            name.push(kind, value);
        }
        parameters.distinguished_name = name;
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let (_, read) = X509Certificate::from_der(certificate.der()).unwrap();
        let expected = r#"CN=client.example.com,L=\#M\C3\BCnchen,OU=\ #x y\ ,O=a\, b\+c\; \"d\" \<e\> \\f,C=DE"#;
        assert_eq!(rfc2253(read.subject()), expected);
    }
}
