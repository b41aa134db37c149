//! What a cluster says of the services behind it, for the metrics of proxies (Istio's metadata `istio`).

use envoy_types::pb::envoy::config::core::v3::Metadata;
use envoy_types::pb::google::protobuf::{ListValue, Struct, Value, value::Kind};

use super::policy::Rule;
use crate::model::service::{Port, Service};
use crate::origin;
use crate::wire::string_struct;

/// Metadata of a cluster of one service's port; `subset` is empty where it is of the whole service.
pub(super) fn of(
    service: &Service,
    port: Option<&Port>,
    subset: &str,
    rule: &Rule<'_>,
) -> Option<Metadata> {
    let named = string_struct([
        ("host", service.host.to_string()),
        ("name", service.key.name.to_string()),
        ("namespace", service.key.namespace.to_string()),
    ]);
    let services = Kind::ListValue(ListValue {
        values: vec![value(Kind::StructValue(named))],
    });
    let mut fields = vec![("services".to_owned(), value(services))];
    if let Some(port) = port {
        let number = Kind::NumberValue(port.number.into());
        fields.push(("default_original_port".to_owned(), value(number)));
    }
    if !subset.is_empty() {
        let name = Kind::StringValue(subset.to_owned());
        fields.push(("subset".to_owned(), value(name)));
    }
    if let Some(made_by) = rule.made_by {
        let path = origin::path(origin::Kind::DestinationRule, made_by);
        fields.push((origin::FIELD.to_owned(), value(Kind::StringValue(path))));
    }
    let istio = Struct {
        fields: fields.into_iter().collect(),
    };
    Some(Metadata {
        filter_metadata: [("istio".to_owned(), istio)].into_iter().collect(),
        ..Default::default()
    })
}

fn value(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}
