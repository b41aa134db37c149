//! Static listeners and clusters as the resources that the compiler takes.

use std::net::SocketAddr;

use compile::{Update, Upsert};
use envoy_types::pb::envoy::config::cluster::v3::{Cluster, cluster};
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint::HostIdentifier,
};
use envoy_types::pb::envoy::config::listener::v3::{Filter, FilterChain, Listener, filter};
use envoy_types::pb::envoy::config::route::v3::{
    Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost, route, route_action,
    route_match,
};
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, http_connection_manager, http_filter,
};
use envoy_types::pb::google::protobuf::{Any, Duration};
use prost::{Message, Name};
use xds::TypeUrl;

use crate::bootstrap::{Bootstrap, FixedCluster, FixedListener};

/// Clusters first: listeners refer to them.
pub(crate) fn updates(bootstrap: &Bootstrap) -> Vec<Update> {
    let clusters = bootstrap
        .clusters
        .iter()
        .map(|c| upsert(&c.name, &cluster(c)));
    let listeners = bootstrap
        .listeners
        .iter()
        .map(|l| upsert(&l.name, &listener(l)));
    vec![
        Update {
            kind: TypeUrl::Cluster,
            upserts: clusters.collect(),
            removals: Vec::new(),
        },
        Update {
            kind: TypeUrl::Listener,
            upserts: listeners.collect(),
            removals: Vec::new(),
        },
    ]
}

fn upsert<M: Message>(name: &str, message: &M) -> Upsert {
    Upsert {
        name: name.into(),
        body: message.encode_to_vec().into(),
    }
}

fn any<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}

fn address(of: SocketAddr) -> core::Address {
    let socket = core::SocketAddress {
        address: of.ip().to_string(),
        port_specifier: Some(core::socket_address::PortSpecifier::PortValue(
            of.port().into(),
        )),
        ..Default::default()
    };
    core::Address {
        address: Some(core::address::Address::SocketAddress(socket)),
    }
}

fn cluster(of: &FixedCluster) -> Cluster {
    let endpoint = Endpoint {
        address: Some(address(of.endpoint)),
        ..Default::default()
    };
    let endpoint = LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(endpoint)),
        ..Default::default()
    };
    Cluster {
        name: of.name.clone(),
        connect_timeout: Some(Duration {
            seconds: 1,
            nanos: 0,
        }),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(
            cluster::DiscoveryType::Static.into(),
        )),
        load_assignment: Some(ClusterLoadAssignment {
            cluster_name: of.name.clone(),
            endpoints: vec![LocalityLbEndpoints {
                lb_endpoints: vec![endpoint],
                ..Default::default()
            }],
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn listener(of: &FixedListener) -> Listener {
    let action = RouteAction {
        cluster_specifier: Some(route_action::ClusterSpecifier::Cluster(of.cluster.clone())),
        ..Default::default()
    };
    let on = RouteMatch {
        path_specifier: Some(route_match::PathSpecifier::Path(of.path.clone())),
        ..Default::default()
    };
    let host = VirtualHost {
        name: "backend".to_owned(),
        domains: vec!["*".to_owned()],
        routes: vec![Route {
            r#match: Some(on),
            action: Some(route::Action::Route(action)),
            ..Default::default()
        }],
        ..Default::default()
    };
    let manager = HttpConnectionManager {
        stat_prefix: of.cluster.clone(),
        route_specifier: Some(http_connection_manager::RouteSpecifier::RouteConfig(
            RouteConfiguration {
                virtual_hosts: vec![host],
                ..Default::default()
            },
        )),
        http_filters: vec![HttpFilter {
            name: "envoy.filters.http.router".to_owned(),
            config_type: Some(http_filter::ConfigType::TypedConfig(
                any(&Router::default()),
            )),
            ..Default::default()
        }],
        ..Default::default()
    };
    Listener {
        name: of.name.clone(),
        address: Some(address(of.address)),
        filter_chains: vec![FilterChain {
            filters: vec![Filter {
                name: "envoy.filters.network.http_connection_manager".to_owned(),
                config_type: Some(filter::ConfigType::TypedConfig(any(&manager))),
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}
