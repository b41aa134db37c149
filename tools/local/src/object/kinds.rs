//! The kinds this machine knows by name: how a user may spell them, and whether they have a namespace.

/// What is known of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// As in `kind:`.
    pub kind: &'static str,
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Plural resource name, lower case.
    pub plural: &'static str,
    /// Short names that kubectl accepts.
    pub short: &'static [&'static str],
    /// False for cluster-scoped kinds.
    pub namespaced: bool,
}

const fn kind(
    kind: &'static str,
    group: &'static str,
    plural: &'static str,
    short: &'static [&'static str],
    namespaced: bool,
) -> Kind {
    Kind {
        kind,
        group,
        plural,
        short,
        namespaced,
    }
}

/// Kinds that the one-machine mesh acts on or hands to the pilot. Other kinds are kept, with a warning.
pub const KNOWN: &[Kind] = &[
    kind("Namespace", "", "namespaces", &["ns"], false),
    kind("Node", "", "nodes", &["no"], false),
    kind("Pod", "", "pods", &["po"], true),
    kind("Service", "", "services", &["svc"], true),
    kind("ConfigMap", "", "configmaps", &["cm"], true),
    kind("Secret", "", "secrets", &[], true),
    kind("ServiceAccount", "", "serviceaccounts", &["sa"], true),
    kind("Event", "", "events", &["ev"], true),
    kind("Job", "batch", "jobs", &[], true),
    kind("Deployment", "apps", "deployments", &["deploy"], true),
    kind("ReplicaSet", "apps", "replicasets", &["rs"], true),
    kind(
        "EndpointSlice",
        "discovery.k8s.io",
        "endpointslices",
        &[],
        true,
    ),
    kind(
        "VirtualService",
        "networking.istio.io",
        "virtualservices",
        &["vs"],
        true,
    ),
    kind(
        "DestinationRule",
        "networking.istio.io",
        "destinationrules",
        &["dr"],
        true,
    ),
    kind("Gateway", "networking.istio.io", "gateways", &["gw"], true),
    kind(
        "ServiceEntry",
        "networking.istio.io",
        "serviceentries",
        &["se"],
        true,
    ),
    kind("Sidecar", "networking.istio.io", "sidecars", &[], true),
    kind(
        "WorkloadEntry",
        "networking.istio.io",
        "workloadentries",
        &["we"],
        true,
    ),
    kind(
        "PeerAuthentication",
        "security.istio.io",
        "peerauthentications",
        &["pa"],
        true,
    ),
    kind(
        "AuthorizationPolicy",
        "security.istio.io",
        "authorizationpolicies",
        &["ap"],
        true,
    ),
    kind(
        "RequestAuthentication",
        "security.istio.io",
        "requestauthentications",
        &["ra"],
        true,
    ),
    kind(
        "Telemetry",
        "telemetry.istio.io",
        "telemetries",
        &["telemetry"],
        true,
    ),
    kind(
        "MutatingWebhookConfiguration",
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        &[],
        false,
    ),
];

/// Cluster-scoped kinds that are kept without being acted on.
const CLUSTER_SCOPED: &[&str] = &[
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "ValidatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "PersistentVolume",
    "StorageClass",
    "PriorityClass",
    "GatewayClass",
    "IngressClass",
];

/// The kind that `kind:` names, when known.
pub fn by_kind(kind: &str) -> Option<&'static Kind> {
    KNOWN.iter().find(|known| known.kind == kind)
}

/// The kind a user means by `word`: plural, singular, short name or any of these with `.group`.
pub fn by_word(word: &str) -> Option<&'static Kind> {
    let word = word.to_ascii_lowercase();
    let (base, group) = match word.split_once('.') {
        Some((base, group)) => (base, Some(group)),
        None => (word.as_str(), None),
    };
    KNOWN.iter().find(|known| {
        let spelled = known.plural == base
            || known.kind.eq_ignore_ascii_case(base)
            || known.short.contains(&base);
        // `deployments.v1.apps` names a version too.
        let grouped = group.is_none_or(|group| {
            group == known.group || group.ends_with(&format!(".{}", known.group))
        });
        spelled && grouped
    })
}

/// Whether objects of `kind` live in a namespace. Unknown kinds are taken to, as most do.
pub fn is_namespaced(kind: &str) -> bool {
    by_kind(kind).map_or(!CLUSTER_SCOPED.contains(&kind), |known| known.namespaced)
}

/// The plural resource name of `kind`, by English rules when it is unknown.
pub fn plural_of(kind: &str) -> String {
    if let Some(known) = by_kind(kind) {
        return known.plural.to_owned();
    }
    let lower = kind.to_ascii_lowercase();
    if let Some(stem) = lower.strip_suffix('y') {
        format!("{stem}ies")
    } else if lower.ends_with('s') || lower.ends_with('x') || lower.ends_with("ch") {
        format!("{lower}es")
    } else {
        format!("{lower}s")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn kinds_are_found_by_every_name_that_kubectl_accepts() {
        for word in ["po", "pod", "pods", "Pod"] {
            assert_eq!(by_word(word).unwrap().kind, "Pod");
        }
        for word in ["deploy", "deployment.apps", "deployments.v1.apps"] {
            assert_eq!(by_word(word).unwrap().kind, "Deployment");
        }
        assert_eq!(by_word("deployments.extensions"), None);
        assert_eq!(by_word("widgets"), None);
    }

    #[test]
    fn unknown_kinds_get_an_english_plural() {
        assert_eq!(plural_of("NetworkPolicy"), "networkpolicies");
        assert_eq!(plural_of("Ingress"), "ingresses");
        assert_eq!(plural_of("Job"), "jobs");
    }
}
