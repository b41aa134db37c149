//! What is taken from the node that a data plane says it is.

use envoy_types::pb::google::protobuf::{Struct, Value, value::Kind};
use translate::{NodeError, Proxy};

use crate::world::{list, node, text};

#[test]
fn a_node_that_is_none_of_the_meshs_is_refused_with_what_is_wrong() {
    assert_eq!(Proxy::from_node(&node("", &[])), Err(NodeError::NoId));
    assert!(matches!(
        Proxy::from_node(&node("sidecar~1.2.3.4", &[])),
        Err(NodeError::Malformed(_))
    ));
    let alien = node("teapot~1.2.3.4~a.b~b.svc.cluster.local", &[]);
    assert_eq!(
        Proxy::from_node(&alien),
        Err(NodeError::UnknownType("teapot".to_owned()))
    );
}

#[test]
fn what_a_node_says_without_bound_is_cut_to_what_translation_uses() {
    let listed: Vec<String> = (0..2000u32).map(|n| format!("::{n:x}")).collect();
    let id = "sidecar~172.17.0.8~a.default~default.svc.cluster.local";
    let metadata = [
        ("INSTANCE_IPS", text(&listed.join(","))),
        ("LATEEN_EXTENSIONS", list(&["istio.alpn", "mine", "yours"])),
    ];
    let proxy = Proxy::from_node(&node(id, &metadata)).unwrap();
    assert_eq!(proxy.addresses.len(), 64);
    assert_eq!(proxy.addresses[0].to_string(), "172.17.0.8");
    assert_eq!(proxy.extensions, ["istio.alpn".to_owned()].into());
}

#[test]
fn a_node_with_more_labels_than_a_pod_has_is_refused() {
    let id = "sidecar~172.17.0.8~a.default~default.svc.cluster.local";
    let labels = |count: usize| {
        let fields = (0..count).map(|n| (format!("{n:060}"), text("x")));
        let labels = Kind::StructValue(Struct {
            fields: fields.collect(),
        });
        node(id, &[("LABELS", Value { kind: Some(labels) })])
    };
    assert!(Proxy::from_node(&labels(100)).is_ok());
    let refused = Proxy::from_node(&labels(2000));
    assert_eq!(refused, Err(NodeError::Labels(2000 * 61)));
}
