//! Whether a pod gets a sidecar: the webhooks' selectors on namespace and pod, then the pod's own
//! wishes. Kubernetes' API server evaluates the first part, [`decide_pod`] is the second;
//! [`decide`] is both, for callers without an API server.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::pod;
use crate::settings::Settings;

/// Namespaces of the platform, whose pods never get a sidecar.
pub const IGNORED_NAMESPACES: &[&str] = &[
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "local-path-storage",
];

const INJECTION: &str = "istio-injection";
const REVISION: &str = "istio.io/rev";
const INJECT: &str = "sidecar.istio.io/inject";

/// What a namespace says about injection.
#[derive(Debug, Clone, Copy)]
pub struct Namespace<'a> {
    /// `metadata.name`.
    pub name: &'a str,
    /// `metadata.labels`.
    pub labels: &'a BTreeMap<String, String>,
}

/// Whether a pod gets a sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It gets one: call [`crate::inject`].
    Inject,
    /// It stays as it is.
    Skip(SkipReason),
}

/// Why a pod gets no sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipReason {
    /// Neither the namespace nor the pod asks for injection.
    NotEnabled,
    /// The namespace is labelled `istio-injection=disabled`.
    NamespaceDisabled,
    /// The namespace or the pod asks for another revision (`istio.io/rev`).
    OtherRevision,
    /// The pod says no by label or annotation `sidecar.istio.io/inject`.
    PodDisabled,
    /// The pod uses the node's network, whose rules are not the pod's to change.
    HostNetwork,
    /// The namespace belongs to the platform ([`IGNORED_NAMESPACES`]).
    IgnoredNamespace,
    /// A selector of `neverInjectSelector` matches the pod.
    NeverSelected,
    /// `global.proxy.autoInject` is disabled and the pod does not ask.
    PolicyDisabled,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotEnabled => {
                "injection is not enabled: label the namespace istio-injection=enabled or the pod \
                 sidecar.istio.io/inject=true"
            }
            Self::NamespaceDisabled => "the namespace is labelled istio-injection=disabled",
            Self::OtherRevision => "istio.io/rev names another revision",
            Self::PodDisabled => "the pod's sidecar.istio.io/inject says no",
            Self::HostNetwork => "the pod uses the host's network",
            Self::IgnoredNamespace => "the namespace belongs to the platform",
            Self::NeverSelected => "neverInjectSelector matches the pod",
            Self::PolicyDisabled => "global.proxy.autoInject is disabled and the pod does not ask",
        })
    }
}

/// Whether a pod created in `namespace` gets a sidecar: selectors of the webhooks, then
/// [`decide_pod`].
pub fn decide(namespace: &Namespace<'_>, pod: &Value, settings: &Settings) -> Decision {
    match selected(namespace, &pod::strings(pod, "labels"), settings) {
        Ok(()) => decide_pod(namespace.name, pod, settings),
        Err(reason) => Decision::Skip(reason),
    }
}

/// Whether a pod that was sent to the injector gets a sidecar: its network, its namespace's name,
/// its own label or annotation (the label wins), the selectors and the policy of the values.
pub fn decide_pod(namespace: &str, pod: &Value, settings: &Settings) -> Decision {
    let host_network = pod.get("spec").and_then(|s| s.get("hostNetwork"));
    if host_network.and_then(Value::as_bool) == Some(true) {
        return Decision::Skip(SkipReason::HostNetwork);
    }
    if IGNORED_NAMESPACES.contains(&namespace) {
        return Decision::Skip(SkipReason::IgnoredNamespace);
    }
    let labels = pod::strings(pod, "labels");
    match wish(pod, &labels) {
        Some(true) => return Decision::Inject,
        Some(false) => return Decision::Skip(SkipReason::PodDisabled),
        None => {}
    }
    let webhook = &settings.values.sidecar_injector_webhook;
    let any = |selectors: &[crate::selector::LabelSelector]| {
        selectors
            .iter()
            .any(|s| !s.is_empty() && s.matches(&labels))
    };
    if any(&webhook.never_inject_selector) {
        Decision::Skip(SkipReason::NeverSelected)
    } else if any(&webhook.always_inject_selector)
        || settings.values.global.proxy.auto_inject != "disabled"
    {
        Decision::Inject
    } else {
        Decision::Skip(SkipReason::PolicyDisabled)
    }
}

/// The pod's own wish, by label or else annotation, in YAML 1.1's words for true.
fn wish(pod: &Value, labels: &BTreeMap<String, String>) -> Option<bool> {
    let annotations = pod::strings(pod, "annotations");
    let word = labels.get(INJECT).or_else(|| annotations.get(INJECT))?;
    match word.to_ascii_lowercase().as_str() {
        "" => None,
        "y" | "yes" | "true" | "on" => Some(true),
        _ => Some(false),
    }
}

/// The four webhooks' selectors: by namespace or by object, with or without a revision.
fn selected(
    namespace: &Namespace<'_>,
    pod: &BTreeMap<String, String>,
    settings: &Settings,
) -> Result<(), SkipReason> {
    if pod.get(INJECT).is_some_and(|v| v == "false") {
        return Err(SkipReason::PodDisabled);
    }
    let revision = settings.revision();
    let same = |wanted: &String| {
        if wanted == revision {
            Ok(())
        } else {
            Err(SkipReason::OtherRevision)
        }
    };
    match namespace.labels.get(INJECTION).map(String::as_str) {
        Some("enabled") => return Ok(()),
        Some("disabled") => return Err(SkipReason::NamespaceDisabled),
        Some(_) => return Err(SkipReason::NotEnabled),
        None => {}
    }
    if let Some(wanted) = namespace.labels.get(REVISION) {
        return same(wanted);
    }
    if let Some(wanted) = pod.get(REVISION) {
        return same(wanted);
    }
    let asked = pod.get(INJECT).is_some_and(|v| v == "true");
    let everywhere = settings
        .values
        .sidecar_injector_webhook
        .enable_namespaces_by_default;
    if asked || everywhere {
        Ok(())
    } else {
        Err(SkipReason::NotEnabled)
    }
}

/// Labels of a namespace or a pod that look like a misspelt request for injection
/// (`istio-injectinotallow`, `istio-injection=enable`): one message each, for callers to warn with.
pub fn near_miss_labels(labels: &BTreeMap<String, String>) -> Vec<String> {
    let mut warnings = Vec::new();
    for (key, value) in labels {
        for known in [INJECTION, INJECT] {
            if key != known && looks_like(key, known) {
                warnings.push(format!(
                    "label {key}={value} has no effect: did you mean {known}?"
                ));
            }
        }
        if key == INJECTION && value != "enabled" && value != "disabled" {
            warnings.push(format!(
                "label {key}={value} has no effect: use enabled or disabled"
            ));
        }
    }
    warnings
}

/// A long common beginning, or few edits apart.
fn looks_like(word: &str, known: &str) -> bool {
    let word = word.to_ascii_lowercase().replace('_', "-");
    // Labels are at most 317 characters long; more cannot be a near miss.
    if word.len() > known.len() * 2 {
        return false;
    }
    let common = word
        .bytes()
        .zip(known.bytes())
        .take_while(|(a, b)| a == b)
        .count();
    common * 5 >= known.len() * 4 || edits(&word, known) <= 2
}

fn edits(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        for (slot, r) in row.iter_mut().skip(1).zip(right.chars()) {
            let here = (diagonal + usize::from(l != r))
                .min(before + 1)
                .min(*slot + 1);
            diagonal = *slot;
            *slot = here;
            before = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn pod(pod_labels: &[(&str, &str)]) -> Value {
        json!({"metadata": {"labels": labels(pod_labels)}, "spec": {"containers": []}})
    }

    fn decision(namespace: &[(&str, &str)], pod_labels: &[(&str, &str)]) -> Decision {
        let labels = labels(namespace);
        let namespace = Namespace {
            name: "default",
            labels: &labels,
        };
        decide(&namespace, &pod(pod_labels), &Settings::default())
    }

    #[test]
    fn a_labelled_namespace_injects_its_pods_unless_the_pod_says_no() {
        let enabled = [("istio-injection", "enabled")];
        assert_eq!(decision(&enabled, &[]), Decision::Inject);
        assert_eq!(
            decision(&enabled, &[("sidecar.istio.io/inject", "false")]),
            Decision::Skip(SkipReason::PodDisabled)
        );
        assert_eq!(
            decision(&enabled, &[("sidecar.istio.io/inject", "no")]),
            Decision::Skip(SkipReason::PodDisabled)
        );
    }

    #[test]
    fn without_a_namespace_label_only_pods_that_ask_are_injected() {
        assert_eq!(decision(&[], &[]), Decision::Skip(SkipReason::NotEnabled));
        assert_eq!(
            decision(&[], &[("sidecar.istio.io/inject", "true")]),
            Decision::Inject
        );
        assert_eq!(
            decision(
                &[("istio-injection", "disabled")],
                &[("sidecar.istio.io/inject", "true")]
            ),
            Decision::Skip(SkipReason::NamespaceDisabled)
        );
    }

    #[test]
    fn a_revision_label_selects_only_its_own_injector() {
        assert_eq!(
            decision(&[("istio.io/rev", "default")], &[]),
            Decision::Inject
        );
        assert_eq!(
            decision(&[("istio.io/rev", "canary")], &[]),
            Decision::Skip(SkipReason::OtherRevision)
        );
        assert_eq!(
            decision(&[], &[("istio.io/rev", "default")]),
            Decision::Inject
        );
        let mut canary = Settings::default();
        canary.set("values.revision=canary").unwrap();
        let none = BTreeMap::new();
        let namespace = Namespace {
            name: "default",
            labels: &none,
        };
        assert_eq!(
            decide(&namespace, &pod(&[("istio.io/rev", "canary")]), &canary),
            Decision::Inject
        );
    }

    #[test]
    fn pods_on_the_host_network_and_in_platform_namespaces_stay_as_they_are() {
        let settings = Settings::default();
        let host = json!({"spec": {"hostNetwork": true}});
        assert_eq!(
            decide_pod("default", &host, &settings),
            Decision::Skip(SkipReason::HostNetwork)
        );
        assert_eq!(
            decide_pod("kube-system", &pod(&[]), &settings),
            Decision::Skip(SkipReason::IgnoredNamespace)
        );
    }

    #[test]
    fn the_label_wins_over_the_annotation() {
        let pod = json!({"metadata": {
            "labels": {"sidecar.istio.io/inject": "true"},
            "annotations": {"sidecar.istio.io/inject": "false"},
        }});
        assert_eq!(
            decide_pod("default", &pod, &Settings::default()),
            Decision::Inject
        );
        let annotated = json!({"metadata": {"annotations": {"sidecar.istio.io/inject": "false"}}});
        assert_eq!(
            decide_pod("default", &annotated, &Settings::default()),
            Decision::Skip(SkipReason::PodDisabled)
        );
    }

    #[test]
    fn never_and_always_selectors_decide_for_pods_that_do_not_say() {
        let mut settings = Settings::default();
        settings
            .add_values(
                "sidecarInjectorWebhook:\n  neverInjectSelector:\n  - matchExpressions:\n    - \
                 {key: build, operator: Exists}\n  alwaysInjectSelector:\n  - matchLabels: {mesh: \
                 'in'}\nglobal: {proxy: {autoInject: disabled}}",
                "test",
            )
            .unwrap();
        let decide = |l: &[(&str, &str)]| decide_pod("default", &pod(l), &settings);
        assert_eq!(
            decide(&[("build", "1")]),
            Decision::Skip(SkipReason::NeverSelected)
        );
        assert_eq!(decide(&[("mesh", "in")]), Decision::Inject);
        assert_eq!(decide(&[]), Decision::Skip(SkipReason::PolicyDisabled));
    }

    #[test]
    fn a_misspelt_injection_label_is_pointed_out() {
        for (key, value) in [
            ("istio-injectinotallow", "enabled"),
            ("istio-injektion", "enabled"),
            ("istio_injection", "enabled"),
            ("istio-injection", "enable"),
            ("sidecar.istio.io/injection", "true"),
        ] {
            let warnings = near_miss_labels(&labels(&[(key, value)]));
            assert_eq!(warnings.len(), 1, "{key}={value}: {warnings:?}");
        }
        let fine = labels(&[
            ("istio-injection", "enabled"),
            ("app", "greeter"),
            ("istio.io/rev", "default"),
            ("sidecar.istio.io/inject", "true"),
        ]);
        assert_eq!(near_miss_labels(&fine), Vec::<String>::new());
    }
}
