//! `/validate`: whether an object of the mesh's configuration can be used. The rules are
//! [`resources`]'; what it refuses is refused here, what it only doubts becomes a warning.

use resources::object::{Kind, Object};
use resources::problem::Problem;
use resources::yaml::RawObject;
use serde_json::Value;

use super::admission::{Request, ReviewError};

/// The most warnings in one answer; the API server cuts them off at 4096 bytes altogether.
const MAX_WARNINGS: usize = 16;

/// What came of a request, for metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The kind, where it is one that is known: whoever asks must not be able to make up series.
    pub(super) kind: Option<String>,
    /// Why the object was refused; `None` when it was let through.
    pub(super) refused: Option<String>,
}

/// Answers a review of an object of the mesh's configuration (Istio's kinds, and any other that
/// the webhook's rules send here). An object that breaks a rule of its kind is refused with the
/// field; a field that the kind does not have, and a kind that has no effect in this mesh, are
/// warned of. What is deleted, or waits only for its finalizers, is let through.
///
/// # Errors
/// [`ReviewError`] when there is nothing to answer to.
pub fn validate(review: &Value) -> Result<Value, ReviewError> {
    answer(review).map(|(response, _)| response)
}

pub(super) fn answer(review: &Value) -> Result<(Value, Verdict), ReviewError> {
    let request = Request::of(review)?;
    let mut verdict = Verdict {
        kind: None,
        refused: None,
    };
    let response = match check(&request, &mut verdict) {
        Ok(warnings) => request.allowed(warnings),
        Err(problem) => {
            let message = format!("configuration is invalid: {problem}");
            verdict.refused = Some(message.clone());
            request.refused(message, Vec::new())
        }
    };
    Ok((response.review(), verdict))
}

/// The warnings about an object that can be used, or why it cannot.
fn check(request: &Request<'_>, verdict: &mut Verdict) -> Result<Vec<String>, String> {
    if !matches!(request.operation, "CREATE" | "UPDATE") {
        return Ok(Vec::new());
    }
    let text = |pointer: &str| request.object.pointer(pointer).and_then(Value::as_str);
    // Only its finalizers are left to remove, and a rule that is newer than it must not stop that.
    if text("/metadata/deletionTimestamp").is_some() {
        return Ok(Vec::new());
    }
    let written = (text("/apiVersion"), text("/kind"));
    if written != (Some(request.api_version.as_str()), Some(request.kind)) {
        return Err(format!(
            "the object is not the {} of {} that the request names",
            request.kind, request.api_version
        ));
    }
    let name = text("/metadata/name").or_else(|| text("/metadata/generateName"));
    let raw = RawObject {
        api_version: request.api_version.clone(),
        kind: request.kind.to_owned(),
        namespace: request.namespace.map(str::to_owned),
        name: name.unwrap_or_default().to_owned(),
        value: request.object.clone(),
        source: String::new(),
    };
    let parsed = Object::parse(&raw);
    // A refusal is by the rules of a kind, so the kind is known.
    if !matches!(&parsed, Ok((object, _)) if object.kind() == Kind::Unsupported) {
        verdict.kind = Some(raw.kind);
    }
    let (_, doubts) = parsed.map_err(|problem| worded(&problem))?;
    Ok(doubts.iter().take(MAX_WARNINGS).map(worded).collect())
}

/// A finding without place and object, which kubectl says itself.
fn worded(problem: &Problem) -> String {
    match &problem.field {
        Some(field) => format!("{field}: {}", problem.message),
        None => problem.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use serde_json::json;

    use super::*;

    fn rule(spec: Value) -> Value {
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
            "metadata": {"name": "reviews", "namespace": "shop"}, "spec": spec,
        })
    }

    fn review(operation: &str, object: Value) -> Value {
        let kind =
            json!({"group": "networking.istio.io", "version": "v1", "kind": "DestinationRule"});
        json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {"uid": "u-1", "kind": kind, "namespace": "shop", "operation": operation, "object": object},
        })
    }

    fn response(operation: &str, object: Value) -> Value {
        validate(&review(operation, object)).unwrap()["response"].take()
    }

    #[test]
    fn an_object_that_breaks_a_rule_of_its_kind_is_refused_with_the_field() {
        let bad = rule(json!({
            "host": "reviews",
            "trafficPolicy": {"loadBalancer": {"warmup": {"duration": "30s", "minimumPercent": 150}}},
        }));
        let field = "spec.trafficPolicy.loadBalancer.warmup.minimumPercent";
        for operation in ["CREATE", "UPDATE"] {
            let response = response(operation, bad.clone());
            assert_eq!(response["uid"], "u-1");
            assert_eq!(response["allowed"], false);
            let message = response["status"]["message"].as_str().unwrap();
            assert!(
                message.starts_with(&format!("configuration is invalid: {field}: ")),
                "{message}"
            );
        }
        assert_eq!(response("DELETE", Value::Null)["allowed"], true);
        let mut leaving = bad;
        leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(response("UPDATE", leaving)["allowed"], true);
    }

    #[test]
    fn a_misspelt_field_is_warned_of_and_the_object_let_through() {
        let response = response("CREATE", rule(json!({"host": "reviews", "subset": []})));
        assert_eq!(response["allowed"], true);
        let warning = response["warnings"][0].as_str().unwrap();
        assert!(warning.starts_with("spec.subset: "), "{warning}");
    }

    #[test]
    fn an_object_of_another_kind_than_the_request_says_is_refused() {
        let mut other = rule(json!({"host": "reviews"}));
        other["kind"] = json!("Gateway");
        assert_eq!(response("CREATE", other)["allowed"], false);
        assert_eq!(response("CREATE", Value::Null)["allowed"], false);
    }

    #[test]
    fn a_kind_without_effect_is_let_through_with_a_warning_and_makes_no_series() {
        let kind = json!({"group": "example.com", "version": "v1", "kind": "Made-up"});
        let object =
            json!({"apiVersion": "example.com/v1", "kind": "Made-up", "metadata": {"name": "a"}});
        let mut request = review("CREATE", object);
        request["request"]["kind"] = kind;
        let (answer, verdict) = answer(&request).unwrap();
        assert_eq!(answer["response"]["allowed"], true);
        assert!(answer["response"]["warnings"][0].is_string(), "{answer}");
        assert_eq!(verdict.kind, None);
    }
}
