//! What a gRPC library that speaks xDS gets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use crate::world;

use crate::world::{HOST, demo, grpc_client, one, routed};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::envoy::config::route::v3::{RouteConfiguration, route::Action};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, http_connection_manager::RouteSpecifier,
};
use prost::Message;
use xds::TypeUrl;

#[test]
fn the_listener_of_a_target_leads_to_routes_a_cluster_and_endpoints() {
    let snapshot = demo();
    let listener: Listener = one(
        &snapshot,
        &grpc_client(),
        TypeUrl::Listener,
        &format!("{HOST}:50051"),
    )
    .unwrap();
    let any = listener.api_listener.unwrap().api_listener.unwrap();
    let manager = HttpConnectionManager::decode(any.value.as_slice()).unwrap();
    let filters: Vec<_> = manager
        .http_filters
        .iter()
        .map(|f| f.name.as_str())
        .collect();
    assert_eq!(filters, ["envoy.filters.http.router"]);
    let Some(RouteSpecifier::Rds(rds)) = manager.route_specifier else {
        panic!()
    };
    assert_eq!(rds.route_config_name, format!("outbound|50051||{HOST}"));
    let routes: RouteConfiguration = one(
        &snapshot,
        &grpc_client(),
        TypeUrl::Route,
        &rds.route_config_name,
    )
    .unwrap();
    assert_eq!(routes.virtual_hosts[0].domains, ["*"]);
    let cluster: Cluster = one(
        &snapshot,
        &grpc_client(),
        TypeUrl::Cluster,
        &rds.route_config_name,
    )
    .unwrap();
    assert_eq!(cluster.lb_policy().as_str_name(), "ROUND_ROBIN");
    let endpoints: ClusterLoadAssignment = one(
        &snapshot,
        &grpc_client(),
        TypeUrl::Endpoints,
        &rds.route_config_name,
    )
    .unwrap();
    let group = &endpoints.endpoints[0];
    assert!(group.locality.is_some());
    assert_eq!(group.load_balancing_weight.unwrap().value, 3);
    assert!(
        group
            .lb_endpoints
            .iter()
            .all(|e| e.load_balancing_weight.unwrap().value == 1)
    );
}

#[test]
fn a_target_may_be_shortened_as_in_dns() {
    for target in [
        "k8s-combat-service:50051",
        "k8s-combat-service.default:50051",
        "k8s-combat-service.default.svc:50051",
    ] {
        let listener: Option<Listener> = one(&demo(), &grpc_client(), TypeUrl::Listener, target);
        assert_eq!(listener.unwrap().name, target);
    }
    for unknown in [
        "nobody:50051",
        "k8s-combat-service:1",
        "k8s-combat-service",
        "a.b.c.d.e:1",
    ] {
        assert_eq!(
            one::<Listener>(&demo(), &grpc_client(), TypeUrl::Listener, unknown),
            None,
            "{unknown}"
        );
    }
}

#[test]
fn header_routes_reach_grpc_without_what_it_would_refuse() {
    let name = format!("outbound|50051||{}", world::MESH_HOST);
    let routes: RouteConfiguration = one(&routed(), &grpc_client(), TypeUrl::Route, &name).unwrap();
    let routes = &routes.virtual_hosts[0].routes;
    assert_eq!(routes.len(), 3);
    for route in routes {
        assert!(route.typed_per_filter_config.is_empty());
        let Some(Action::Route(action)) = &route.action else {
            panic!()
        };
        assert!(action.request_mirror_policies.is_empty());
    }
}
