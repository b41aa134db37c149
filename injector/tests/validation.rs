//! Istio's own objects to accept and to refuse, as the API server would send them to `/validate`.
//! LATEEN_CONFORMANCE names the folder that holds `validation/`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeSet;
use std::path::PathBuf;

use injector::webhook::validate;
use serde_json::{Value, json};

/// An object, and the field for which Istio refuses it.
struct Case {
    place: String,
    object: Value,
    refused: Option<String>,
}

fn cases() -> Vec<Case> {
    let root = std::env::var_os("LATEEN_CONFORMANCE")
        .expect("LATEEN_CONFORMANCE must name the folder of Istio's test data");
    let folder = PathBuf::from(root).join("validation");
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        for (n, document) in text.split("\n---").enumerate() {
            let mut object: Value = serde_saphyr::from_str(document).unwrap();
            let Some(fields) = object.as_object_mut() else {
                continue;
            };
            let error = fields.remove("_err");
            assert_eq!(
                error.is_some(),
                name.ends_with("-invalid.yaml"),
                "{name} {n}"
            );
            cases.push(Case {
                place: format!("{name} {n}"),
                object,
                refused: error.map(|error| error.as_str().unwrap().to_owned()),
            });
        }
    }
    cases
}

fn asked(object: &Value) -> Value {
    let (group, version) = object["apiVersion"]
        .as_str()
        .unwrap()
        .split_once('/')
        .unwrap();
    let kind = json!({"group": group, "version": version, "kind": object["kind"]});
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {"uid": "u", "kind": kind, "namespace": "default", "operation": "CREATE", "object": object},
    });
    validate(&review).unwrap()["response"].take()
}

#[test]
fn verdicts_are_istios_and_a_kind_that_is_not_read_is_warned_of() {
    let (mut wrong, mut judged, mut unread) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for case in cases() {
        let kind = case.object["kind"].as_str().unwrap().to_owned();
        let response = asked(&case.object);
        let warnings = response["warnings"].to_string();
        if warnings.contains("is not read by this control plane") {
            assert_eq!(response["allowed"], true, "{}", case.place);
            unread.insert(kind);
            continue;
        }
        judged.insert(kind);
        let allowed = response["allowed"].as_bool().unwrap();
        if allowed != case.refused.is_none() {
            wrong.push(format!("{}: {:?}: {response}", case.place, case.refused));
        }
        if case.refused.is_none() && response.get("warnings").is_some() {
            wrong.push(format!("{}: warned of: {warnings}", case.place));
        }
    }
    eprintln!("judged: {judged:?}; not read: {unread:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for kind in ["DestinationRule", "PeerAuthentication"] {
        assert!(judged.contains(kind), "{kind} is not judged");
    }
}
