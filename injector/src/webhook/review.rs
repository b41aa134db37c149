//! `/inject`: a pod goes in, the patch that injects it comes out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::admission::{Request, ReviewError};
use crate::annotations::annotations_without_effect;
use crate::context::PodContext;
use crate::decide::{Decision, decide_pod, near_miss_labels};
use crate::error::InjectError;
use crate::inject::inject;
use crate::pod;
use crate::settings::Settings;

/// What came of a request, for metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Injected,
    Skipped,
    Refused(String),
}

/// Answers a review. `path` is what follows `/inject` in the webhook's URL:
/// `cluster/<name>/net/<name>`, either or none. Pods are decided on and injected, other objects
/// let through; a pod that cannot be injected is refused with the reason.
///
/// # Errors
/// [`ReviewError`] when there is nothing to answer to.
pub fn review(request: &Value, path: &str, settings: &Settings) -> Result<Value, ReviewError> {
    answer(request, path, settings).map(|(response, _)| response)
}

pub(super) fn answer(
    review: &Value,
    path: &str,
    settings: &Settings,
) -> Result<(Value, Outcome), ReviewError> {
    let request = Request::of(review)?;
    let pod = request.object;
    if request.kind != "Pod" {
        return Ok((request.allowed(Vec::new()).review(), Outcome::Skipped));
    }
    let namespace = request.namespace.unwrap_or("default");
    let mut warnings = near_miss_labels(&pod::strings(pod, "labels"));
    Ok(match patch(pod, namespace, path, settings) {
        Ok(Some(patch)) => {
            warnings.extend(annotations_without_effect(pod));
            let mut response = request.allowed(warnings);
            response.patch_type = Some("JSONPatch");
            response.patch = Some(STANDARD.encode(patch));
            (response.review(), Outcome::Injected)
        }
        Ok(None) => (request.allowed(warnings).review(), Outcome::Skipped),
        Err(error) => {
            let message = format!("sidecar injection of the pod failed: {error}");
            let response = request.refused(message.clone(), warnings);
            (response.review(), Outcome::Refused(message))
        }
    })
}

/// The patch as RFC 6902 JSON, computed on the raw object so that fields unknown here survive.
fn patch(
    pod: &Value,
    namespace: &str,
    path: &str,
    settings: &Settings,
) -> Result<Option<Vec<u8>>, InjectError> {
    pod::check(pod)?;
    if decide_pod(namespace, pod, settings) != Decision::Inject {
        return Ok(None);
    }
    let mut context = PodContext::of_pod(namespace, pod);
    let mut parts = path.split('/').filter(|p| !p.is_empty());
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        match key {
            "cluster" => context.cluster = Some(value.to_owned()),
            "net" => context.network = Some(value.to_owned()),
            _ => {}
        }
    }
    let injected = inject(pod, &context, settings)?;
    let patch = json_patch::diff(pod, &injected);
    serde_json::to_vec(&patch)
        .map(Some)
        .map_err(|_| InjectError::Malformed {
            path: "the patch".to_owned(),
            expected: "representable as JSON",
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use serde_json::json;

    use super::*;

    fn request(kind: &str, object: Value) -> Value {
        json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "u-1", "kind": {"version": "v1", "kind": kind}, "namespace": "shop",
                "operation": "CREATE", "object": object,
            },
        })
    }

    fn answered(kind: &str, object: Value) -> Value {
        review(&request(kind, object), "", &Settings::default()).unwrap()["response"].take()
    }

    #[test]
    fn the_patch_turns_the_pod_into_the_injected_pod_and_unknown_fields_survive() {
        let mut pod = json!({
            "metadata": {"generateName": "web-5d4f-", "labels": {"app": "web", "pod-template-hash": "5d4f"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4f", "controller": true}]},
            "spec": {
                "fieldOfTheFuture": {"a": 1},
                "containers": [{"name": "web", "image": "web:1", "newField": true}],
            },
        });
        let response = review(
            &request("Pod", pod.clone()),
            "/cluster/c1/net/n1",
            &Settings::default(),
        )
        .unwrap()["response"]
            .take();
        assert_eq!(response["uid"], "u-1");
        assert_eq!(response["patchType"], "JSONPatch");
        let patch = STANDARD
            .decode(response["patch"].as_str().unwrap())
            .unwrap();
        let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
        let mut context = PodContext::of_pod("shop", &pod);
        assert_eq!(context.workload.name, "web");
        context.cluster = Some("c1".to_owned());
        context.network = Some("n1".to_owned());
        let injected = inject(&pod, &context, &Settings::default()).unwrap();
        json_patch::patch(&mut pod, &patch).unwrap();
        assert_eq!(pod, injected);
        assert_eq!(pod["spec"]["fieldOfTheFuture"], json!({"a": 1}));
        assert_eq!(pod["spec"]["containers"][0]["newField"], true);
        assert_eq!(pod["metadata"]["labels"]["topology.istio.io/network"], "n1");
    }

    #[test]
    fn pods_that_say_no_and_other_kinds_are_let_through_without_a_patch() {
        let no = json!({"metadata": {"labels": {"sidecar.istio.io/inject": "false"}}, "spec": {}});
        for response in [
            answered("Pod", no),
            answered("Service", json!({"spec": []})),
        ] {
            assert_eq!(response["allowed"], true);
            assert_eq!(response.get("patch"), None);
        }
    }

    #[test]
    fn a_pod_that_cannot_be_injected_is_refused_by_field() {
        let annotations = json!({"status.sidecar.istio.io/port": "many"});
        let bad = json!({"metadata": {"annotations": annotations}, "spec": {"containers": []}});
        let response = answered("Pod", bad);
        assert_eq!(response["allowed"], false);
        let message = response["status"]["message"].as_str().unwrap();
        assert!(
            message.contains("status.sidecar.istio.io/port"),
            "{message}"
        );
    }

    #[test]
    fn a_misspelt_label_is_warned_of() {
        let pod = json!({"metadata": {"labels": {"sidecar.istio.io/injected": "true"}}, "spec": {"containers": []}});
        let warnings = answered("Pod", pod)["warnings"].take();
        assert!(
            warnings[0].as_str().unwrap().contains("did you mean"),
            "{warnings}"
        );
    }

    #[test]
    fn an_annotation_without_effect_is_warned_of_where_the_pod_is_injected() {
        let annotations = json!({"sidecar.istio.io/enableCoreDump": "true"});
        for (inject, warnings) in [("true", 1), ("false", 0)] {
            let labels = json!({"sidecar.istio.io/inject": inject});
            let pod = json!({"metadata": {"annotations": annotations, "labels": labels}, "spec": {"containers": []}});
            let given = answered("Pod", pod)["warnings"].take();
            assert_eq!(given.as_array().map_or(0, Vec::len), warnings, "{given}");
        }
    }

    #[test]
    fn what_is_no_review_gets_no_answer() {
        let settings = Settings::default();
        assert_eq!(
            review(&json!({}), "", &settings),
            Err(ReviewError::NotAReview)
        );
        let mut without = request("Pod", json!({}));
        without["request"]["uid"].take();
        assert_eq!(review(&without, "", &settings), Err(ReviewError::NoUid));
    }
}
