//! Resources as the pilot sends them, moved to where they work without redirection.

use std::net::SocketAddr;

use compile::Upsert;
use envoy_types::pb::envoy::config::cluster::v3::{Cluster, cluster};
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint::HostIdentifier,
};
use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::google::protobuf::BoolValue;
use prost::Message;
use xds::Resource;

/// A listener with a socket of its own.
pub(crate) fn listener(resource: &Resource, listen: SocketAddr) -> Option<Upsert> {
    let mut listener = Listener::decode(resource.body.clone()).ok()?;
    listener.address = Some(address(listen));
    listener.bind_to_port = Some(BoolValue { value: true });
    // There is no redirection whose destination could be asked for.
    listener
        .listener_filters
        .retain(|f| f.name != "envoy.filters.listener.original_dst");
    Some(Upsert {
        name: resource.name.clone(),
        body: listener.encode_to_vec().into(),
    })
}

/// The cluster of an application, at its own address and not where the connection was made to.
pub(crate) fn cluster(resource: &Resource, application: SocketAddr) -> Option<Upsert> {
    let mut cluster = Cluster::decode(resource.body.clone()).ok()?;
    let endpoint = LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
            address: Some(address(application)),
            ..Default::default()
        })),
        ..Default::default()
    };
    cluster.load_assignment = Some(ClusterLoadAssignment {
        cluster_name: cluster.name.clone(),
        endpoints: vec![LocalityLbEndpoints {
            lb_endpoints: vec![endpoint],
            ..Default::default()
        }],
        ..Default::default()
    });
    cluster.cluster_discovery_type = Some(cluster::ClusterDiscoveryType::Type(
        cluster::DiscoveryType::Static.into(),
    ));
    cluster.lb_policy = cluster::LbPolicy::RoundRobin.into();
    cluster.upstream_bind_config = None;
    cluster.cleanup_interval = None;
    Some(Upsert {
        name: resource.name.clone(),
        body: cluster.encode_to_vec().into(),
    })
}

fn address(at: SocketAddr) -> core::Address {
    core::Address {
        address: Some(core::address::Address::SocketAddress(core::SocketAddress {
            address: at.ip().to_string(),
            port_specifier: Some(core::socket_address::PortSpecifier::PortValue(
                at.port().into(),
            )),
            ..Default::default()
        })),
    }
}
