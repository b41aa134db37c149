//! Which object made a part of the configuration, as Istio's tools read it.

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::core::v3::Metadata;
use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use envoy_types::pb::google::protobuf::Value;
use xds::TypeUrl;

use crate::world::{HOST, MESH_HOST, demo, objects, one, routed, sidecar, text};

fn origin(metadata: Option<&Metadata>) -> Option<Value> {
    let istio = metadata?.filter_metadata.get("istio")?;
    istio.fields.get("config").cloned()
}

#[test]
fn a_cluster_names_the_destination_rule_that_shaped_it() {
    let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: greeter}\nspec:\n  host: k8s-combat-service\n  subsets:\n  - {name: v1, labels: {app: k8s-combat-service}}\n";
    let snapshot = demo().with(&objects(rule));
    let of = |snapshot, name: String| {
        let cluster: Cluster = one(snapshot, &sidecar(8), TypeUrl::Cluster, &name).unwrap();
        origin(cluster.metadata.as_ref())
    };
    let path = "/apis/networking.istio.io/v1/namespaces/default/destination-rule/greeter";
    for name in [
        format!("outbound|50051||{HOST}"),
        format!("outbound|50051|v1|{HOST}"),
        "inbound|50051||".to_owned(),
    ] {
        assert_eq!(of(&snapshot, name.clone()), Some(text(path)), "{name}");
    }
    assert_eq!(of(&demo(), format!("outbound|50051||{HOST}")), None);
}

#[test]
fn a_route_names_the_virtual_service_that_made_it() {
    let routes: RouteConfiguration = one(&routed(), &sidecar(8), TypeUrl::Route, "50051").unwrap();
    let of = |host: &str| -> Vec<Option<Value>> {
        let name = format!("{host}:50051");
        let hosts = &routes.virtual_hosts;
        let host = hosts.iter().find(|h| h.name == name).unwrap();
        host.routes
            .iter()
            .map(|route| origin(route.metadata.as_ref()))
            .collect()
    };
    let path =
        "/apis/networking.istio.io/v1/namespaces/default/virtual-service/k8s-combat-service-vs";
    let made = of(MESH_HOST);
    assert!(!made.is_empty() && made.iter().all(|made_by| *made_by == Some(text(path))));
    assert_eq!(of(HOST), [None]);
}
