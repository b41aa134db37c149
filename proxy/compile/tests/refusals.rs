//! What the graph cannot honour.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod mesh;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use compile::{Awaited, Compiler, Update};
use envoy_types::pb::envoy::config::cluster::v3::{Cluster, cluster};
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint::HostIdentifier,
};
use envoy_types::pb::envoy::config::route::v3::{
    Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost, route::Action,
    route_action::ClusterSpecifier, route_match::PathSpecifier,
};
use envoy_types::pb::google::protobuf;
use mesh::{accepted, message};
use xds::TypeUrl;

fn cluster(name: &str, discovery: cluster::DiscoveryType) -> Cluster {
    Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(discovery.into())),
        load_assignment: (discovery != cluster::DiscoveryType::Eds)
            .then(|| assignment(name, &[("192.0.2.1", 1, 1)])),
        eds_cluster_config: Some(cluster::EdsClusterConfig {
            eds_config: Some(core::ConfigSource {
                config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(
                    Default::default(),
                )),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// One locality for each address with the locality's and the endpoint's weight.
fn assignment(name: &str, endpoints: &[(&str, u32, u32)]) -> ClusterLoadAssignment {
    let locality = |(address, locality, weight): &(&str, u32, u32)| LocalityLbEndpoints {
        locality: Some(core::Locality {
            zone: (*address).to_owned(),
            ..Default::default()
        }),
        load_balancing_weight: Some(protobuf::UInt32Value { value: *locality }),
        lb_endpoints: vec![LbEndpoint {
            load_balancing_weight: Some(protobuf::UInt32Value { value: *weight }),
            host_identifier: Some(HostIdentifier::Endpoint(Endpoint {
                address: Some(core::Address {
                    address: Some(core::address::Address::SocketAddress(core::SocketAddress {
                        address: (*address).to_owned(),
                        port_specifier: Some(core::socket_address::PortSpecifier::PortValue(80)),
                        ..Default::default()
                    })),
                }),
                ..Default::default()
            })),
            ..Default::default()
        }],
        ..Default::default()
    };
    ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        endpoints: endpoints.iter().map(locality).collect(),
        ..Default::default()
    }
}

fn hosts(compiler: &mut Compiler) -> Vec<(String, u32)> {
    let graph = compiler.graph();
    let cluster = graph.clusters.iter().flatten().next().unwrap();
    let hosts = cluster
        .endpoints
        .as_ref()
        .unwrap()
        .priorities
        .iter()
        .flatten();
    hosts
        .map(|h| (h.address.ip().to_string(), h.weight))
        .collect()
}

fn rejection(update: Update) -> String {
    let outcome = Compiler::new().apply(update);
    assert_eq!(outcome.accepted, []);
    outcome.rejected[0].message.clone()
}

#[test]
fn a_field_that_would_change_where_traffic_goes_is_refused_by_name() {
    let custom = Cluster {
        lb_policy: cluster::LbPolicy::LoadBalancingPolicyConfig.into(),
        ..cluster("a", cluster::DiscoveryType::Static)
    };
    assert!(
        rejection(message(TypeUrl::Cluster, "a", &custom))
            .starts_with("lb_policy: LOAD_BALANCING_POLICY_CONFIG")
    );
    let subsets = Cluster {
        lb_subset_config: Some(Default::default()),
        ..cluster("a", cluster::DiscoveryType::Static)
    };
    assert!(
        rejection(message(TypeUrl::Cluster, "a", &subsets))
            .starts_with("lb_subset_config: is not supported")
    );
}

#[test]
fn a_refused_update_leaves_the_last_good_version_and_its_neighbours() {
    let mut compiler = Compiler::new();
    let good = cluster("a", cluster::DiscoveryType::Static);
    accepted(compiler.apply(message(TypeUrl::Cluster, "a", &good)));
    let before = compiler.graph();
    let bad = Cluster {
        filters: vec![Default::default()],
        ..good
    };
    let mut update = message(TypeUrl::Cluster, "a", &bad);
    update.upserts.extend(
        message(
            TypeUrl::Cluster,
            "b",
            &cluster("b", cluster::DiscoveryType::Static),
        )
        .upserts,
    );
    let outcome = compiler.apply(update);
    assert_eq!(outcome.accepted, ["b".into()]);
    assert_eq!(&*outcome.rejected[0].name, "a");
    assert!(
        outcome.rejected[0]
            .message
            .starts_with("filters: is not supported"),
        "{:?}",
        outcome.rejected
    );
    let after = compiler.graph();
    assert!(Arc::ptr_eq(
        before.clusters[0].as_ref().unwrap(),
        after.clusters[0].as_ref().unwrap()
    ));
    assert_eq!(after.clusters.iter().flatten().count(), 2);
}

#[test]
fn a_field_without_effect_on_traffic_is_noted() {
    let checked = Cluster {
        health_checks: vec![Default::default()],
        ..cluster("a", cluster::DiscoveryType::Static)
    };
    let outcome = accepted(Compiler::new().apply(message(TypeUrl::Cluster, "a", &checked)));
    assert_eq!(
        outcome
            .warnings
            .iter()
            .map(|w| &*w.field)
            .collect::<Vec<_>>(),
        ["health_checks"]
    );
}

#[test]
fn a_field_of_a_later_protocol_is_skipped() {
    let mut update = message(
        TypeUrl::Cluster,
        "a",
        &cluster("a", cluster::DiscoveryType::Static),
    );
    let mut body = update.upserts[0].body.to_vec();
    // Field 5000, a varint.
    body.extend([0xc0, 0xb8, 0x02, 0x01]);
    update.upserts[0].body = body.into();
    accepted(Compiler::new().apply(update));
}

#[test]
fn a_new_cluster_waits_for_its_endpoints_and_not_for_ever() {
    let mut compiler = Compiler::new();
    accepted(compiler.apply(message(
        TypeUrl::Cluster,
        "a",
        &cluster("a", cluster::DiscoveryType::Eds),
    )));
    assert!(compiler.graph().clusters.iter().flatten().next().is_none());
    let [awaiting] = &compiler.awaiting()[..] else {
        panic!()
    };
    assert_eq!(awaiting.what, Awaited::Endpoints("a".into()));
    assert_eq!(
        awaiting.patience,
        Some(Duration::from_secs(15)),
        "Envoy's default"
    );
    compiler.give_up(&awaiting.what);
    let graph = compiler.graph();
    assert!(graph.clusters[0].as_ref().unwrap().endpoints.is_none());
    accepted(compiler.apply(message(
        TypeUrl::Endpoints,
        "a",
        &assignment("a", &[("192.0.2.7", 1, 1)]),
    )));
    assert_eq!(hosts(&mut compiler), [("192.0.2.7".to_owned(), 1)]);
}

#[test]
fn endpoints_that_do_not_exist_are_not_waited_for_by_who_waits_now() {
    let new = || {
        message(
            TypeUrl::Cluster,
            "a",
            &cluster("a", cluster::DiscoveryType::Eds),
        )
    };
    let gone = |kind| Update {
        kind,
        upserts: Vec::new(),
        removals: vec!["a".into()],
    };
    let mut compiler = Compiler::new();
    accepted(compiler.apply(new()));
    accepted(compiler.apply(gone(TypeUrl::Endpoints)));
    assert!(compiler.awaiting().is_empty());
    assert!(compiler.graph().clusters[0].is_some());
    // Told after the cluster is gone, it says nothing of one that comes again later.
    accepted(compiler.apply(gone(TypeUrl::Cluster)));
    accepted(compiler.apply(gone(TypeUrl::Endpoints)));
    accepted(compiler.apply(new()));
    assert_eq!(compiler.awaiting().len(), 1);
    assert!(compiler.graph().clusters[0].is_none());
}

#[test]
fn a_locality_has_its_share_whatever_its_hosts_weigh() {
    let mut weighted = cluster("a", cluster::DiscoveryType::Eds);
    weighted.common_lb_config = Some(cluster::CommonLbConfig {
        locality_config_specifier: Some(
            cluster::common_lb_config::LocalityConfigSpecifier::LocalityWeightedLbConfig(
                Default::default(),
            ),
        ),
        ..Default::default()
    });
    let mut compiler = Compiler::new();
    accepted(compiler.apply(message(TypeUrl::Cluster, "a", &weighted)));
    let three = assignment(
        "a",
        &[
            ("192.0.2.1", 3, 5),
            ("192.0.2.2", 1, 5),
            ("192.0.2.3", 0, 5),
        ],
    );
    accepted(compiler.apply(message(TypeUrl::Endpoints, "a", &three)));
    let hosts = hosts(&mut compiler);
    assert_eq!(hosts.len(), 2, "a locality without weight takes none");
    assert_eq!(hosts[0].1, hosts[1].1 * 3);
}

#[test]
fn names_are_resolved_for_dns_clusters_alone() {
    let name = |discovery| Cluster {
        load_assignment: Some(assignment("a", &[("host.example", 1, 1)])),
        ..cluster("a", discovery)
    };
    let fixed = rejection(message(
        TypeUrl::Cluster,
        "a",
        &name(cluster::DiscoveryType::Static),
    ));
    assert!(
        fixed.contains("`host.example` is not an IP address"),
        "{fixed}"
    );
    let addresses: [IpAddr; 3] =
        ["192.0.2.1", "192.0.2.2", "2001:db8::1"].map(|a| a.parse().unwrap());
    for (discovery, family, want) in [
        (
            cluster::DiscoveryType::StrictDns,
            cluster::DnsLookupFamily::V4Only,
            &addresses[..2],
        ),
        (
            cluster::DiscoveryType::LogicalDns,
            cluster::DnsLookupFamily::V4Preferred,
            &addresses[..1],
        ),
        (
            cluster::DiscoveryType::StrictDns,
            cluster::DnsLookupFamily::Auto,
            &addresses[2..],
        ),
        (
            cluster::DiscoveryType::StrictDns,
            cluster::DnsLookupFamily::All,
            &addresses[..],
        ),
    ] {
        let mut compiler = Compiler::new();
        let dns = Cluster {
            dns_lookup_family: family.into(),
            ..name(discovery)
        };
        accepted(compiler.apply(message(TypeUrl::Cluster, "a", &dns)));
        assert!(compiler.references().names.contains_key("host.example"));
        assert!(
            compiler.graph().clusters.iter().flatten().next().is_none(),
            "it waits"
        );
        compiler.resolved("host.example", &addresses);
        let found: Vec<IpAddr> = hosts(&mut compiler)
            .iter()
            .map(|(a, _)| a.parse().unwrap())
            .collect();
        assert_eq!(found, want);
    }
}

#[test]
fn a_domain_of_two_virtual_hosts_is_refused() {
    let host = |name: &str, domains: &[&str]| VirtualHost {
        name: name.to_owned(),
        domains: domains.iter().map(|d| (*d).to_owned()).collect(),
        ..Default::default()
    };
    let table = |hosts: Vec<VirtualHost>| RouteConfiguration {
        name: "t".to_owned(),
        virtual_hosts: hosts,
        ..Default::default()
    };
    for (a, b) in [("x", "X"), ("*", "*"), ("*.x", "*.X"), ("x.*", "x.*")] {
        let words = rejection(message(
            TypeUrl::Route,
            "t",
            &table(vec![host("a", &[a]), host("b", &[b])]),
        ));
        assert!(words.contains("domains"), "{words}");
    }
    accepted(Compiler::new().apply(message(
        TypeUrl::Route,
        "t",
        &table(vec![host("a", &["x", "*"]), host("b", &["*.x", "x.*"])]),
    )));
}

#[test]
fn a_refusal_in_a_route_says_where() {
    let route = Route {
        r#match: Some(RouteMatch {
            path_specifier: Some(PathSpecifier::SafeRegex(
                envoy_types::pb::envoy::r#type::matcher::v3::RegexMatcher {
                    regex: "a)(b".to_owned(),
                    ..Default::default()
                },
            )),
            ..Default::default()
        }),
        action: Some(Action::Route(RouteAction {
            cluster_specifier: Some(ClusterSpecifier::Cluster("c".to_owned())),
            ..Default::default()
        })),
        ..Default::default()
    };
    let table = RouteConfiguration {
        name: "t".to_owned(),
        virtual_hosts: vec![VirtualHost {
            name: "h".to_owned(),
            domains: vec!["*".to_owned()],
            routes: vec![route],
            ..Default::default()
        }],
        ..Default::default()
    };
    let words = rejection(message(TypeUrl::Route, "t", &table));
    assert!(
        words.starts_with("virtual_hosts[h].routes[0].match.safe_regex.regex: `a)(b`"),
        "{words}"
    );
}

#[test]
fn a_resource_under_another_name_is_refused() {
    let words = rejection(message(
        TypeUrl::Cluster,
        "b",
        &cluster("a", cluster::DiscoveryType::Static),
    ));
    assert!(
        words.starts_with("name: `a` is not the resource's name `b`"),
        "{words}"
    );
}

#[test]
fn a_removed_cluster_leaves_and_one_that_is_not_there_changes_nothing() {
    let mut compiler = Compiler::new();
    accepted(compiler.apply(message(
        TypeUrl::Cluster,
        "a",
        &cluster("a", cluster::DiscoveryType::Static),
    )));
    let remove = |name: &str| Update {
        kind: TypeUrl::Cluster,
        upserts: Vec::new(),
        removals: vec![name.into()],
    };
    let before = compiler.graph();
    compiler.apply(remove("other"));
    assert!(Arc::ptr_eq(&before, &compiler.graph()));
    compiler.apply(remove("a"));
    assert!(compiler.graph().clusters[0].is_none());
}
