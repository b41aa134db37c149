//! Injection of manifests: YAML in, YAML out, objects without a pod passed through.

use serde_json::Value;

use crate::annotations::annotations_without_effect;
use crate::context::{PodContext, Workload};
use crate::decide::{Decision, decide_pod};
use crate::error::KubeInjectError;
use crate::inject::inject;
use crate::pod;
use crate::settings::Settings;
use crate::workload;

/// Injects every pod and pod template of a YAML stream (Pods, Deployments, StatefulSets,
/// DaemonSets, ReplicaSets, ReplicationControllers, Jobs, CronJobs, DeploymentConfigs and lists of
/// them). Pods that say no, and all other objects, come out as they went in. Each document ends
/// with a line `---`.
///
/// # Errors
/// [`KubeInjectError`] when the text is not YAML or an object cannot be injected; it names the
/// object and the field.
pub fn kube_inject(yaml: &str, settings: &Settings) -> Result<String, KubeInjectError> {
    kube_inject_noting(yaml, settings, &mut Vec::new())
}

/// The same; what an object asks for in vain is added to `warnings`.
pub(crate) fn kube_inject_noting(
    yaml: &str,
    settings: &Settings,
    warnings: &mut Vec<String>,
) -> Result<String, KubeInjectError> {
    let options = serde_saphyr::options! {
        // YAML 1.1, as Kubernetes reads it: `defaultMode: 0644` is octal.
        legacy_octal_numbers: true,
    };
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(yaml, options)
        .map_err(|e| KubeInjectError::Yaml(e.without_snippet().to_string()))?;
    let mut text = String::new();
    for mut document in documents.into_iter().filter(|d| !d.is_null()) {
        inject_at_depth(&mut document, settings, 0, warnings)?;
        text.push_str(&write(&document)?);
        text.push_str("---\n");
    }
    Ok(text)
}

/// How deep lists may stand in lists; deeper ones pass through.
const MAX_LIST_DEPTH: usize = 4;

fn inject_at_depth(
    object: &mut Value,
    settings: &Settings,
    depth: usize,
    warnings: &mut Vec<String>,
) -> Result<(), KubeInjectError> {
    let kind = text(object, "/kind");
    if kind == "List" && depth < MAX_LIST_DEPTH {
        let items = object.get_mut("items").and_then(Value::as_array_mut);
        for item in items.into_iter().flatten() {
            inject_at_depth(item, settings, depth + 1, warnings)?;
        }
        return Ok(());
    }
    let Some(place) = workload::pod_place(object) else {
        return Ok(());
    };
    let namespace = match text(object, "/metadata/namespace") {
        namespace if namespace.is_empty() => "default".to_owned(),
        namespace => namespace,
    };
    let name = text(object, "/metadata/name");
    let api_version = text(object, "/apiVersion");
    let pod = workload::take(object, place);
    let injected = pod::check(&pod).and_then(|()| {
        if decide_pod(&namespace, &pod, settings) != Decision::Inject {
            return Ok(None);
        }
        let context = match kind.as_str() {
            "Pod" => PodContext::of_pod(&namespace, &pod),
            _ => PodContext::new(
                &namespace,
                Workload {
                    api_version,
                    kind: kind.clone(),
                    name: name.clone(),
                },
            ),
        };
        inject(&pod, &context, settings).map(Some)
    });
    let injected = injected.map_err(|source| KubeInjectError::Object {
        object: format!("{kind} {namespace}/{name}"),
        source,
    })?;
    if injected.is_some() {
        let vain = annotations_without_effect(&pod).into_iter();
        warnings.extend(vain.map(|vain| format!("{kind} {namespace}/{name}: {vain}")));
    }
    if injected.is_some() {
        workload::in_istios_form(object);
    }
    workload::put(object, place, injected.unwrap_or(pod));
    Ok(())
}

fn text(object: &Value, pointer: &str) -> String {
    let text = object.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// Multi-line texts as blocks, none folded; texts that YAML 1.1 would read as something else
/// quoted.
fn write(document: &Value) -> Result<String, KubeInjectError> {
    let options = serde_saphyr::ser_options! {
        folded_wrap_chars: 1_000_000,
    };
    serde_saphyr::to_string_with_options(document, options)
        .map_err(|e| KubeInjectError::Yaml(e.to_string()))
}
