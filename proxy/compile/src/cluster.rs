//! Clusters.

mod balancing;
mod limits;
mod outlier;
mod plan;
mod protocol;
mod sockets;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::config::cluster::v3::{
    Cluster as Message, UpstreamConnectionOptions, cluster,
};
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::google::protobuf::value::Kind;
use graph::cluster::{Balancing, Cluster, Discovery, Keepalive, ServiceName, Settings};
use std::net::IpAddr;

pub(crate) use plan::{Endpoints, Family, Plan};

use crate::assignment::{self, Assignment};
use crate::intern::Interner;
use crate::place::{Compiled, Place, take};
use crate::value::{Address, duration_or, known, socket_address, struct_text};

/// Envoy's default (`Cluster.connect_timeout`).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Envoy's default (`Cluster.dns_refresh_rate`).
const DNS_REFRESH: Duration = Duration::from_secs(5);

/// Compiles a cluster.
pub(crate) fn compile(
    place: &Place<'_>,
    message: &Message,
    names: &mut Interner,
) -> Compiled<Plan> {
    take!(place, message, Message {
        name, eds_cluster_config, connect_timeout, lb_policy, load_assignment, circuit_breakers,
        max_requests_per_connection, typed_extension_protocol_options, outlier_detection, upstream_bind_config,
        common_lb_config, transport_socket, transport_socket_matches, metadata, upstream_connection_options,
        cluster_discovery_type, lb_config, protocol_selection, common_http_protocol_options, http_protocol_options,
        http2_protocol_options, upstream_http_protocol_options, dns_refresh_rate, respect_dns_ttl, dns_lookup_family,
        typed_dns_resolver_config, dns_resolution_config,
    } refuse {
        transport_socket_matcher, lb_subset_config, filters, load_balancing_policy, upstream_config, dns_resolvers,
        connection_pool_per_downstream_connection,
    } note {
        health_checks, per_connection_buffer_limit_bytes, per_connection_buffer_high_watermark_timeout, dns_jitter,
        dns_failure_refresh_rate, use_tcp_for_dns_lookups, preconnect_policy, lrs_server, lrs_report_endpoint_metrics,
        close_connections_on_host_health_failure, ignore_health_on_host_removal, track_timeout_budgets,
        track_cluster_stats, queuing_policies,
    } inert { alt_stat_name, stats_matcher, wait_for_warm_on_init, cleanup_interval });
    if name.is_empty() {
        return Err(place.refuse("name", "is required; set it"));
    }
    for (field, set) in [
        (
            "typed_dns_resolver_config",
            typed_dns_resolver_config.is_some(),
        ),
        ("dns_resolution_config", dns_resolution_config.is_some()),
    ] {
        if set {
            place.warn(
                field,
                "is not supported: the resolvers of the host are asked",
            );
        }
    }
    let discovery = discovery(place, cluster_discovery_type)?;
    let endpoints = self::endpoints(
        place,
        discovery,
        eds_cluster_config,
        load_assignment,
        name,
        plan::Resolving {
            family: family(place, *dns_lookup_family)?,
            refresh: duration_or(place, "dns_refresh_rate", dns_refresh_rate, DNS_REFRESH)?
                .max(Duration::from_millis(1)),
            respect_ttl: *respect_dns_ttl,
        },
    )?;
    let balancing = balancing::compile(place, *lb_policy, lb_config, discovery)?;
    let common = balancing::common(place, common_lb_config)?;
    let http = protocol::compile(
        place,
        &protocol::Given {
            extensions: typed_extension_protocol_options,
            selection: *protocol_selection,
            common: common_http_protocol_options,
            http1: http_protocol_options,
            http2: http2_protocol_options,
            alpn: upstream_http_protocol_options,
            max_requests: max_requests_per_connection,
        },
    )?;
    let outlier = outlier::compile(place, outlier_detection, common.panic_percent)?;
    let sockets = sockets::compile(place, transport_socket_matches, transport_socket)?;
    let settings = Settings {
        discovery,
        balancing: balancing.unwrap_or(Balancing::RoundRobin),
        connect_timeout: match duration_or(
            place,
            "connect_timeout",
            connect_timeout,
            CONNECT_TIMEOUT,
        )? {
            Duration::ZERO => return Err(place.refuse("connect_timeout", "must be more than zero")),
            some => some,
        },
        limits: limits::compile(place, circuit_breakers)?,
        outlier,
        protocol: http.version,
        idle_timeout: http.idle_timeout,
        max_connection_duration: http.max_connection_duration,
        max_stream_duration: http.max_stream_duration,
        max_requests_per_connection: http.max_requests,
        bind: bind(place, upstream_bind_config)?,
        keepalive: keepalive(place, upstream_connection_options)?,
    };
    let cluster = Cluster {
        id: names.cluster(name),
        name: names.name(&name.as_str().into()),
        settings: names.same.settings.same(Arc::new(settings)),
        endpoints: None,
        transports: Vec::new(),
        services: services(metadata),
    };
    Ok(Plan {
        cluster: Arc::new(cluster),
        endpoints,
        weighted_localities: common.weighted_localities,
        sockets,
    })
}

fn discovery(
    place: &Place<'_>,
    given: &Option<cluster::ClusterDiscoveryType>,
) -> Compiled<Discovery> {
    use cluster::{ClusterDiscoveryType as Given, DiscoveryType as Kind};
    match given {
        None => Ok(Discovery::Static),
        Some(Given::Type(number)) => Ok(match known(place, "type", *number)? {
            Kind::Static => Discovery::Static,
            Kind::StrictDns => Discovery::StrictDns,
            Kind::LogicalDns => Discovery::LogicalDns,
            Kind::Eds => Discovery::Eds,
            Kind::OriginalDst => Discovery::OriginalDestination,
        }),
        Some(Given::ClusterType(custom)) => Err(place.refuse(
            "cluster_type",
            format!("`{}` is not supported; use type", custom.name),
        )),
    }
}

fn family(place: &Place<'_>, number: i32) -> Compiled<Family> {
    use cluster::DnsLookupFamily as Given;
    Ok(match known(place, "dns_lookup_family", number)? {
        Given::Auto => Family::PreferV6,
        Given::V4Preferred => Family::PreferV4,
        Given::V4Only => Family::V4,
        Given::V6Only => Family::V6,
        Given::All => Family::All,
    })
}

fn endpoints(
    place: &Place<'_>,
    discovery: Discovery,
    eds: &Option<cluster::EdsClusterConfig>,
    inline: &Option<envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment>,
    name: &str,
    resolving: plan::Resolving,
) -> Compiled<Endpoints> {
    let inside = place.field("load_assignment");
    let inline = |names: bool| -> Compiled<Arc<Assignment>> {
        match inline {
            Some(assignment) => assignment::compile(&inside, assignment, names).map(Arc::new),
            None => Ok(Arc::default()),
        }
    };
    Ok(match discovery {
        Discovery::OriginalDestination => Endpoints::None,
        Discovery::Static => Endpoints::Inline(inline(false)?),
        Discovery::StrictDns | Discovery::LogicalDns => {
            let assignment = inline(true)?;
            let hosts = assignment
                .localities
                .iter()
                .map(|l| l.hosts.len())
                .sum::<usize>();
            if discovery == Discovery::LogicalDns && hosts != 1 {
                return Err(inside.refuse(
                    "endpoints",
                    "must hold one endpoint for a LOGICAL_DNS cluster",
                ));
            }
            Endpoints::Names {
                assignment,
                resolving,
                first_only: discovery == Discovery::LogicalDns,
            }
        }
        Discovery::Eds => {
            let inside = place.field("eds_cluster_config");
            let (service, patience) = match eds {
                None => return Err(inside.refuse("", "is required for an EDS cluster; set it")),
                Some(config) => {
                    take!(inside, config, cluster::EdsClusterConfig { eds_config, service_name } refuse {} note {} inert {});
                    let patience = crate::source::patience(&inside, "eds_config", eds_config)?;
                    (service_name.as_str(), patience)
                }
            };
            Endpoints::Service {
                name: if service.is_empty() { name } else { service }.into(),
                patience,
            }
        }
    })
}

fn bind(place: &Place<'_>, given: &Option<core::BindConfig>) -> Compiled<Option<IpAddr>> {
    let Some(given) = given else { return Ok(None) };
    let inside = place.field("upstream_bind_config");
    take!(inside, given, core::BindConfig { source_address }
        refuse { additional_source_addresses, local_address_selector }
        note { freebind, socket_options }
        // The second address is for hosts of the other family; there the system chooses.
        inert { extra_source_addresses, validate_network_namespaces });
    let Some(source) = source_address else {
        return Ok(None);
    };
    match socket_address(&inside, "source_address", source)? {
        Address::Ip(address) if address.port() == 0 => {
            Ok(Some(address.ip()).filter(|ip| !ip.is_unspecified()))
        }
        Address::Ip(_) => Err(inside.refuse(
            "source_address",
            "has a fixed port, which is not supported; use 0",
        )),
        Address::Name(name, _) => {
            Err(inside.refuse("source_address", format!("`{name}` is not an IP address")))
        }
    }
}

fn keepalive(
    place: &Place<'_>,
    given: &Option<UpstreamConnectionOptions>,
) -> Compiled<Option<Keepalive>> {
    let Some(given) = given else { return Ok(None) };
    let inside = place.field("upstream_connection_options");
    take!(inside, given, UpstreamConnectionOptions { tcp_keepalive } refuse {}
        note { happy_eyeballs_config } inert { set_local_interface_name_on_upstream_connections });
    let Some(given) = tcp_keepalive else {
        return Ok(None);
    };
    take!(inside, given, core::TcpKeepalive { keepalive_probes, keepalive_time, keepalive_interval }
        refuse {} note {} inert {});
    let seconds = |given: &Option<envoy_types::pb::google::protobuf::UInt32Value>| {
        given.as_ref().map(|v| Duration::from_secs(v.value.into()))
    };
    Ok(Some(Keepalive {
        probes: keepalive_probes.as_ref().map(|v| v.value),
        time: seconds(keepalive_time),
        interval: seconds(keepalive_interval),
    }))
}

/// Metadata `istio.services`; what is not of that form says nothing.
fn services(metadata: &Option<core::Metadata>) -> Vec<ServiceName> {
    let istio = metadata
        .as_ref()
        .and_then(|m| m.filter_metadata.get("istio"));
    let Some(Kind::ListValue(list)) = istio
        .and_then(|s| s.fields.get("services"))
        .and_then(|v| v.kind.as_ref())
    else {
        return Vec::new();
    };
    let service = |value: &envoy_types::pb::google::protobuf::Value| match value.kind.as_ref()? {
        Kind::StructValue(service) => Some(ServiceName {
            host: struct_text(service, "host")?.into(),
            name: struct_text(service, "name")?.into(),
            namespace: struct_text(service, "namespace")?.into(),
        }),
        _ => None,
    };
    list.values.iter().filter_map(service).collect()
}

/// The one extension that a cluster may carry.
type Extensions = HashMap<String, envoy_types::pb::google::protobuf::Any>;
