//! Names of subjects as text (RFC 2253), as OpenSSL and Envoy write them.

use std::fmt::Write;

use x509_parser::asn1_rs::ToDer;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// OpenSSL's short names of attributes.
const NAMES: [(&str, &str); 21] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.15", "businessCategory"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.41", "name"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.65", "pseudonym"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

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
    let kind = attribute.attr_type().to_id_string();
    let short = NAMES.iter().find(|(id, _)| *id == kind);
    match (short, attribute.as_str()) {
        (Some((_, short)), Ok(value)) => {
            let _ = write!(text, "{short}=");
            escape(text, value);
        }
        // What has no name or is no text is written as it is encoded.
        _ => {
            let name = short.map_or(kind.as_str(), |(_, short)| short);
            let _ = write!(text, "{name}=#");
            for byte in attribute.attr_value().to_der_vec().unwrap_or_default() {
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
            (DnType::CustomDnType(vec![1, 2, 3, 4]), "x"),
            (DnType::CommonName, "client.example.com"),
        ] {
            name.push(kind, value);
        }
        parameters.distinguished_name = name;
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let (_, read) = X509Certificate::from_der(certificate.der()).unwrap();
        let expected = r#"CN=client.example.com,1.2.3.4=#0C0178,L=\#M\C3\BCnchen,OU=\ #x y\ ,O=a\, b\+c\; \"d\" \<e\> \\f,C=DE"#;
        assert_eq!(rfc2253(read.subject()), expected);
    }
}
