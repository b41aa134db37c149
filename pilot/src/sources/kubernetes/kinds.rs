//! Which kinds are read of a cluster, where, and which of their objects.

/// One kind that is listed and watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// `kind`.
    pub kind: &'static str,
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The versions that can be read, the one to ask for first in front.
    pub versions: &'static [&'static str],
    /// Its name in paths.
    pub plural: &'static str,
    /// The namespace that alone is looked into; `None` for the whole cluster.
    pub namespace: Option<String>,
    /// Which objects are asked for: a selector of fields.
    pub fields: Option<&'static str>,
    /// Whether the API server may not have it: it comes with a CustomResourceDefinition.
    pub is_custom: bool,
}

/// Secrets of other types hold no certificate, and are many and large. Istio's own selector.
const SECRETS: &str = "type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token";

/// Every kind that the mesh reads, for a mesh whose root namespace is this.
pub fn kinds(root_namespace: &str) -> Vec<Kind> {
    let core = |kind, plural| Kind {
        kind,
        group: "",
        versions: &["v1"],
        plural,
        namespace: None,
        fields: None,
        is_custom: false,
    };
    let istio = |group, versions, kind, plural| Kind {
        kind,
        group,
        versions,
        plural,
        namespace: None,
        fields: None,
        is_custom: true,
    };
    let networking = |kind, plural| {
        let versions: &[&str] = &["v1", "v1beta1", "v1alpha3"];
        istio("networking.istio.io", versions, kind, plural)
    };
    let security = |kind, plural| {
        let versions: &[&str] = &["v1", "v1beta1"];
        istio("security.istio.io", versions, kind, plural)
    };
    vec![
        core("Namespace", "namespaces"),
        core("Node", "nodes"),
        Kind {
            namespace: Some(root_namespace.to_owned()),
            fields: Some("metadata.name=istio"),
            ..core("ConfigMap", "configmaps")
        },
        Kind {
            fields: Some(SECRETS),
            ..core("Secret", "secrets")
        },
        core("Service", "services"),
        core("Pod", "pods"),
        Kind {
            group: "discovery.k8s.io",
            ..core("EndpointSlice", "endpointslices")
        },
        networking("VirtualService", "virtualservices"),
        networking("DestinationRule", "destinationrules"),
        networking("Gateway", "gateways"),
        networking("ServiceEntry", "serviceentries"),
        networking("Sidecar", "sidecars"),
        networking("WorkloadEntry", "workloadentries"),
        networking("WorkloadGroup", "workloadgroups"),
        istio(
            "networking.istio.io",
            &["v1alpha3"],
            "EnvoyFilter",
            "envoyfilters",
        ),
        istio(
            "networking.istio.io",
            &["v1beta1"],
            "ProxyConfig",
            "proxyconfigs",
        ),
        security("PeerAuthentication", "peerauthentications"),
        security("AuthorizationPolicy", "authorizationpolicies"),
        security("RequestAuthentication", "requestauthentications"),
        istio(
            "telemetry.istio.io",
            &["v1", "v1alpha1"],
            "Telemetry",
            "telemetries",
        ),
        istio(
            "extensions.istio.io",
            &["v1alpha1"],
            "WasmPlugin",
            "wasmplugins",
        ),
        istio(
            "extensions.istio.io",
            &["v1alpha1"],
            "TrafficExtension",
            "trafficextensions",
        ),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    const ROLES: &str = include_str!("../../../../manifests/base/pilot-rbac.yaml");

    fn texts(value: &Value) -> Vec<String> {
        let texts = value.as_array().into_iter().flatten();
        texts
            .map(|text| text.as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_roles_of_the_manifests_allow_what_is_read_and_nothing_else() {
        let loaded = resources::yaml::load(ROLES, "pilot-rbac.yaml");
        let mut allowed = BTreeSet::new();
        let roles = loaded.objects.iter().filter(|o| o.kind.ends_with("Role"));
        for (role, rule) in roles.flat_map(|role| {
            let rules = role.value["rules"].as_array().unwrap();
            rules.iter().map(move |rule| (role, rule))
        }) {
            if texts(&rule["resources"]) == ["tokenreviews"] {
                assert_eq!(texts(&rule["verbs"]), ["create"], "{rule}");
                continue;
            }
            assert_eq!(texts(&rule["verbs"]), ["list", "watch"], "{rule}");
            for resource in texts(&rule["resources"]) {
                let group = texts(&rule["apiGroups"]).join(",");
                let names = texts(&rule["resourceNames"]).join(",");
                allowed.insert((role.namespace.clone(), group, resource, names));
            }
        }
        let read = kinds("istio-system").into_iter().map(|kind| {
            let name = kind.fields.and_then(|f| f.strip_prefix("metadata.name="));
            let (group, plural) = (kind.group.to_owned(), kind.plural.to_owned());
            (
                kind.namespace,
                group,
                plural,
                name.unwrap_or_default().to_owned(),
            )
        });
        assert_eq!(allowed, read.collect());
    }

    #[test]
    fn the_meshs_configuration_is_looked_for_in_the_root_namespace_alone() {
        let kinds = kinds("root");
        let config_maps: Vec<_> = kinds.iter().filter(|k| k.kind == "ConfigMap").collect();
        assert_eq!(config_maps.len(), 1);
        assert!(
            config_maps
                .iter()
                .all(|k| k.namespace.as_deref() == Some("root"))
        );
    }

    #[test]
    fn only_kinds_that_come_with_definitions_may_be_missing() {
        for kind in kinds("istio-system") {
            assert_eq!(kind.is_custom, kind.group.ends_with("istio.io"), "{kind:?}");
        }
    }
}
