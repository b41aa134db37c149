//! What the pilot sends, made to work on one machine without redirection: listeners bind their own ports on loopback,
//! and the application is reached at the benchmark's addresses. Everything else is left as it came.

use std::net::SocketAddrV4;

use envoy_types::pb::envoy::config::cluster::v3::{Cluster, cluster};
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint::HostIdentifier,
};
use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::google::protobuf::BoolValue;
use prost::Message;
use xds::{Resource, TypeUrl};

/// Which side of the mesh a proxy is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hop {
    /// Beside the caller.
    Outbound,
    /// Beside the application.
    Inbound,
}

/// Where one proxy's listener and application are.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) hop: Hop,
    /// Where requests come in.
    pub(crate) listen: SocketAddrV4,
    /// Where the application is, for the inbound side.
    pub(crate) applications: Vec<SocketAddrV4>,
}

impl Place {
    /// The resource as this proxy gets it; None for a listener that would have no function here.
    pub(crate) fn fit(&self, resource: &Resource) -> Option<Resource> {
        match resource.type_url {
            TypeUrl::Listener => {
                let mut listener = Listener::decode(resource.body.clone()).ok()?;
                self.fit_listener(&mut listener)
                    .then(|| Resource::encode(TypeUrl::Listener, resource.name.clone(), &listener))
            }
            TypeUrl::Cluster if resource.name.starts_with("inbound|") => {
                let mut cluster = Cluster::decode(resource.body.clone()).ok()?;
                self.fit_inbound(&mut cluster);
                Some(Resource::encode(
                    TypeUrl::Cluster,
                    resource.name.clone(),
                    &cluster,
                ))
            }
            _ => Some(resource.clone()),
        }
    }

    /// Says whether the listener stays.
    fn fit_listener(&self, listener: &mut Listener) -> bool {
        let port = match &listener.address {
            Some(core::Address {
                address: Some(core::address::Address::SocketAddress(at)),
            }) => match at.port_specifier {
                Some(core::socket_address::PortSpecifier::PortValue(port)) => port,
                _ => 0,
            },
            _ => 0,
        };
        let ours = match self.hop {
            Hop::Inbound => listener.name == "virtualInbound",
            Hop::Outbound => {
                let called = listener.name.starts_with("0.0.0.0_")
                    || listener.name.starts_with("10.96.0.1_");
                called && port == u32::from(self.listen.port())
            }
        };
        if ours {
            listener.address = Some(address(self.listen));
            listener.bind_to_port = Some(BoolValue { value: true });
            // There is no redirection whose destination could be asked for.
            listener
                .listener_filters
                .retain(|f| f.name != "envoy.filters.listener.original_dst");
            return true;
        }
        listener.name != "virtualInbound" && listener.name != "virtualOutbound"
    }

    /// The cluster of the application: at its own addresses and not where the connection was made to.
    fn fit_inbound(&self, cluster: &mut Cluster) {
        let endpoints = self.applications.iter().map(|at| LbEndpoint {
            host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
                address: Some(address(*at)),
                ..Default::default()
            })),
            ..Default::default()
        });
        cluster.load_assignment = Some(ClusterLoadAssignment {
            cluster_name: cluster.name.clone(),
            endpoints: vec![LocalityLbEndpoints {
                lb_endpoints: endpoints.collect(),
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
    }
}

fn address(at: SocketAddrV4) -> core::Address {
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
