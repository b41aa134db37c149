//! TLS between workloads: who presents what, and who is believed.

use envoy_types::pb::envoy::config::cluster::v3::{Cluster, cluster};
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3 as tls;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::common_tls_context::ValidationContextType;
use envoy_types::pb::envoy::r#type::matcher::v3::{StringMatcher, string_matcher};
use resources::istio::destination_rule::{ClientTlsMode, ClientTlsSettings};
use resources::istio::peer_authentication::{Mode, PeerAuthenticationSpec};

use crate::model::selector::{Labels, selects};
use crate::model::service::{Resolution, Service};
use crate::names::Upstream;
use crate::proxy::ProxyClass;
use crate::snapshot::reads::Reads;
use crate::wire::{any, bool_value, duration, string_struct};

pub(super) const TLS_SOCKET: &str = "envoy.transport_sockets.tls";
const RAW_SOCKET: &str = "envoy.transport_sockets.raw_buffer";
/// The agent's SDS server, a static cluster of the bootstrap.
const SDS_CLUSTER: &str = "sds-grpc";

/// The mode in which a workload takes connections on a port: the workload's own policy, then the
/// namespace's, then the mesh's; both plaintext and mutual TLS where none says anything.
pub(crate) fn inbound_mode(
    namespace: &str,
    labels: &Labels,
    port: u16,
    reads: &mut Reads<'_>,
) -> Mode {
    let root = reads.mesh().root_namespace.clone();
    let own = reads.peer_authentications(namespace);
    let whole = |spec: &PeerAuthenticationSpec| {
        spec.selector
            .as_ref()
            .is_none_or(|s| s.match_labels.is_empty())
    };
    let set = |mode: Option<Mode>| mode.filter(|m| *m != Mode::Unset);
    let workload = own.iter().find(|p| {
        p.spec
            .selector
            .as_ref()
            .is_some_and(|s| !s.match_labels.is_empty() && selects(&s.match_labels, labels))
    });
    if let Some(policy) = workload {
        let for_port = policy.spec.port_level_mtls.get(&port).map(|m| m.mode);
        if let Some(mode) = set(for_port).or_else(|| set(policy.spec.mtls.map(|m| m.mode))) {
            return mode;
        }
    }
    let of_namespace = own
        .iter()
        .find(|p| whole(&p.spec))
        .and_then(|p| p.spec.mtls)
        .map(|m| m.mode);
    if let Some(mode) = set(of_namespace) {
        return mode;
    }
    let of_mesh = reads.peer_authentications(&root);
    let of_mesh = of_mesh
        .iter()
        .find(|p| whole(&p.spec))
        .and_then(|p| p.spec.mtls)
        .map(|m| m.mode);
    set(of_mesh).unwrap_or(Mode::Permissive)
}

/// Whether callers of a service use mutual TLS towards endpoints that take it.
pub(crate) fn auto_mutual_tls(service: &Service, reads: &mut Reads<'_>) -> bool {
    reads.mesh().enable_auto_mtls && service.resolution == Resolution::ClientSide
}

pub(super) fn upstream(
    cluster: &mut Cluster,
    upstream: &Upstream<'_>,
    service: &Service,
    settings: Option<&ClientTlsSettings>,
    h2: bool,
    class: &ProxyClass,
    reads: &mut Reads<'_>,
) {
    let by_endpoints = cluster.eds_cluster_config.is_some();
    match settings {
        None if by_endpoints && auto_mutual_tls(service, reads) => {
            let mutual = mutual(upstream, service, None, h2, class, reads);
            cluster.transport_socket_matches = vec![
                cluster::TransportSocketMatch {
                    name: "tlsMode-istio".to_owned(),
                    r#match: Some(string_struct([("tlsMode", "istio".to_owned())])),
                    transport_socket: Some(socket(TLS_SOCKET, any(&mutual))),
                },
                cluster::TransportSocketMatch {
                    name: "tlsMode-disabled".to_owned(),
                    r#match: Some(Default::default()),
                    transport_socket: Some(socket(RAW_SOCKET, any(&RawBuffer {}))),
                },
            ];
        }
        None => {}
        Some(settings) => match settings.mode {
            ClientTlsMode::Disable => {}
            ClientTlsMode::IstioMutual => {
                let context = mutual(upstream, service, Some(settings), h2, class, reads);
                cluster.transport_socket = Some(socket(TLS_SOCKET, any(&context)));
            }
            ClientTlsMode::Simple | ClientTlsMode::Mutual => {
                cluster.transport_socket = Some(socket(TLS_SOCKET, any(&with_files(settings, h2))));
            }
        },
    }
}

pub(super) fn socket(
    name: &str,
    config: envoy_types::pb::google::protobuf::Any,
) -> core::TransportSocket {
    core::TransportSocket {
        name: name.to_owned(),
        config_type: Some(core::transport_socket::ConfigType::TypedConfig(config)),
    }
}

/// Mutual TLS with the mesh's certificates.
fn mutual(
    upstream: &Upstream<'_>,
    service: &Service,
    settings: Option<&ClientTlsSettings>,
    h2: bool,
    class: &ProxyClass,
    reads: &mut Reads<'_>,
) -> tls::UpstreamTlsContext {
    let mut names: Vec<String> = settings
        .map(|s| s.subject_alt_names.clone())
        .unwrap_or_default();
    if names.is_empty() {
        names = identities(service, reads);
    }
    let mut alpn = vec!["istio".to_owned()];
    if class.has("istio.metadata_exchange") {
        alpn.insert(0, "istio-peer-exchange".to_owned());
    }
    if h2 {
        alpn.push("h2".to_owned());
    }
    let sni = settings
        .map(|s| s.sni.clone())
        .filter(|s| !s.is_empty())
        .unwrap_or_else(|| upstream.server_name());
    tls::UpstreamTlsContext {
        common_tls_context: Some(tls::CommonTlsContext {
            tls_params: parameters(Vec::new()),
            tls_certificate_sds_secret_configs: vec![secret("default")],
            validation_context_type: Some(trust(names.iter().map(|n| exactly(n)).collect())),
            alpn_protocols: alpn,
            ..Default::default()
        }),
        sni,
        ..Default::default()
    }
}

/// SPIFFE ids of a service's endpoints, in the mesh's trust domain and its aliases.
fn identities(service: &Service, reads: &mut Reads<'_>) -> Vec<String> {
    let mesh = reads.mesh();
    let Some(accounts) = reads.accounts(&service.key) else {
        return Vec::new();
    };
    let domains = std::iter::once(&mesh.trust_domain).chain(&mesh.trust_domain_aliases);
    domains
        .flat_map(|domain| {
            accounts
                .iter()
                .map(move |(ns, account)| format!("spiffe://{domain}/ns/{ns}/sa/{account}"))
        })
        .collect()
}

/// TLS with files in the caller's container, which the agent serves under Istio's names for them.
fn with_files(settings: &ClientTlsSettings, h2: bool) -> tls::UpstreamTlsContext {
    let roots = if settings.ca_certificates.is_empty() {
        "system"
    } else {
        &settings.ca_certificates
    };
    let names: Vec<_> = settings
        .subject_alt_names
        .iter()
        .map(|n| exactly(n))
        .collect();
    let verify = settings.insecure_skip_verify != Some(true);
    let certificates = if settings.mode == ClientTlsMode::Mutual {
        vec![secret(&format!(
            "file-cert:{}~{}",
            settings.client_certificate, settings.private_key
        ))]
    } else {
        Vec::new()
    };
    tls::UpstreamTlsContext {
        common_tls_context: Some(tls::CommonTlsContext {
            tls_params: parameters(Vec::new()),
            tls_certificate_sds_secret_configs: certificates,
            validation_context_type: verify.then(|| combined(names, &format!("file-root:{roots}"))),
            alpn_protocols: if h2 {
                vec!["h2".to_owned()]
            } else {
                Vec::new()
            },
            ..Default::default()
        }),
        sni: settings.sni.clone(),
        auto_host_sni: settings.sni.is_empty(),
        auto_sni_san_validation: settings.subject_alt_names.is_empty() && verify,
        ..Default::default()
    }
}

pub(super) const CIPHERS: [&str; 6] = [
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
];

/// The socket of an inbound filter chain with mutual TLS.
pub(crate) fn downstream_context(
    http: bool,
    class: &ProxyClass,
    reads: &mut Reads<'_>,
) -> core::TransportSocket {
    let mut alpn = vec!["h2".to_owned(), "http/1.1".to_owned()];
    if !http && class.has("istio.metadata_exchange") {
        alpn.insert(0, "istio-peer-exchange".to_owned());
    }
    let context = tls::DownstreamTlsContext {
        common_tls_context: Some(tls::CommonTlsContext {
            tls_params: parameters(CIPHERS.map(str::to_owned).to_vec()),
            tls_certificate_sds_secret_configs: vec![secret("default")],
            validation_context_type: Some(ours(reads)),
            alpn_protocols: alpn,
            ..Default::default()
        }),
        require_client_certificate: bool_value(true),
        ..Default::default()
    };
    socket(TLS_SOCKET, any(&context))
}

/// Trust in the mesh's own workloads.
pub(super) fn ours(reads: &mut Reads<'_>) -> ValidationContextType {
    let mesh = reads.mesh();
    let names = std::iter::once(&mesh.trust_domain)
        .chain(&mesh.trust_domain_aliases)
        .map(|domain| {
            san(
                tls::subject_alt_name_matcher::SanType::Uri,
                string_matcher::MatchPattern::Prefix(format!("spiffe://{domain}/")),
            )
        });
    trust(names.collect())
}

fn parameters(cipher_suites: Vec<String>) -> Option<tls::TlsParameters> {
    Some(tls::TlsParameters {
        tls_minimum_protocol_version: tls::tls_parameters::TlsProtocol::TlSv12.into(),
        tls_maximum_protocol_version: tls::tls_parameters::TlsProtocol::TlSv13.into(),
        cipher_suites,
        ..Default::default()
    })
}

fn trust(names: Vec<tls::SubjectAltNameMatcher>) -> ValidationContextType {
    combined(names, "ROOTCA")
}

fn combined(names: Vec<tls::SubjectAltNameMatcher>, roots: &str) -> ValidationContextType {
    ValidationContextType::CombinedValidationContext(
        tls::common_tls_context::CombinedCertificateValidationContext {
            default_validation_context: Some(tls::CertificateValidationContext {
                match_typed_subject_alt_names: names,
                ..Default::default()
            }),
            validation_context_sds_secret_config: Some(secret(roots)),
            ..Default::default()
        },
    )
}

fn san(
    kind: tls::subject_alt_name_matcher::SanType,
    pattern: string_matcher::MatchPattern,
) -> tls::SubjectAltNameMatcher {
    tls::SubjectAltNameMatcher {
        san_type: kind.into(),
        matcher: Some(StringMatcher {
            match_pattern: Some(pattern),
            ..Default::default()
        }),
        ..Default::default()
    }
}

pub(super) fn exactly(name: &str) -> tls::SubjectAltNameMatcher {
    use tls::subject_alt_name_matcher::SanType;
    let kind = if name.contains("://") {
        SanType::Uri
    } else {
        SanType::Dns
    };
    san(kind, string_matcher::MatchPattern::Exact(name.to_owned()))
}

/// A secret that the agent serves.
pub(super) fn secret(name: &str) -> tls::SdsSecretConfig {
    let service = core::GrpcService {
        target_specifier: Some(core::grpc_service::TargetSpecifier::EnvoyGrpc(
            core::grpc_service::EnvoyGrpc {
                cluster_name: SDS_CLUSTER.to_owned(),
                ..Default::default()
            },
        )),
        ..Default::default()
    };
    tls::SdsSecretConfig {
        name: name.to_owned(),
        sds_config: Some(core::ConfigSource {
            initial_fetch_timeout: duration(std::time::Duration::ZERO),
            resource_api_version: core::ApiVersion::V3.into(),
            config_source_specifier: Some(
                core::config_source::ConfigSourceSpecifier::ApiConfigSource(
                    core::ApiConfigSource {
                        api_type: core::api_config_source::ApiType::Grpc.into(),
                        transport_api_version: core::ApiVersion::V3.into(),
                        set_node_on_first_message_only: true,
                        grpc_services: vec![service],
                        ..Default::default()
                    },
                ),
            ),
            ..Default::default()
        }),
    }
}
