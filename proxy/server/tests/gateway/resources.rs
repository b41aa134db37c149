//! Resources of a gateway, made as Istio's pilot makes them.

use std::net::IpAddr;

use envoy_types::pb::envoy::config::cluster::v3::{Cluster, cluster};
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::endpoint::v3 as endpoint;
use envoy_types::pb::envoy::config::listener::v3::{
    Filter, FilterChain, FilterChainMatch, Listener, ListenerFilter, filter, listener_filter,
};
use envoy_types::pb::envoy::config::route::v3 as route;
use envoy_types::pb::envoy::extensions::filters::http::{cors, fault, router};
use envoy_types::pb::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    self as hcm, HttpConnectionManager, HttpFilter,
};
use envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::{self as tcp, TcpProxy};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3 as tls;
use envoy_types::pb::google::protobuf::{Any, BoolValue, Duration};
use prost::{Message, Name};
use xds::{Resource, TypeUrl};

use crate::certificates::Pair;

fn any<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}

fn yes() -> Option<BoolValue> {
    Some(BoolValue { value: true })
}

fn ads() -> Option<core::ConfigSource> {
    Some(core::ConfigSource {
        resource_api_version: core::ApiVersion::V3.into(),
        initial_fetch_timeout: Some(Duration::default()),
        config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(
            core::AggregatedConfigSource {},
        )),
        ..Default::default()
    })
}

fn address(ip: IpAddr, port: u16) -> Option<core::Address> {
    let socket = core::SocketAddress {
        address: ip.to_string(),
        port_specifier: Some(core::socket_address::PortSpecifier::PortValue(port.into())),
        ..Default::default()
    };
    Some(core::Address {
        address: Some(core::address::Address::SocketAddress(socket)),
    })
}

/// A cluster with an endpoint on this machine.
pub fn cluster(name: &str, port: u16) -> Resource {
    let host = endpoint::LbEndpoint {
        host_identifier: Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(
            endpoint::Endpoint {
                address: address([127, 0, 0, 1].into(), port),
                ..Default::default()
            },
        )),
        ..Default::default()
    };
    let cluster = Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(
            cluster::DiscoveryType::Static.into(),
        )),
        load_assignment: Some(endpoint::ClusterLoadAssignment {
            cluster_name: name.to_owned(),
            endpoints: vec![endpoint::LocalityLbEndpoints {
                lb_endpoints: vec![host],
                ..Default::default()
            }],
            ..Default::default()
        }),
        ..Default::default()
    };
    Resource::encode(TypeUrl::Cluster, name, &cluster)
}

/// A listener on a port, named by both.
pub fn listener(ip: IpAddr, port: u16, chains: Vec<FilterChain>) -> Resource {
    let name = format!("{ip}_{port}");
    let inspects = chains
        .iter()
        .any(|chain| chain.filter_chain_match.is_some());
    let inspector = ListenerFilter {
        name: "envoy.filters.listener.tls_inspector".to_owned(),
        config_type: Some(listener_filter::ConfigType::TypedConfig(any(
            &TlsInspector::default(),
        ))),
        ..Default::default()
    };
    let listener = Listener {
        name: name.clone(),
        address: address(ip, port),
        traffic_direction: core::TrafficDirection::Outbound.into(),
        continue_on_listener_filters_timeout: true,
        listener_filters_timeout: Some(Duration::default()),
        listener_filters: inspects.then_some(inspector).into_iter().collect(),
        filter_chains: chains,
        ..Default::default()
    };
    Resource::encode(TypeUrl::Listener, name, &listener)
}

/// A chain of requests whose routes are of this name.
pub fn requests(routes: &str) -> FilterChain {
    let filter = |name: &str, config| HttpFilter {
        name: name.to_owned(),
        config_type: Some(hcm::http_filter::ConfigType::TypedConfig(config)),
        ..Default::default()
    };
    let manager = HttpConnectionManager {
        codec_type: hcm::http_connection_manager::CodecType::Auto.into(),
        stat_prefix: format!("outbound_{routes}"),
        route_specifier: Some(hcm::http_connection_manager::RouteSpecifier::Rds(
            hcm::Rds {
                config_source: ads(),
                route_config_name: routes.to_owned(),
            },
        )),
        http_filters: vec![
            filter(
                "envoy.filters.http.fault",
                any(&fault::v3::HttpFault::default()),
            ),
            filter("envoy.filters.http.cors", any(&cors::v3::Cors::default())),
            filter(
                "envoy.filters.http.router",
                any(&router::v3::Router::default()),
            ),
        ],
        use_remote_address: yes(),
        generate_request_id: yes(),
        normalize_path: yes(),
        stream_idle_timeout: Some(Duration::default()),
        forward_client_cert_details:
            hcm::http_connection_manager::ForwardClientCertDetails::SanitizeSet.into(),
        set_current_client_cert_details: Some(
            hcm::http_connection_manager::SetCurrentClientCertDetails {
                subject: yes(),
                cert: true,
                dns: true,
                uri: true,
                ..Default::default()
            },
        ),
        server_name: "istio-envoy".to_owned(),
        upgrade_configs: vec![hcm::http_connection_manager::UpgradeConfig {
            upgrade_type: "websocket".to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    };
    chain(
        "envoy.filters.network.http_connection_manager",
        any(&manager),
    )
}

/// A chain of bytes.
pub fn bytes(cluster: &str) -> FilterChain {
    let proxy = TcpProxy {
        stat_prefix: cluster.to_owned(),
        cluster_specifier: Some(tcp::tcp_proxy::ClusterSpecifier::Cluster(
            cluster.to_owned(),
        )),
        ..Default::default()
    };
    chain("envoy.filters.network.tcp_proxy", any(&proxy))
}

fn chain(name: &str, config: Any) -> FilterChain {
    FilterChain {
        filters: vec![Filter {
            name: name.to_owned(),
            config_type: Some(filter::ConfigType::TypedConfig(config)),
        }],
        ..Default::default()
    }
}

/// The chain for callers that ask for one of these names.
pub fn named(names: &[&str], chain: FilterChain) -> FilterChain {
    FilterChain {
        filter_chain_match: Some(FilterChainMatch {
            server_names: names.iter().map(|&n| n.to_owned()).collect(),
            transport_protocol: "tls".to_owned(),
            ..Default::default()
        }),
        ..chain
    }
}

/// Who may come in by TLS.
#[derive(Debug, Clone, Default)]
pub struct Callers {
    /// Whoever leads to the roots of this secret, if any is named.
    pub roots: Option<&'static str>,
    /// A certificate must be shown.
    pub required: bool,
    /// It must have one of these DNS names.
    pub dns: Vec<&'static str>,
    /// It must be one of these.
    pub hashes: Vec<String>,
    /// It must have one of these keys.
    pub spki: Vec<String>,
}

/// A chain with TLS that ends there.
pub fn secured(certificates: &[&str], callers: Callers, chain: FilterChain) -> FilterChain {
    let secret = |name: &str| tls::SdsSecretConfig {
        name: name.to_owned(),
        sds_config: ads(),
    };
    let names = callers.dns.iter().map(|dns| tls::SubjectAltNameMatcher {
        san_type: tls::subject_alt_name_matcher::SanType::Dns.into(),
        matcher: Some(envoy_types::pb::envoy::r#type::matcher::v3::StringMatcher {
            match_pattern: Some(
                envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern::Exact(
                    (*dns).to_owned(),
                ),
            ),
            ..Default::default()
        }),
        ..Default::default()
    });
    let validation = callers.roots.map(|roots| {
        tls::common_tls_context::ValidationContextType::CombinedValidationContext(
            tls::common_tls_context::CombinedCertificateValidationContext {
                default_validation_context: Some(tls::CertificateValidationContext {
                    match_typed_subject_alt_names: names.collect(),
                    verify_certificate_hash: callers.hashes,
                    verify_certificate_spki: callers.spki,
                    ..Default::default()
                }),
                validation_context_sds_secret_config: Some(secret(roots)),
                ..Default::default()
            },
        )
    });
    let context = tls::DownstreamTlsContext {
        common_tls_context: Some(tls::CommonTlsContext {
            tls_params: Some(tls::TlsParameters {
                tls_minimum_protocol_version: tls::tls_parameters::TlsProtocol::TlSv12.into(),
                tls_maximum_protocol_version: tls::tls_parameters::TlsProtocol::TlSv13.into(),
                ..Default::default()
            }),
            tls_certificate_sds_secret_configs: certificates.iter().map(|n| secret(n)).collect(),
            validation_context_type: validation,
            alpn_protocols: vec!["h2".to_owned(), "http/1.1".to_owned()],
            ..Default::default()
        }),
        require_client_certificate: Some(BoolValue {
            value: callers.required,
        }),
        ..Default::default()
    };
    FilterChain {
        transport_socket: Some(core::TransportSocket {
            name: "envoy.transport_sockets.tls".to_owned(),
            config_type: Some(core::transport_socket::ConfigType::TypedConfig(any(
                &context,
            ))),
        }),
        ..chain
    }
}

fn inline(text: &str) -> Option<core::DataSource> {
    Some(core::DataSource {
        specifier: Some(core::data_source::Specifier::InlineBytes(
            text.as_bytes().to_vec(),
        )),
        ..Default::default()
    })
}

/// A secret with a certificate.
pub fn certificate(name: &str, of: &Pair) -> Resource {
    secret(
        name,
        tls::secret::Type::TlsCertificate(tls::TlsCertificate {
            certificate_chain: inline(&of.chain),
            private_key: inline(&of.key),
            ..Default::default()
        }),
    )
}

/// A secret with roots.
pub fn roots(name: &str, of: &Pair) -> Resource {
    secret(
        name,
        tls::secret::Type::ValidationContext(tls::CertificateValidationContext {
            trusted_ca: inline(&of.chain),
            ..Default::default()
        }),
    )
}

fn secret(name: &str, of: tls::secret::Type) -> Resource {
    let secret = tls::Secret {
        name: name.to_owned(),
        r#type: Some(of),
    };
    Resource::encode(TypeUrl::Secret, name, &secret)
}

/// Routes by host.
pub fn routes(name: &str, hosts: Vec<route::VirtualHost>) -> Resource {
    let routes = route::RouteConfiguration {
        name: name.to_owned(),
        virtual_hosts: hosts,
        validate_clusters: Some(BoolValue { value: false }),
        ignore_port_in_host_matching: true,
        ..Default::default()
    };
    Resource::encode(TypeUrl::Route, name, &routes)
}

/// A host whose requests go to a cluster.
pub fn host(name: &str, cluster: &str) -> route::VirtualHost {
    let action = route::RouteAction {
        cluster_specifier: Some(route::route_action::ClusterSpecifier::Cluster(
            cluster.to_owned(),
        )),
        timeout: Some(Duration::default()),
        ..Default::default()
    };
    with_routes(name, vec![one("/", route::route::Action::Route(action))])
}

pub fn with_routes(name: &str, routes: Vec<route::Route>) -> route::VirtualHost {
    route::VirtualHost {
        name: format!("{name}:80"),
        domains: vec![name.to_owned()],
        routes,
        include_request_attempt_count: true,
        ..Default::default()
    }
}

/// A route for a prefix.
pub fn one(prefix: &str, action: route::route::Action) -> route::Route {
    route::Route {
        r#match: Some(route::RouteMatch {
            path_specifier: Some(route::route_match::PathSpecifier::Prefix(prefix.to_owned())),
            ..Default::default()
        }),
        action: Some(action),
        ..Default::default()
    }
}
