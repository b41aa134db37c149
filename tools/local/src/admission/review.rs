//! `admission.k8s.io/v1`: what a webhook is asked, and what its answer means. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::object::{Key, list, namespace, text};
use crate::random;

/// One question.
pub(super) struct Request<'a> {
    uid: String,
    object: &'a Value,
}

/// What became of the object.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// It may be stored as this, with these warnings.
    Allowed(Value, Vec<String>),
    /// It may not, for this reason.
    Denied(String),
}

impl<'a> Request<'a> {
    /// A pod that is to be created.
    pub(super) fn creation(pod: &'a Value) -> Self {
        Self {
            uid: random::uuid(),
            object: pod,
        }
    }

    /// The `AdmissionReview` to send.
    pub(super) fn review(&self) -> Value {
        let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
        let resource = json!({"group": "", "version": "v1", "resource": "pods"});
        json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": self.uid,
                "kind": kind,
                "resource": resource,
                "requestKind": kind,
                "requestResource": resource,
                "name": text(self.object, "/metadata/name"),
                "namespace": namespace(self.object),
                "operation": "CREATE",
                "userInfo": {"username": "system:admin", "groups": ["system:masters"]},
                "object": self.object,
                "oldObject": null,
                "dryRun": false,
                "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
            },
        })
    }
}

/// What the answer to `request` means.
///
/// # Errors
/// When it is no answer to it, or its patch does not fit.
pub(super) fn read(answer: &Value, request: &Request<'_>) -> Result<Verdict, String> {
    let uid = text(answer, "/response/uid");
    if uid != request.uid {
        return Err(format!(
            "expected response.uid={:?}, got {uid:?}",
            request.uid
        ));
    }
    let warnings = list(answer, "/response/warnings")
        .iter()
        .filter_map(|warning| warning.as_str().map(str::to_owned))
        .collect();
    if answer.pointer("/response/allowed") != Some(&Value::Bool(true)) {
        let reason = match text(answer, "/response/status/message") {
            "" => "without explanation",
            reason => reason,
        };
        return Ok(Verdict::Denied(reason.to_owned()));
    }
    let mut object = request.object.clone();
    let patch = text(answer, "/response/patch");
    if !patch.is_empty() {
        let kind = text(answer, "/response/patchType");
        if kind != "JSONPatch" {
            return Err(format!("unsupported patch type: {kind:?}"));
        }
        let unusable = |problem: String| format!("response.patch: {problem}");
        let bytes = STANDARD
            .decode(patch)
            .map_err(|problem| unusable(problem.to_string()))?;
        let patch: json_patch::Patch =
            serde_json::from_slice(&bytes).map_err(|problem| unusable(problem.to_string()))?;
        json_patch::patch(&mut object, &patch).map_err(|problem| unusable(problem.to_string()))?;
        if Key::of(&object) != Key::of(request.object) {
            return Err(unusable(
                "it changes the object's kind, name or namespace".to_owned(),
            ));
        }
    }
    Ok(Verdict::Allowed(object, warnings))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn answered(response: Value) -> Result<Verdict, String> {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}});
        let request = Request {
            uid: "u".to_owned(),
            object: &pod,
        };
        read(&json!({"response": response}), &request)
    }

    #[test]
    fn a_patch_changes_the_object_and_warnings_come_along() {
        let patch =
            STANDARD.encode(r#"[{"op":"add","path":"/metadata/labels","value":{"a":"b"}}]"#);
        let verdict = answered(
            json!({"uid": "u", "allowed": true, "patchType": "JSONPatch",
            "patch": patch, "warnings": ["mind"]}),
        );
        let changed = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"a": "b"}}});
        assert_eq!(
            verdict.unwrap(),
            Verdict::Allowed(changed, vec!["mind".to_owned()])
        );
    }

    #[test]
    fn a_refusal_says_why() {
        let refused = json!({"uid": "u", "allowed": false, "status": {"message": "no"}});
        assert_eq!(answered(refused), Ok(Verdict::Denied("no".to_owned())));
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_no_permission() {
        let remove = STANDARD.encode(r#"[{"op":"remove","path":"/spec"}]"#);
        let rename = STANDARD.encode(r#"[{"op":"replace","path":"/metadata/name","value":"b"}]"#);
        for (response, problem) in [
            (json!({"uid": "v", "allowed": true}), "response.uid"),
            (
                json!({"uid": "u", "allowed": true, "patch": "W10=", "patchType": "Merge"}),
                "patch type",
            ),
            (
                json!({"uid": "u", "allowed": true, "patch": "?", "patchType": "JSONPatch"}),
                "response.patch",
            ),
            (
                json!({"uid": "u", "allowed": true, "patch": remove, "patchType": "JSONPatch"}),
                "response.patch",
            ),
            (
                json!({"uid": "u", "allowed": true, "patch": rename, "patchType": "JSONPatch"}),
                "name or namespace",
            ),
        ] {
            assert!(answered(response).unwrap_err().contains(problem));
        }
    }
}
