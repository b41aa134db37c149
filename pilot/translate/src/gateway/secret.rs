//! Secrets of a gateway, from objects of its namespace.

use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source::Specifier};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, Secret, TlsCertificate, secret::Type,
};

use super::servers;
use crate::cluster::server_tls::{self, CREDENTIAL, ROOTS};
use crate::model::NamespacedName;
use crate::proxy::ProxyClass;
use crate::snapshot::reads::Reads;

/// The secret of a name `kubernetes://NAME[-cacert]`, where a Gateway that selects the caller names it: not every workload
/// that calls itself a gateway may have the keys of its namespace. Roots come from an object of the whole name, or else from the one
/// that has the certificate.
pub(crate) fn secret(name: &str, class: &ProxyClass, reads: &mut Reads<'_>) -> Option<Secret> {
    if !is_named(name, class, reads) {
        return None;
    }
    let object = name.strip_prefix(CREDENTIAL)?;
    let object = match object.split_once('/') {
        // Objects of other namespaces are other people's.
        Some((namespace, _)) if *namespace != *class.namespace => return None,
        Some((_, object)) => object,
        None => object,
    };
    let mut get = |name: &str| reads.credential(&NamespacedName::new(&class.namespace, name));
    let kind = match object.strip_suffix(ROOTS) {
        Some(whole) => {
            let own = get(object).filter(|c| !c.roots.is_empty());
            let found = own.or_else(|| get(whole).filter(|c| !c.roots.is_empty()))?;
            roots(&found.roots)
        }
        None => {
            let found = get(object)?;
            match found.chain.is_empty() {
                true => roots(&found.roots),
                false => Type::TlsCertificate(TlsCertificate {
                    certificate_chain: bytes(&found.chain),
                    private_key: bytes(&found.key),
                    ..Default::default()
                }),
            }
        }
    };
    Some(Secret {
        name: name.to_owned(),
        r#type: Some(kind),
    })
}

fn is_named(name: &str, class: &ProxyClass, reads: &mut Reads<'_>) -> bool {
    servers(class, reads)
        .values()
        .flatten()
        .filter_map(|server| server.spec.tls.as_ref())
        .any(|tls| server_tls::names(tls).iter().any(|named| named == name))
}

fn roots(pem: &[u8]) -> Type {
    Type::ValidationContext(CertificateValidationContext {
        trusted_ca: bytes(pem),
        ..Default::default()
    })
}

fn bytes(of: &[u8]) -> Option<DataSource> {
    Some(DataSource {
        specifier: Some(Specifier::InlineBytes(of.to_vec())),
        ..Default::default()
    })
}
