#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
use super::*;

fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
           "spec": {"terminationGracePeriodSeconds": 7}})
}

#[test]
fn a_created_object_gets_identity_and_a_second_of_that_name_is_refused() {
    let store = Store::default();
    let made = store.create(pod("a")).unwrap();
    assert!(!uid(&made).is_empty());
    assert_eq!(made["metadata"]["resourceVersion"], "1");
    let error = store.create(pod("a")).unwrap_err();
    assert_eq!(error.to_string(), r#"pods "a" already exists"#);
}

#[test]
fn writing_the_same_object_again_changes_nothing() {
    let store = Store::default();
    store.put(pod("a")).unwrap();
    let (outcome, same) = store.put(pod("a")).unwrap();
    assert_eq!(outcome, Outcome::Unchanged);
    assert_eq!(same["metadata"]["resourceVersion"], "1");
}

#[test]
fn a_replaced_object_keeps_its_identity_and_status_and_counts_generations() {
    let store = Store::default();
    let first = store.create(pod("a")).unwrap();
    let key = Key::core("Pod", "default", "a");
    store.set_status(&key, uid(&first), json!({"phase": "Running"}));
    let mut changed = pod("a");
    changed["spec"]["nodeName"] = json!("n");
    let (outcome, second) = store.put(changed).unwrap();
    assert_eq!(outcome, Outcome::Configured);
    assert_eq!(uid(&second), uid(&first));
    assert_eq!(second["status"]["phase"], "Running");
    assert_eq!(second["metadata"]["generation"], 2);
}

#[test]
fn a_deleted_pod_waits_for_the_kubelet_and_a_service_goes_at_once() {
    let store = Store::default();
    let made = store.create(pod("a")).unwrap();
    let key = Key::core("Pod", "default", "a");
    let marked = store.delete(&key, None).unwrap();
    assert!(is_terminating(&marked));
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 7);
    store.remove(&key, "another uid");
    assert!(store.get(&key).is_some());
    store.remove(&key, uid(&made));
    assert!(store.get(&key).is_none());

    let service = Key::core("Service", "default", "s");
    store
        .create(json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "s", "namespace": "default"}}))
        .unwrap();
    store.delete(&service, None).unwrap();
    assert!(store.get(&service).is_none());
}

#[test]
fn a_shorter_grace_period_replaces_a_longer_one() {
    let store = Store::default();
    store.create(pod("a")).unwrap();
    let key = Key::core("Pod", "default", "a");
    store.delete(&key, None).unwrap();
    let hurried = store.delete(&key, Some(0)).unwrap();
    assert_eq!(hurried["metadata"]["deletionGracePeriodSeconds"], 0);
}

#[test]
fn a_status_for_an_object_that_was_made_anew_is_dropped() {
    let store = Store::default();
    store.create(pod("a")).unwrap();
    let key = Key::core("Pod", "default", "a");
    store.set_status(&key, "old uid", json!({"phase": "Failed"}));
    assert!(store.get(&key).unwrap().get("status").is_none());
}

#[test]
fn the_default_namespace_stays_and_others_go() {
    let store = Store::default();
    let namespace =
        |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    for name in ["default", "mine"] {
        store.create(namespace(name)).unwrap();
    }
    let key = |name: &str| Key::core("Namespace", "", name);
    let error = store.delete(&key("default"), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"namespaces "default" is forbidden: this namespace may not be deleted"#
    );
    assert!(!is_terminating(&store.get(&key("default")).unwrap()));
    assert!(is_terminating(&store.delete(&key("mine"), None).unwrap()));
}
