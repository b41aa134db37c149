//! Istio's own kinds, as far as the mesh reads them. Field names, enumerations and defaults are
//! those of Istio's custom resource definitions (networking.istio.io, security.istio.io).

pub mod destination_rule;
pub mod duration;
pub mod gateway;
pub mod peer_authentication;
pub mod virtual_service;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};

/// A custom resource: Kubernetes metadata and a typed `spec`. `status` is not read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Resource<S> {
    /// Group and version as written, such as `networking.istio.io/v1alpha3`.
    pub api_version: String,
    /// The kind as written.
    pub kind: String,
    /// Name, namespace, labels, annotations, creation time.
    pub metadata: ObjectMeta,
    /// What the user asked for.
    pub spec: S,
    /// Written by controllers; kept only so that it is not reported as unknown.
    #[serde(skip_serializing)]
    pub status: serde_json::Value,
}

/// A VirtualService object.
pub type VirtualService = Resource<virtual_service::VirtualServiceSpec>;
/// A DestinationRule object.
pub type DestinationRule = Resource<destination_rule::DestinationRuleSpec>;
/// A Gateway object.
pub type Gateway = Resource<gateway::GatewaySpec>;
/// A PeerAuthentication object.
pub type PeerAuthentication = Resource<peer_authentication::PeerAuthenticationSpec>;

/// Labels that a workload must carry (`WorkloadSelector.matchLabels`). Empty selects all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadSelector {
    /// Every one of these must be present with this value.
    pub match_labels: BTreeMap<String, String>,
}

/// A port by number (`PortSelector`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PortSelector {
    /// 1 to 65535.
    pub number: u16,
}

/// A percentage, 0.0 to 100.0 (`Percent`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Percent {
    /// 0.0 to 100.0.
    pub value: f64,
}
