//! Which webhooks a new pod is shown to (`admissionregistration.k8s.io/v1`). Pure.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::object::selector::Selector;
use crate::object::{Key, integer, labels, list, namespace, text};
use crate::store::View;

/// The group of webhook configurations.
pub(crate) const GROUP: &str = "admissionregistration.k8s.io";
/// The kind of those that may change objects.
pub(crate) const MUTATING: &str = "MutatingWebhookConfiguration";
/// Seconds that an answer may take where nothing is said; 30 at most, as in Kubernetes.
const TIMEOUT: i64 = 10;

/// A webhook that is to be called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Webhook {
    /// Its whole name.
    pub(super) name: String,
    /// The Service behind it.
    pub(super) service: Key,
    /// The Service's port.
    pub(super) port: u16,
    /// Path of its URL, with the slash.
    pub(super) path: String,
    /// PEM of the roots that its certificate is checked against.
    pub(super) roots: Vec<u8>,
    /// Whether an object is refused when the webhook cannot be called (`failurePolicy: Fail`).
    pub(super) fails: bool,
    /// How long an answer may take.
    pub(super) timeout: Duration,
}

impl Webhook {
    fn of(webhook: &Value) -> Self {
        let client = "/clientConfig";
        let at = |field: &str| text(webhook, &format!("{client}/{field}"));
        let port = integer(webhook, "/clientConfig/service/port").unwrap_or(443);
        Self {
            name: text(webhook, "/name").to_owned(),
            service: Key::core("Service", at("service/namespace"), at("service/name")),
            port: u16::try_from(port).unwrap_or(443),
            path: format!("/{}", at("service/path").trim_start_matches('/')),
            roots: STANDARD.decode(at("caBundle")).unwrap_or_default(),
            fails: text(webhook, "/failurePolicy") != "Ignore",
            timeout: Duration::from_secs(
                integer(webhook, "/timeoutSeconds")
                    .unwrap_or(TIMEOUT)
                    .clamp(1, 30)
                    .unsigned_abs(),
            ),
        }
    }
}

/// The mutating webhooks that a new pod is shown to, in the order of their configurations' names.
pub(super) fn mutating(view: &View, pod: &Value) -> Vec<Webhook> {
    let namespace_labels = view
        .get(&Key::core("Namespace", "", namespace(pod)))
        .map(|namespace| labels(namespace))
        .unwrap_or_default();
    let pod_labels = labels(pod);
    let mut configurations: Vec<_> = view.of_kind(GROUP, MUTATING).collect();
    configurations.sort_by_key(|(key, _)| key.name.as_str());
    configurations
        .into_iter()
        .flat_map(|(_, configuration)| list(configuration, "/webhooks"))
        .filter(|webhook| list(webhook, "/rules").iter().any(is_about_new_pods))
        .filter(|webhook| {
            selects(webhook, "namespaceSelector", &namespace_labels)
                && selects(webhook, "objectSelector", &pod_labels)
        })
        .map(Webhook::of)
        .collect()
}

fn is_about_new_pods(rule: &Value) -> bool {
    let names = |field: &str, wanted: &[&str]| {
        list(rule, field)
            .iter()
            .filter_map(Value::as_str)
            .any(|one| wanted.contains(&one))
    };
    names("/operations", &["CREATE", "*"])
        && names("/apiGroups", &["", "*"])
        && names("/apiVersions", &["v1", "*"])
        && names("/resources", &["pods", "*", "*/*"])
        && matches!(text(rule, "/scope"), "" | "*" | "Namespaced")
}

/// An empty selector selects everything, as nowhere else in Kubernetes but here.
fn selects(
    webhook: &Value,
    field: &str,
    labels: &std::collections::BTreeMap<String, String>,
) -> bool {
    webhook
        .get(field)
        .and_then(Selector::of_label_selector)
        .is_none_or(|selector| selector.matches(labels))
}

/// Refuses a configuration that asks for what is not done here: a webhook that is silently not called would let through
/// what it is there to stop.
///
/// # Errors
/// Names the field.
pub fn check(configuration: &Value) -> Result<(), String> {
    let kind = text(configuration, "/kind");
    let name = text(configuration, "/metadata/name");
    let invalid = |index: usize, field: &str, problem: &str| {
        Err(format!(
            "{kind}.{GROUP} {name:?} is invalid: webhooks[{index}].{field}: {problem}"
        ))
    };
    for (index, webhook) in list(configuration, "/webhooks").iter().enumerate() {
        if text(webhook, "/clientConfig/service/name").is_empty() {
            return invalid(
                index,
                "clientConfig.service",
                "Required value: lateen local calls webhooks behind a Service alone, not by url",
            );
        }
        if !list(webhook, "/matchConditions").is_empty() {
            return invalid(
                index,
                "matchConditions",
                "lateen local evaluates no CEL: select by namespaceSelector and objectSelector",
            );
        }
        if STANDARD
            .decode(text(webhook, "/clientConfig/caBundle"))
            .is_err()
        {
            return invalid(index, "clientConfig.caBundle", "Invalid value: not base64");
        }
        for field in ["namespaceSelector", "objectSelector"] {
            for expression in list(webhook, &format!("/{field}/matchExpressions")) {
                let operator = text(expression, "/operator");
                if !matches!(operator, "In" | "NotIn" | "Exists" | "DoesNotExist") {
                    return invalid(
                        index,
                        &format!("{field}.matchExpressions"),
                        &format!("Invalid value: {operator:?}: not a valid selector operator"),
                    );
                }
            }
        }
    }
    Ok(())
}
