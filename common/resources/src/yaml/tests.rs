#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use super::*;

fn names(loaded: &Loaded) -> Vec<String> {
    loaded.objects.iter().map(RawObject::describe).collect()
}

#[test]
fn a_malformed_document_does_not_hide_its_neighbours() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\n\
                apiVersion: v1\nkind: [Service\nmetadata: {name: b}\n---\n\
                apiVersion: v1\nkind: Service\nmetadata: {name: c}\n";
    let loaded = load(text, "svc.yaml");
    assert_eq!(names(&loaded), ["Service default/a", "Service default/c"]);
    assert_eq!(loaded.problems.len(), 1);
    let problem = &loaded.problems[0];
    assert_eq!(problem.document, Some(2));
    let line = problem.line.unwrap();
    assert!((5..=8).contains(&line), "line {line} is not in document 2");
    assert!(problem.to_string().starts_with("error: svc.yaml:"));
}

#[test]
fn lists_are_flattened() {
    let text = "apiVersion: v1\nkind: List\nitems:\n\
                - {apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n\
                - {apiVersion: v1, kind: Pod, metadata: {name: p, namespace: shop}}\n";
    let loaded = load(text, "x");
    assert_eq!(names(&loaded), ["Namespace shop", "Pod shop/p"]);
    assert_eq!(loaded.problems, []);
}

#[test]
fn a_kind_that_ends_in_list_but_has_no_items_is_an_object() {
    let loaded = load(
        "apiVersion: x.io/v1\nkind: AllowList\nmetadata: {name: a}\n",
        "x",
    );
    assert_eq!(names(&loaded), ["AllowList default/a"]);
}

#[test]
fn the_default_namespace_is_written_into_the_object() {
    let loaded = load(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
        "x",
    );
    assert_eq!(loaded.objects[0].namespace.as_deref(), Some("default"));
    assert_eq!(
        loaded.objects[0].value["metadata"]["namespace"],
        Value::String("default".into())
    );
}

#[test]
fn a_duplicate_is_reported_and_the_first_is_kept() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {n: first}}\n---\n\
                apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {n: second}}\n";
    let loaded = load(text, "x");
    assert_eq!(loaded.objects.len(), 1);
    assert_eq!(
        loaded.objects[0].value["metadata"]["labels"]["n"].as_str(),
        Some("first")
    );
    let problem = &loaded.problems[0];
    assert_eq!(problem.object.as_deref(), Some("Pod default/a"));
    assert!(
        problem.message.contains("document 1"),
        "{}",
        problem.message
    );
}

#[test]
fn versions_of_one_group_name_one_object() {
    let text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n---\n\
                apiVersion: networking.istio.io/v1alpha3\nkind: VirtualService\nmetadata: {name: a}\n";
    let loaded = load(text, "x");
    assert_eq!((loaded.objects.len(), loaded.problems.len()), (1, 1));
}

#[test]
fn what_lacks_a_kind_or_a_name_is_named_as_such() {
    for (text, expected) in [
        ("metadata: {name: a}\n", "apiVersion: is missing"),
        ("apiVersion: v1\nmetadata: {name: a}\n", "kind: is missing"),
        ("apiVersion: v1\nkind: Pod\n", "metadata: is missing"),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {}\n",
            "metadata.name: is missing",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: 7}\n",
            "metadata.name: 7 is not a name",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: ../etc}\n",
            "is not a name",
        ),
        ("- a\n- b\n", "is not an object"),
        ("just words\n", "is not an object"),
    ] {
        let loaded = load(text, "x");
        assert_eq!(loaded.objects, [], "{text}");
        assert!(
            loaded.problems[0].message.contains(expected),
            "{}",
            loaded.problems[0]
        );
    }
}

#[test]
fn yaml_as_kubernetes_reads_it() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {id: \"12345\"}}\n\
                spec: {on: yes, mode: 0644, port: 8081, weight: 0.5, nothing: ~, text: 'true'}\n";
    let spec = &load(text, "x").objects[0].value;
    assert_eq!(spec["metadata"]["labels"]["id"].as_str(), Some("12345"));
    let spec = &spec["spec"];
    assert_eq!(spec["mode"].as_u64(), Some(0o644));
    assert_eq!(spec["port"].as_u64(), Some(8081));
    assert_eq!(spec["weight"].as_f64(), Some(0.5));
    assert_eq!(spec["text"].as_str(), Some("true"));
    assert!(spec["nothing"].is_null());
}

#[test]
fn json_is_yaml() {
    let text = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}"#;
    assert_eq!(names(&load(text, "x")), ["Pod default/a"]);
}

#[test]
fn nesting_aliases_and_size_are_bounded() {
    let deep = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {}{}\n",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let bomb = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n\
                a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n\
                c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n\
                e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    let long = format!("a: \"{}\"\n", "x".repeat(MAX_DOCUMENT));
    for text in [deep.as_str(), bomb, long.as_str()] {
        let text = format!("{text}---\napiVersion: v1\nkind: Pod\nmetadata: {{name: after}}\n");
        let loaded = load(&text, "x");
        assert_eq!(names(&loaded), ["Pod default/after"]);
        assert_eq!(loaded.problems.len(), 1);
    }
}

#[test]
fn every_cut_of_a_text_is_read_without_harm() {
    let text = "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\nspec:\n  ports:\n  - port: 80\n\
                ---\napiVersion: v1\nkind: Pod\nmetadata: {name: \"b\"}\n";
    for end in 0..=text.len() {
        let loaded = load(&text[..end], "x");
        assert!(loaded.objects.len() <= 2);
    }
}
