//! `/certs` (`envoy.admin.v3.Certificates`): certificates and roots that came as secrets.

use std::time::SystemTime;

use axum::response::Response;
use control::{Held, View};
use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source::Specifier};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{Secret, secret::Type};
use identity::cert::{self, Validity};
use prost::Message;
use serde_json::{Value, json};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use xds::TypeUrl;

use super::{Admin, answer, stamp};

/// One certificate's PEM text, or roots'.
enum Material {
    Chain(Vec<u8>),
    Roots(Vec<u8>),
}

pub(crate) fn page(admin: &Admin) -> Response {
    let materials = admin.control.look(materials);
    answer::json(&json!({"certificates": certificates(&materials, SystemTime::now())}))
}

/// The first end of a certificate that is shown to peers.
pub(crate) fn first_end(view: &View) -> Option<SystemTime> {
    let ends = materials(view)
        .into_iter()
        .filter_map(|material| match material {
            Material::Chain(pem) => {
                let chain = cert::parse_chain(&pem).ok()?;
                Some(Validity::of(chain.first()?).ok()?.not_after)
            }
            Material::Roots(_) => None,
        });
    ends.min()
}

fn materials(view: &View) -> Vec<Material> {
    let held = view.of(TypeUrl::Secret).resources;
    let material = |held: &Held| match Secret::decode(held.used()?.body).ok()?.r#type? {
        Type::TlsCertificate(of) => Some(Material::Chain(inline(of.certificate_chain)?)),
        Type::ValidationContext(of) => Some(Material::Roots(inline(of.trusted_ca)?)),
        Type::SessionTicketKeys(_) | Type::GenericSecret(_) => None,
    };
    held.values().filter_map(material).collect()
}

fn inline(source: Option<DataSource>) -> Option<Vec<u8>> {
    match source?.specifier? {
        Specifier::InlineBytes(bytes) => Some(bytes),
        Specifier::InlineString(text) => Some(text.into_bytes()),
        Specifier::Filename(_) | Specifier::EnvironmentVariable(_) => None,
    }
}

/// One entry for each certificate with the roots that peers are verified by.
fn certificates(materials: &[Material], now: SystemTime) -> Vec<Value> {
    let mut chains = Vec::new();
    let mut roots = Vec::new();
    for material in materials {
        match material {
            // Envoy shows the leaf alone.
            Material::Chain(pem) => chains.push(all(pem, now).into_iter().take(1).collect()),
            Material::Roots(pem) => roots.extend(all(pem, now)),
        }
    }
    if chains.is_empty() && !roots.is_empty() {
        chains.push(Vec::new());
    }
    let entry = |chain: Vec<Value>| json!({"ca_cert": roots, "cert_chain": chain});
    chains.into_iter().map(entry).collect()
}

fn all(pem: &[u8], now: SystemTime) -> Vec<Value> {
    let parsed = cert::parse_chain(pem).unwrap_or_default();
    let details = parsed.iter().filter_map(|der| {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let validity = Validity::of(der).ok()?;
        let left = validity.not_after.duration_since(now).unwrap_or_default();
        Some(json!({
            "path": "<inline>",
            "serial_number": parsed.raw_serial_as_string().replace(':', ""),
            "subject_alt_names": names(&parsed),
            "days_until_expiration": (left.as_secs() / 86_400).to_string(),
            "valid_from": stamp::to_second(validity.not_before),
            "expiration_time": stamp::to_second(validity.not_after),
        }))
    });
    details.collect()
}

fn names(certificate: &X509Certificate<'_>) -> Vec<Value> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let shown = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(json!({"dns": name})),
            GeneralName::URI(uri) => Some(json!({"uri": uri})),
            GeneralName::IPAddress(bytes) => address(bytes).map(|ip| json!({"ip_address": ip})),
            _ => None,
        });
    shown.collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    match *bytes {
        [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
        _ => {
            let octets: [u8; 16] = bytes.try_into().ok()?;
            Some(std::net::Ipv6Addr::from(octets).to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair, SanType, SerialNumber};

    use super::*;

    #[test]
    fn a_certificate_is_shown_with_names_and_days_left() {
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from(vec![0x0a, 0xff]));
        params.subject_alt_names = vec![
            SanType::URI("spiffe://td/ns/n/sa/s".try_into().unwrap()),
            SanType::IpAddress("192.0.2.1".parse().unwrap()),
        ];
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        params.not_before = start.into();
        params.not_after = (start + Duration::from_secs(10 * 86_400)).into();
        let pem = params
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap()
            .pem();
        let both = [
            Material::Chain(pem.clone().into_bytes()),
            Material::Roots(pem.into_bytes()),
        ];
        let shown = certificates(&both, start + Duration::from_secs(1));
        assert_eq!(
            shown[0]["cert_chain"],
            json!([{
                "path": "<inline>",
                "serial_number": "0aff",
                "subject_alt_names": [{"uri": "spiffe://td/ns/n/sa/s"}, {"ip_address": "192.0.2.1"}],
                "days_until_expiration": "9",
                "valid_from": "2001-09-09T01:46:40Z",
                "expiration_time": "2001-09-19T01:46:40Z",
            }])
        );
        assert_eq!(shown[0]["ca_cert"], shown[0]["cert_chain"]);
        assert_eq!(certificates(&both[1..], start).len(), 1);
        assert!(certificates(&[], start).is_empty());
    }
}
