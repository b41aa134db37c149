//! Istio's objects with their hosts resolved and their age known.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use resources::istio::destination_rule::DestinationRuleSpec;
use resources::istio::gateway::GatewaySpec;
use resources::istio::peer_authentication::PeerAuthenticationSpec;
use resources::istio::virtual_service::VirtualServiceSpec;

use super::NamespacedName;

/// A piece of configuration.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config<S> {
    pub(crate) key: NamespacedName,
    /// Seconds since 1970; 0 for those without a date.
    pub(crate) created: i64,
    /// The hosts it speaks of, in full.
    pub(crate) hosts: Vec<String>,
    pub(crate) spec: S,
}

pub(crate) type VirtualService = Config<VirtualServiceSpec>;
pub(crate) type DestinationRule = Config<DestinationRuleSpec>;
pub(crate) type Gateway = Config<GatewaySpec>;
pub(crate) type PeerAuthentication = Config<PeerAuthenticationSpec>;

impl<S> Config<S> {
    pub(crate) fn new(meta: &ObjectMeta, hosts: Vec<String>, spec: S) -> Self {
        let key = NamespacedName::new(
            meta.namespace.as_deref().unwrap_or("default"),
            meta.name.as_deref().unwrap_or_default(),
        );
        Self {
            key,
            created: created(meta),
            hosts,
            spec,
        }
    }

    /// The older comes first, then the name decides.
    pub(crate) fn age(&self) -> (i64, &NamespacedName) {
        (self.created, &self.key)
    }
}

/// The gateways that a VirtualService names, those of its matches too; `mesh` is none.
pub(crate) fn gateways_of(config: &VirtualService) -> BTreeSet<NamespacedName> {
    let of_matches = config
        .spec
        .http
        .iter()
        .flat_map(|route| &route.matches)
        .flat_map(|on| &on.gateways);
    let of_tls = config
        .spec
        .tls
        .iter()
        .flat_map(|route| &route.matches)
        .flat_map(|on| &on.gateways);
    let of_tcp = config
        .spec
        .tcp
        .iter()
        .flat_map(|route| &route.matches)
        .flat_map(|on| &on.gateways);
    let all = config.spec.gateways.iter();
    all.chain(of_matches)
        .chain(of_tls)
        .chain(of_tcp)
        .filter(|name| *name != MESH)
        .map(|name| gateway_named(name, &config.key.namespace))
        .collect()
}

/// The gateway that `[NAMESPACE/]NAME` means in an object of a namespace.
pub(crate) fn gateway_named(name: &str, namespace: &str) -> NamespacedName {
    match name.split_once('/') {
        Some((namespace, name)) => NamespacedName::new(namespace, name),
        None => NamespacedName::new(namespace, name),
    }
}

/// The name that stands for all sidecars among gateways.
pub(crate) const MESH: &str = "mesh";

/// Creation time in seconds since 1970; 0 where it is not known.
pub(crate) fn created(meta: &ObjectMeta) -> i64 {
    meta.creation_timestamp
        .as_ref()
        .map_or(0, |t| t.0.as_second())
}

/// Whether an object of `owner`'s namespace is seen from `viewer`'s. `default` is the mesh's.
pub(crate) fn exported(
    export_to: &[String],
    default: &[String],
    owner: &str,
    viewer: &str,
) -> bool {
    let list = if export_to.is_empty() {
        default
    } else {
        export_to
    };
    list.iter().any(|to| match to.as_str() {
        "*" => true,
        "." => owner == viewer,
        "~" => false,
        named => named == viewer,
    })
}
