//! The node of the agent as a message.

use std::collections::HashMap;

use envoy_types::pb::envoy::config::core::v3::{Locality, Node as Message};
use envoy_types::pb::google::protobuf::{self, value::Kind};
use serde_json::Value;

/// Metadata that names the filters of Istio that a proxy has; the pilot sends them to no other.
const EXTENSIONS: &str = "LATEEN_EXTENSIONS";

/// Those that this proxy has.
const KNOWN: [&str; 3] = ["istio.alpn", "istio.peer_metadata", "istio.stats"];

/// The message of a node: who this proxy is to the pilot, and which filters of Istio it has.
#[must_use]
pub fn node(node: &agent::node::Node) -> Message {
    let mut metadata = fields(&node.metadata);
    metadata
        .entry(EXTENSIONS.to_owned())
        .or_insert_with(|| value(&Value::from(KNOWN.to_vec())));
    Message {
        id: node.id.clone(),
        cluster: node.cluster.clone(),
        metadata: Some(protobuf::Struct { fields: metadata }),
        locality: node
            .locality
            .as_ref()
            .map(|[region, zone, sub_zone]| Locality {
                region: region.clone(),
                zone: zone.clone(),
                sub_zone: sub_zone.clone(),
            }),
        ..Default::default()
    }
}

fn fields(map: &serde_json::Map<String, Value>) -> HashMap<String, protobuf::Value> {
    map.iter()
        .map(|(key, value)| (key.clone(), self::value(value)))
        .collect()
}

fn value(value: &Value) -> protobuf::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(*flag),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) => Kind::ListValue(protobuf::ListValue {
            values: items.iter().map(self::value).collect(),
        }),
        Value::Object(map) => Kind::StructValue(protobuf::Struct {
            fields: fields(map),
        }),
    };
    protobuf::Value { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn metadata_keeps_its_shape() {
        let node = agent::node::Node {
            id: "sidecar~192.0.2.1~p.n~n.svc.cluster.local".to_owned(),
            cluster: "p.n".to_owned(),
            addresses: Vec::new(),
            namespace: "n".to_owned(),
            service_account: "default".to_owned(),
            locality: Some(["r", "z", "s"].map(str::to_owned)),
            metadata: serde_json::from_str(
                r#"{"LABELS": {"app": "p"}, "PORTS": [1, true, null, "x"]}"#,
            )
            .unwrap(),
        };
        let message = self::node(&node);
        assert_eq!(message.locality.unwrap().sub_zone, "s");
        let fields = message.metadata.unwrap().fields;
        let Some(Kind::StructValue(labels)) = fields.get("LABELS").unwrap().kind.clone() else {
            unreachable!()
        };
        assert_eq!(
            labels.fields.get("app").unwrap().kind,
            Some(Kind::StringValue("p".to_owned()))
        );
        let Some(Kind::ListValue(ports)) = fields.get("PORTS").unwrap().kind.clone() else {
            unreachable!()
        };
        let kinds: Vec<_> = ports.values.into_iter().filter_map(|v| v.kind).collect();
        let text = Kind::StringValue("x".to_owned());
        assert_eq!(
            kinds,
            [
                Kind::NumberValue(1.0),
                Kind::BoolValue(true),
                Kind::NullValue(0),
                text
            ]
        );
    }
}
