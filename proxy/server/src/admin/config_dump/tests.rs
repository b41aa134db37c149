use std::time::{Duration, SystemTime};

use control::{Core, Service};
use envoy_types::pb::envoy::config::cluster::v3::{Cluster, Filter, cluster};
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryResponse, Resource};
use envoy_types::pb::google::protobuf::Any;
use prost::Message;

use super::*;

const STARTED: SystemTime = SystemTime::UNIX_EPOCH;

fn response(version: &str, clusters: &[Cluster]) -> DeltaDiscoveryResponse {
    let resource = |cluster: &Cluster| Resource {
        name: cluster.name.clone(),
        version: version.to_owned(),
        resource: Some(Any {
            type_url: TypeUrl::Cluster.as_str().to_owned(),
            value: cluster.encode_to_vec(),
        }),
        ..Default::default()
    };
    DeltaDiscoveryResponse {
        type_url: TypeUrl::Cluster.as_str().to_owned(),
        system_version_info: version.to_owned(),
        resources: clusters.iter().map(resource).collect(),
        ..Default::default()
    }
}

fn cluster(name: &str, of: cluster::DiscoveryType) -> Cluster {
    Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(of.into())),
        ..Default::default()
    }
}

fn dumped(core: &mut Core, names: Option<&str>) -> (Value, Vec<Value>) {
    let view = core.view();
    let source = Source {
        schema: Schema::load(),
        view: view.lock().unwrap().clone(),
        graph: core.graph(),
        bootstrap: json!({"static_resources": {"clusters": [{"name": "fixed"}]}}),
        started: STARTED,
        names: names.map(|names| Regex::new(names).unwrap()),
    };
    let sections = sections(&source, true).into_iter();
    let clusters = sections
        .map(Section::into_value)
        .find(|section| section["@type"] == type_url("ClustersConfigDump"));
    (clusters.unwrap(), not_honoured(&source))
}

/// One that is used and one that waits for endpoints; then one in a form that is refused, beside one that is refused
/// from the start.
fn core() -> Core {
    use cluster::DiscoveryType::{Eds, Static};
    let mut core = Core::new(Node::default());
    core.opened(Service::Configuration);
    let used = Cluster {
        close_connections_on_host_health_failure: true,
        ..cluster("used", Static)
    };
    let waiting = Cluster {
        eds_cluster_config: Some(cluster::EdsClusterConfig {
            eds_config: Some(envoy_types::pb::envoy::config::core::v3::ConfigSource {
                config_source_specifier: Some(
                    envoy_types::pb::envoy::config::core::v3::config_source::ConfigSourceSpecifier::Ads(
                        Default::default(),
                    ),
                ),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..cluster("waiting", Eds)
    };
    core.received(
        Service::Configuration,
        response("1", &[used, waiting]),
        STARTED,
    );
    let refused = |name| Cluster {
        filters: vec![Filter::default()],
        ..cluster(name, Static)
    };
    let later = STARTED + Duration::from_millis(2_500);
    let both = [refused("used"), refused("never")];
    core.received(Service::Configuration, response("2", &both), later);
    core
}

#[test]
fn what_is_refused_stands_beside_what_is_used() {
    let (clusters, _) = dumped(&mut core(), None);
    assert_eq!(clusters["version_info"], "1");
    assert_eq!(clusters["static_clusters"][0]["cluster"]["name"], "fixed");
    let [never, used] = clusters["dynamic_active_clusters"]
        .as_array()
        .unwrap()
        .as_slice()
    else {
        panic!("{clusters:#}");
    };
    assert_eq!(used["version_info"], "1");
    assert_eq!(used["last_updated"], "1970-01-01T00:00:00Z");
    assert_eq!(used["cluster"]["name"], "used");
    assert!(used["cluster"].get("filters").is_none());
    for refused in [&used["error_state"], &never["error_state"]] {
        assert_eq!(refused["version_info"], "2");
        assert_eq!(refused["last_update_attempt"], "1970-01-01T00:00:02.5Z");
        assert_eq!(refused["failed_configuration"]["filters"], json!([{}]));
        let details = refused["details"].as_str().unwrap();
        assert!(
            details.starts_with("filters: is not supported"),
            "{details}"
        );
    }
    assert!(never.get("cluster").is_none());
    let waiting = &clusters["dynamic_warming_clusters"][0]["cluster"]["name"];
    assert_eq!(waiting, "waiting");
}

#[test]
fn what_has_no_effect_is_listed_by_resource_and_field() {
    let mut core = core();
    let (_, notes) = dumped(&mut core, None);
    let [note] = notes.as_slice() else {
        panic!("{notes:#?}");
    };
    assert_eq!(
        (&note["type_url"], &note["name"], &note["field"]),
        (
            &json!(TypeUrl::Cluster.as_str()),
            &json!("used"),
            &json!("close_connections_on_host_health_failure")
        )
    );
    assert!(note["message"].as_str().unwrap().contains("has no effect"));
    assert_eq!(core.view().lock().unwrap().notes(), 1);
    let (clusters, notes) = dumped(&mut core, Some("^never$"));
    assert!(notes.is_empty());
    assert_eq!(
        clusters["dynamic_active_clusters"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert!(clusters.get("static_clusters").is_none());
}
