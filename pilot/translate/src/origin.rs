//! Which object made a part of the configuration: its path, where Istio writes it (`filter_metadata.istio.config`) and its
//! tools look for it.

use envoy_types::pb::envoy::config::core::v3::Metadata;

use crate::model::NamespacedName;
use crate::wire::string_struct;

/// Kinds of Istio's group `networking.istio.io`, as they stand in such a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    DestinationRule,
    VirtualService,
}

/// The field that holds the path.
pub(crate) const FIELD: &str = "config";

/// `/apis/networking.istio.io/v1/namespaces/NAMESPACE/destination-rule/NAME`.
pub(crate) fn path(kind: Kind, of: &NamespacedName) -> String {
    let kind = match kind {
        Kind::DestinationRule => "destination-rule",
        Kind::VirtualService => "virtual-service",
    };
    let NamespacedName { namespace, name } = of;
    format!("/apis/networking.istio.io/v1/namespaces/{namespace}/{kind}/{name}")
}

/// Metadata that says nothing else.
pub(crate) fn metadata(kind: Kind, of: &NamespacedName) -> Metadata {
    let istio = string_struct([(FIELD, path(kind, of))]);
    Metadata {
        filter_metadata: [("istio".to_owned(), istio)].into_iter().collect(),
        ..Default::default()
    }
}
