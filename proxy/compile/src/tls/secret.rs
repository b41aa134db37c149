//! Secrets: certificates with their keys, and roots of trust.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source::Specifier};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, Secret as Message, TlsCertificate, secret::Type,
};
use identity::cert::{self, Validity};
use rustls::RootCertStore;
use rustls::sign::CertifiedKey;

use super::choice::Shown;
use super::context::Role;
use super::provider;
use crate::place::{Compiled, Place, take};

/// A secret that can be used.
pub(crate) enum Secret {
    Identity {
        shown: Shown,
        /// The last second of the leaf's life, since the epoch.
        end: u64,
        /// The workload that the leaf names; empty: none.
        uri: Arc<str>,
    },
    Roots(Arc<RootCertStore>),
}

impl Secret {
    /// What it can be used for.
    pub(crate) fn role(&self) -> Role {
        match self {
            Secret::Identity { .. } => Role::Identity,
            Secret::Roots(_) => Role::Roots,
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Identity { .. } => f.write_str("Identity"),
            Secret::Roots(roots) => write!(f, "Roots({})", roots.roots.len()),
        }
    }
}

/// Compiles a secret. Nothing of it is repeated in a message.
pub(crate) fn compile(place: &Place<'_>, message: &Message) -> Compiled<Secret> {
    take!(place, message, Message { r#type } refuse {} note {} inert { name });
    match place.required("type", r#type)? {
        Type::TlsCertificate(certificate) => identity(&place.field("tls_certificate"), certificate),
        Type::ValidationContext(context) => roots(&place.field("validation_context"), context),
        Type::SessionTicketKeys(_) | Type::GenericSecret(_) => Err(place.refuse(
            "type",
            "is not supported; use tls_certificate or validation_context",
        )),
    }
}

fn identity(place: &Place<'_>, given: &TlsCertificate) -> Compiled<Secret> {
    take!(place, given, TlsCertificate { certificate_chain, private_key }
        refuse { pkcs12, private_key_provider, password, tls_params }
        note { ocsp_staple, signed_certificate_timestamp } inert { watched_directory });
    let chain = cert::parse_chain(bytes(place, "certificate_chain", certificate_chain)?)
        .map_err(|e| place.refuse("certificate_chain", e.to_string()))?;
    let key = cert::parse_key(bytes(place, "private_key", private_key)?)
        .map_err(|e| place.refuse("private_key", e.to_string()))?;
    let leaf = chain
        .first()
        .ok_or_else(|| place.refuse("certificate_chain", "is empty"))?;
    let validity =
        Validity::of(leaf).map_err(|e| place.refuse("certificate_chain", e.to_string()))?;
    let end = validity
        .not_after
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let uri = cert::leaf_identity(&chain).map_or_else(Arc::default, |id| id.to_string().into());
    let unusable = |e: &str| {
        place.refuse(
            "private_key",
            format!("cannot be used with the certificate: {e}"),
        )
    };
    let signing = provider()
        .key_provider
        .load_private_key(key)
        .map_err(|e| unusable(&e.to_string()))?;
    let public = cert::public_key(leaf).map_err(|e| unusable(&e.to_string()))?;
    // The library's own comparison reads certificates of version 3 alone, and serves those of version 1 as well.
    if signing.public_key().is_some_and(|own| own != public) {
        return Err(unusable("it is the key of another one"));
    }
    let names = cert::dns_names(leaf).map_err(|e| unusable(&e.to_string()))?;
    let key = CertifiedKey::new(chain, signing);
    Ok(Secret::Identity {
        shown: Shown {
            key: Arc::new(key),
            names: names.into(),
        },
        end,
        uri,
    })
}

fn roots(place: &Place<'_>, given: &CertificateValidationContext) -> Compiled<Secret> {
    take!(place, given, CertificateValidationContext { trusted_ca }
        refuse {
            ca_certificate_provider_instance, system_root_certs, verify_certificate_spki, verify_certificate_hash,
            match_typed_subject_alt_names, match_subject_alt_names, require_signed_certificate_timestamp, crl,
            allow_expired_certificate, trust_chain_verification, custom_validator_config, only_verify_leaf_cert_crl,
            max_verify_depth,
        }
        note {} inert { watched_directory, suppress_client_ca_list });
    let roots = cert::parse_chain(bytes(place, "trusted_ca", trusted_ca)?)
        .map_err(|e| place.refuse("trusted_ca", e.to_string()))?;
    let mut store = RootCertStore::empty();
    match store.add_parsable_certificates(roots) {
        (0, _) => Err(place.refuse("trusted_ca", "holds no root that can be used")),
        _ => Ok(Secret::Roots(Arc::new(store))),
    }
}

fn bytes<'a>(place: &Place<'_>, field: &str, given: &'a Option<DataSource>) -> Compiled<&'a [u8]> {
    let given = place.required(field, given)?;
    let inside = place.field(field);
    take!(inside, given, DataSource { specifier } refuse {} note {} inert { watched_directory });
    match specifier {
        Some(Specifier::InlineBytes(bytes)) => Ok(bytes),
        Some(Specifier::InlineString(text)) => Ok(text.as_bytes()),
        Some(Specifier::Filename(_) | Specifier::EnvironmentVariable(_)) | None => {
            Err(inside.refuse("specifier", "is not supported; put the PEM text inline"))
        }
    }
}
