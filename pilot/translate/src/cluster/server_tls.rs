//! TLS of a gateway towards its callers.

use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3 as tls;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::common_tls_context::ValidationContextType;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::tls_parameters::TlsProtocol as Version;
use resources::istio::gateway::{ServerTlsMode, ServerTlsSettings, TlsProtocol};

use super::tls::{CIPHERS, TLS_SOCKET, exactly, secret, socket};
use crate::snapshot::reads::Reads;
use crate::wire::{ads, any, bool_value};

/// What a gateway's secrets are called that come from objects of its namespace.
pub(crate) const CREDENTIAL: &str = "kubernetes://";
/// The end of the name of a secret's roots.
pub(crate) const ROOTS: &str = "-cacert";

/// The socket of a server that ends TLS.
pub(crate) fn gateway_context(
    settings: &ServerTlsSettings,
    reads: &mut Reads<'_>,
) -> core::TransportSocket {
    let required = matches!(
        settings.mode,
        ServerTlsMode::Mutual | ServerTlsMode::IstioMutual
    );
    let verifies = required || settings.mode == ServerTlsMode::OptionalMutual;
    let context = tls::DownstreamTlsContext {
        common_tls_context: Some(tls::CommonTlsContext {
            tls_params: parameters(settings),
            tls_certificate_sds_secret_configs: certificates(settings),
            validation_context_type: verifies.then(|| roots(settings, reads)),
            alpn_protocols: vec!["h2".to_owned(), "http/1.1".to_owned()],
            ..Default::default()
        }),
        require_client_certificate: bool_value(required),
        ..Default::default()
    };
    socket(TLS_SOCKET, any(&context))
}

fn parameters(settings: &ServerTlsSettings) -> Option<tls::TlsParameters> {
    let version = |of| match of {
        TlsProtocol::Auto => None,
        TlsProtocol::V1_0 => Some(Version::TlSv10),
        TlsProtocol::V1_1 => Some(Version::TlSv11),
        TlsProtocol::V1_2 => Some(Version::TlSv12),
        TlsProtocol::V1_3 => Some(Version::TlSv13),
    };
    let least = version(settings.min_protocol_version).unwrap_or(Version::TlSv12);
    let greatest = version(settings.max_protocol_version).unwrap_or(Version::TlSv13);
    Some(tls::TlsParameters {
        tls_minimum_protocol_version: least.into(),
        tls_maximum_protocol_version: greatest.into(),
        cipher_suites: match settings.cipher_suites.as_slice() {
            [] => CIPHERS.map(str::to_owned).to_vec(),
            given => given.to_vec(),
        },
        ecdh_curves: settings.ecdh_curves.clone(),
        ..Default::default()
    })
}

fn certificates(settings: &ServerTlsSettings) -> Vec<tls::SdsSecretConfig> {
    if settings.mode == ServerTlsMode::IstioMutual {
        return vec![secret("default")];
    }
    if !settings.credential_names.is_empty() {
        return settings
            .credential_names
            .iter()
            .map(|n| from_object(n, ""))
            .collect();
    }
    if !settings.credential_name.is_empty() {
        return vec![from_object(&settings.credential_name, "")];
    }
    let pairs = settings
        .tls_certificates
        .iter()
        .map(|pair| (&pair.server_certificate, &pair.private_key));
    let own = (&settings.server_certificate, &settings.private_key);
    pairs
        .chain([own])
        .filter(|(certificate, _)| !certificate.is_empty())
        .map(|(certificate, key)| secret(&format!("file-cert:{certificate}~{key}")))
        .collect()
}

fn roots(settings: &ServerTlsSettings, reads: &mut Reads<'_>) -> ValidationContextType {
    if settings.mode == ServerTlsMode::IstioMutual {
        return super::tls::ours(reads);
    }
    let from = if !settings.ca_cert_credential_name.is_empty() {
        from_object(&settings.ca_cert_credential_name, "")
    } else if !settings.credential_name.is_empty() {
        from_object(&settings.credential_name, ROOTS)
    } else {
        secret(&format!("file-root:{}", settings.ca_certificates))
    };
    let names = &settings.subject_alt_names;
    ValidationContextType::CombinedValidationContext(
        tls::common_tls_context::CombinedCertificateValidationContext {
            default_validation_context: Some(tls::CertificateValidationContext {
                match_typed_subject_alt_names: names.iter().map(|n| exactly(n)).collect(),
                verify_certificate_spki: settings.verify_certificate_spki.clone(),
                verify_certificate_hash: settings.verify_certificate_hash.clone(),
                ..Default::default()
            }),
            validation_context_sds_secret_config: Some(from),
            ..Default::default()
        },
    )
}

/// The names of all secrets from objects that a server may ask for.
pub(crate) fn names(settings: &ServerTlsSettings) -> Vec<String> {
    let one = [&settings.credential_name, &settings.ca_cert_credential_name];
    let all = settings.credential_names.iter().chain(one);
    all.filter(|name| !name.is_empty())
        .flat_map(|name| ["", ROOTS].map(|end| full_name(name, end)))
        .collect()
}

fn full_name(name: &str, end: &str) -> String {
    let name = name.strip_prefix(CREDENTIAL).unwrap_or(name);
    format!("{CREDENTIAL}{name}{end}")
}

/// A secret that the control plane serves from an object.
fn from_object(name: &str, end: &str) -> tls::SdsSecretConfig {
    tls::SdsSecretConfig {
        name: full_name(name, end),
        sds_config: ads(),
    }
}
