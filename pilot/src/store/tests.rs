#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use resources::problem::Severity;
use resources::yaml;

use super::*;

fn objects(text: &str) -> BTreeMap<RawKey, Arc<RawObject>> {
    let loaded = yaml::load(text, "x.yaml");
    assert_eq!(loaded.problems, []);
    loaded
        .objects
        .into_iter()
        .map(|o| (o.key(), Arc::new(o)))
        .collect()
}

fn store() -> Store {
    Store::new(Settings::default(), "istio-system")
}

fn service(name: &str, port: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
         spec: {{clusterIP: 10.0.0.1, ports: [{{name: http, port: {port}}}]}}\n"
    )
}

#[test]
fn an_object_that_cannot_be_typed_keeps_its_last_good_form() {
    let mut store = store();
    assert!(store.apply(&objects(&service("a", "80")), None));
    assert_eq!(store.snapshot().service_count(), 1);
    assert!(!store.apply(&objects(&service("a", "none")), None));
    assert_eq!(store.snapshot().service_count(), 1);
    let problems = store.problems();
    assert_eq!(problems[0].severity, Severity::Error);
    assert_eq!(problems[0].object.as_deref(), Some("Service default/a"));
    assert!(store.apply(&BTreeMap::new(), None));
    assert_eq!(store.snapshot().service_count(), 0);
    assert_eq!(store.problems(), []);
}

#[test]
fn one_bad_object_does_not_stop_the_others() {
    let mut store = store();
    let text = format!("{}---\n{}", service("bad", "none"), service("good", "80"));
    assert!(store.apply(&objects(&text), None));
    assert_eq!(store.snapshot().service_count(), 1);
    assert_eq!(store.problems().len(), 1);
}

#[test]
fn unknown_kinds_and_fields_are_warnings_that_name_them() {
    let mut store = store();
    let text = format!(
        "{}---\napiVersion: example.com/v1\nkind: Widget\nmetadata: {{name: w}}\n",
        service("a", "80").replace("ports:", "prots: 1, ports:")
    );
    store.apply(&objects(&text), None);
    assert_eq!(store.snapshot().service_count(), 1);
    let problems = store.problems();
    let all: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert!(
        problems.iter().all(|p| p.severity == Severity::Warning),
        "{all:?}"
    );
    assert!(all.iter().any(|p| p.contains("spec.prots")), "{all:?}");
    assert!(all.iter().any(|p| p.contains("Widget")), "{all:?}");
}

#[test]
fn the_same_objects_again_change_nothing() {
    let mut store = store();
    assert!(store.apply(&objects(&service("a", "80")), None));
    assert!(!store.apply(&objects(&service("a", "80")), None));
}

#[test]
fn the_meshs_configuration_comes_from_the_config_map_or_a_file() {
    let mut store = store();
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n\
               data: {mesh: 'accessLogFile: /dev/stdout'}\n";
    store.apply(&objects(map), None);
    assert_eq!(store.snapshot().mesh().access_log_file, "/dev/stdout");
    let file = MeshText {
        text: "accessLogFile: /tmp/log".to_owned(),
        source: "mesh".to_owned(),
    };
    store.apply(&objects(map), Some(&file));
    assert_eq!(store.snapshot().mesh().access_log_file, "/tmp/log");
    store.apply(&BTreeMap::new(), None);
    assert_eq!(store.snapshot().mesh().access_log_file, "");
}

#[test]
fn a_broken_mesh_configuration_leaves_the_last_good_one() {
    let mut store = store();
    let mesh = |text: &str| MeshText {
        text: text.to_owned(),
        source: "mesh.yaml".to_owned(),
    };
    store.apply(&BTreeMap::new(), Some(&mesh("accessLogFile: /dev/stdout")));
    store.apply(&BTreeMap::new(), Some(&mesh("accessLogFile: [")));
    assert_eq!(store.snapshot().mesh().access_log_file, "/dev/stdout");
    assert_eq!(store.problems().len(), 1);
}

#[test]
fn more_objects_than_are_taken_in_at_a_time_are_all_there_and_go_all() {
    let mut store = store();
    let many: String = (0..2 * AT_ONCE + 1)
        .map(|n| format!("{}---\n", service(&format!("s{n}"), "80")))
        .collect();
    assert!(store.apply(&objects(&many), None));
    assert_eq!(store.snapshot().service_count(), 2 * AT_ONCE + 1);
    assert!(!store.apply(&objects(&many), None));
    assert!(store.apply(&BTreeMap::new(), None));
    assert_eq!(store.snapshot().service_count(), 0);
}
