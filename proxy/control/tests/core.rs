//! Responses of a control plane and what follows from them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::time::SystemTime;

use control::{Came, Core, Effects, Initialization, Service};
use envoy_types::pb::envoy::config::cluster::v3::{Cluster, cluster};
use envoy_types::pb::envoy::config::core::v3::{self as core, Node};
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryResponse, Resource};
use envoy_types::pb::google::protobuf::Any;
use prost::Message;
use xds::TypeUrl;

fn eds(name: &str) -> Cluster {
    Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(
            cluster::DiscoveryType::Eds.into(),
        )),
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

fn response(
    kind: TypeUrl,
    nonce: &str,
    resources: &[(&str, Vec<u8>)],
    removed: &[&str],
) -> DeltaDiscoveryResponse {
    let resource = |(name, body): &(&str, Vec<u8>)| Resource {
        name: (*name).to_owned(),
        version: format!("v{nonce}"),
        resource: Some(Any {
            type_url: kind.as_str().to_owned(),
            value: body.clone(),
        }),
        ..Default::default()
    };
    DeltaDiscoveryResponse {
        type_url: kind.as_str().to_owned(),
        nonce: nonce.to_owned(),
        resources: resources.iter().map(resource).collect(),
        removed_resources: removed.iter().map(|n| (*n).to_owned()).collect(),
        ..Default::default()
    }
}

fn received(core: &mut Core, response: DeltaDiscoveryResponse) -> Effects {
    core.received(Service::Configuration, response, SystemTime::UNIX_EPOCH)
}

/// Type, nonce, subscribed and unsubscribed names of requests.
fn said(effects: &Effects) -> Vec<(&str, &str, Vec<&str>, Vec<&str>)> {
    effects
        .requests
        .iter()
        .map(|(_, r)| {
            (
                TypeUrl::parse(&r.type_url).unwrap().short(),
                r.response_nonce.as_str(),
                r.resource_names_subscribe
                    .iter()
                    .map(String::as_str)
                    .collect(),
                r.resource_names_unsubscribe
                    .iter()
                    .map(String::as_str)
                    .collect(),
            )
        })
        .collect()
}

#[test]
fn clusters_come_first_then_their_endpoints_then_listeners() {
    let mut core = Core::new(Node::default());
    assert_eq!(
        said(&core.opened(Service::Configuration)),
        [("cds", "", vec!["*"], vec![])]
    );
    let two = [
        ("a", eds("a").encode_to_vec()),
        ("b", eds("b").encode_to_vec()),
    ];
    let effects = received(&mut core, response(TypeUrl::Cluster, "1", &two, &[]));
    let want = [
        ("cds", "1", vec![], vec![]),
        ("eds", "", vec!["a", "b"], vec![]),
        ("lds", "", vec!["*"], vec![]),
    ];
    assert_eq!(said(&effects), want);
    assert!(
        core.graph().clusters.iter().flatten().next().is_none(),
        "they wait for endpoints"
    );
    let body = |name: &str| {
        let assignment = ClusterLoadAssignment {
            cluster_name: name.to_owned(),
            ..Default::default()
        };
        assignment.encode_to_vec()
    };
    let effects = received(
        &mut core,
        response(TypeUrl::Endpoints, "2", &[("a", body("a"))], &[]),
    );
    assert_eq!(said(&effects), [("eds", "2", vec![], vec![])]);
    let shown: Vec<String> = core
        .graph()
        .clusters
        .iter()
        .flatten()
        .map(|c| c.name.to_string())
        .collect();
    assert_eq!(shown, ["a"]);
    let effects = received(&mut core, response(TypeUrl::Cluster, "3", &[], &["b"]));
    assert_eq!(
        said(&effects),
        [("cds", "3", vec![], vec![]), ("eds", "", vec![], vec!["b"])]
    );
}

#[test]
fn the_first_configuration_is_whole_once_nothing_is_waited_for_and_stays_so() {
    use Initialization::{Clusters, Done};
    let mut core = Core::new(Node::default());
    core.opened(Service::Configuration);
    assert_eq!(core.initialization(), Clusters);
    let clusters = [
        ("a", eds("a").encode_to_vec()),
        ("b", eds("b").encode_to_vec()),
    ];
    let assignment = ClusterLoadAssignment {
        cluster_name: "a".to_owned(),
        ..Default::default()
    };
    let steps = [
        (response(TypeUrl::Cluster, "1", &clusters, &[]), Clusters),
        (response(TypeUrl::Listener, "2", &[], &[]), Clusters),
        (
            response(
                TypeUrl::Endpoints,
                "3",
                &[("a", assignment.encode_to_vec())],
                &[],
            ),
            Clusters,
        ),
        // There are no endpoints of this name.
        (response(TypeUrl::Endpoints, "4", &[], &["b"]), Done),
    ];
    for (response, reached) in steps {
        let nonce = response.nonce.clone();
        received(&mut core, response);
        assert_eq!(core.initialization(), reached, "after {nonce}");
    }
    let later = [("c", eds("c").encode_to_vec())];
    received(&mut core, response(TypeUrl::Cluster, "5", &later, &[]));
    assert_eq!(core.awaiting().len(), 1);
    assert_eq!(
        core.initialization(),
        Done,
        "what comes later is used as it comes"
    );
}

#[test]
fn a_refusal_names_resource_and_field_and_keeps_the_version_before() {
    let mut core = Core::new(Node::default());
    core.opened(Service::Configuration);
    received(
        &mut core,
        response(
            TypeUrl::Cluster,
            "1",
            &[("a", eds("a").encode_to_vec())],
            &[],
        ),
    );
    let bad = Cluster {
        filters: vec![Default::default()],
        ..eds("a")
    };
    let resources = [("a", bad.encode_to_vec()), ("b", eds("b").encode_to_vec())];
    let effects = received(&mut core, response(TypeUrl::Cluster, "2", &resources, &[]));
    let detail = effects.requests[0].1.error_detail.as_ref().unwrap();
    assert_eq!(detail.code, 13);
    assert!(
        detail
            .message
            .starts_with("Error adding/updating cluster(s) a: filters: is not supported"),
        "{}",
        detail.message
    );
    assert_eq!(
        said(&effects)[1],
        ("eds", "", vec!["b"], vec![]),
        "the other one is taken"
    );
    let view = core.view();
    let held = view.lock().unwrap().of(TypeUrl::Cluster);
    let came = |version: &str, cluster: &Cluster| Came {
        version: version.to_owned(),
        body: cluster.encode_to_vec().into(),
    };
    let resource = &held.resources["a"];
    assert_eq!(resource.used().unwrap(), came("v1", &eds("a")));
    assert_eq!(resource.refused().unwrap().came(), came("v2", &bad));
    assert_eq!(
        (held.counters.update_success, held.counters.update_rejected),
        (1, 1)
    );
    core.closed(Service::Configuration);
    let again = core.opened(Service::Configuration);
    let versions = &again.requests[0].1.initial_resource_versions;
    assert_eq!(
        (versions["a"].as_str(), versions["b"].as_str()),
        ("v1", "v2")
    );
}

#[test]
fn what_nothing_refers_to_any_more_is_not_held_any_more() {
    let mut core = Core::new(Node::default());
    core.opened(Service::Configuration);
    let cluster = [("a", eds("a").encode_to_vec())];
    received(&mut core, response(TypeUrl::Cluster, "1", &cluster, &[]));
    let assignment = ClusterLoadAssignment {
        cluster_name: "a".to_owned(),
        ..Default::default()
    };
    let endpoints = [("a", assignment.encode_to_vec())];
    received(
        &mut core,
        response(TypeUrl::Endpoints, "2", &endpoints, &[]),
    );
    let held = |core: &Core| core.view().lock().unwrap().of(TypeUrl::Endpoints).resources;
    assert_eq!(
        held(&core)["a"].used().unwrap().body,
        assignment.encode_to_vec()
    );
    received(&mut core, response(TypeUrl::Cluster, "3", &[], &["a"]));
    assert!(held(&core).is_empty());
}

#[test]
fn what_is_not_as_the_protocol_says_is_refused() {
    let mut core = Core::new(Node::default());
    core.opened(Service::Configuration);
    let mut wrong = response(
        TypeUrl::Cluster,
        "1",
        &[("a", eds("a").encode_to_vec())],
        &[],
    );
    wrong.resources[0].resource.as_mut().unwrap().type_url = TypeUrl::Listener.as_str().to_owned();
    let effects = received(&mut core, wrong);
    assert!(effects.requests[0].1.error_detail.is_some());
    let mut unknown = response(TypeUrl::Cluster, "2", &[], &[]);
    unknown.type_url = "type.googleapis.com/x.Y".to_owned();
    let effects = received(&mut core, unknown);
    let request = &effects.requests[0].1;
    assert_eq!(
        (
            request.response_nonce.as_str(),
            request.error_detail.is_some()
        ),
        ("2", true)
    );
    let twice = [
        ("a", eds("a").encode_to_vec()),
        ("a", eds("a").encode_to_vec()),
    ];
    let effects = received(&mut core, response(TypeUrl::Cluster, "3", &twice, &[]));
    assert!(effects.requests[0].1.error_detail.is_some());
}
