#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
use std::collections::BTreeMap;

use serde_json::json;

use super::label::{patch, split};
use super::rollout::progress;
use super::target::{Target, one, parse};

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[test]
fn objects_are_named_in_kubectls_ways() {
    let target = |kind: &str, names: &[&str]| Target {
        kind: kind.into(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    };
    for (text, expected) in [
        ("pods", vec![target("pods", &[])]),
        ("pod a b", vec![target("pod", &["a", "b"])]),
        (
            "pod/a deploy/b",
            vec![target("pod", &["a"]), target("deploy", &["b"])],
        ),
        ("pods,svc", vec![target("pods", &[]), target("svc", &[])]),
    ] {
        assert_eq!(parse(&words(text)).unwrap(), expected, "{text}");
    }
    assert!(parse(&words("pod/a b")).is_err());
    assert_eq!(one(&words("deployment web")).unwrap().1, "web");
    assert!(one(&words("deployment")).is_err());
}

#[test]
fn labels_to_set_and_to_remove_are_told_from_objects() {
    let (objects, changes) = split(&words("namespace default istio-injection=enabled old-"));
    assert_eq!(objects, ["namespace", "default"]);
    assert_eq!(changes["istio-injection"].as_deref(), Some("enabled"));
    assert_eq!(changes["old"], None);
}

#[test]
fn a_label_that_has_another_value_is_not_overwritten_unasked() {
    let before = BTreeMap::from([("istio-injection".to_owned(), "enabled".to_owned())]);
    let (_, changes) = split(&words("istio-injection=disabled"));
    assert_eq!(
        patch(&before, &changes, false).unwrap_err(),
        "'istio-injection' already has a value (enabled), and --overwrite is false"
    );
    assert!(patch(&before, &changes, true).is_ok());
    let (_, bad) = split(&words("a=b/c"));
    assert!(patch(&before, &bad, true).is_err());
}

#[test]
fn a_rollouts_progress_reads_as_kubectl_says_it() {
    let deployment = |updated: u8, all: u8, available: u8| {
        json!({"metadata": {"name": "web", "generation": 2}, "spec": {"replicas": 3},
            "status": {"observedGeneration": 2, "updatedReplicas": updated, "replicas": all, "availableReplicas": available}})
    };
    for (deployment, line, done) in [
        (
            deployment(1, 4, 3),
            "Waiting for deployment \"web\" rollout to finish: 1 out of 3 new replicas have been updated...",
            false,
        ),
        (
            deployment(3, 4, 3),
            "Waiting for deployment \"web\" rollout to finish: 1 old replicas are pending termination...",
            false,
        ),
        (
            deployment(3, 3, 2),
            "Waiting for deployment \"web\" rollout to finish: 2 of 3 updated replicas are available...",
            false,
        ),
        (
            deployment(3, 3, 3),
            "deployment \"web\" successfully rolled out",
            true,
        ),
    ] {
        assert_eq!(progress(&deployment), (line.to_owned(), done));
    }
}
