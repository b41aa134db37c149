#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use serde_json::json;

fn list() -> Value {
    json!({"kind": "List", "items": [
        {"kind": "None", "metadata": {"name": "127.0.0.1", "labels": {"kubernetes.io/hostname": "127.0.0.1"}},
         "status": {"capacity": {"cpu": "4"}, "addresses": [{"type": "LegacyHostIP", "address": "127.0.0.1"}]}},
        {"kind": "None", "metadata": {"name": "127.0.0.2", "generation": 3},
         "status": {"capacity": {"cpu": "8"}, "ready": true, "addresses": [
            {"type": "LegacyHostIP", "address": "127.0.0.2"}, {"type": "another", "address": "127.0.0.3"}]}}],
     "users": [{"name": "myself", "user": {}},
               {"name": "e2e", "user": {"username": "admin", "password": "secret"}}]})
}

/// The cases of kubectl's own documentation, and what users write.
#[test]
fn templates_print_as_kubectls_documentation_says() {
    for (template, expected) in [
        ("kind is {.kind}", "kind is List"),
        ("{['kind']}", "List"),
        ("{..name}", "127.0.0.1 127.0.0.2 myself e2e"),
        ("{.items[*].metadata.name}", "127.0.0.1 127.0.0.2"),
        ("{.users[0].name}", "myself"),
        ("{.users[-1].name}", "e2e"),
        (
            "{.items[*]['metadata.name', 'status.capacity']}",
            "127.0.0.1 127.0.0.2 {\"cpu\":\"4\"} {\"cpu\":\"8\"}",
        ),
        (
            "{.items[0].metadata.labels['kubernetes\\.io/hostname']}",
            "127.0.0.1",
        ),
        (
            "{.items[*].metadata['name','generation']}",
            "127.0.0.1 127.0.0.2 3",
        ),
        ("{.users[?(@.name==\"e2e\")].user.password}", "secret"),
        (
            "{range .items[*]}[{.metadata.name}, {.status.capacity}] {end}",
            "[127.0.0.1, {\"cpu\":\"4\"}] [127.0.0.2, {\"cpu\":\"8\"}] ",
        ),
        (
            "{.items[0].metadata.labels.kubernetes\\.io/hostname}",
            "127.0.0.1",
        ),
        (
            "{.items[0].metadata.labels['kubernetes.io/hostname']}",
            "127.0.0.1",
        ),
        (
            "{range .items[*]}{.metadata.name}{\"\\t\"}{.status.capacity.cpu}{\"\\n\"}{end}",
            "127.0.0.1\t4\n127.0.0.2\t8\n",
        ),
        (
            "{.items[1].status.addresses[?(@.type != 'another')].address}",
            "127.0.0.2",
        ),
        (
            "{.items[?(@.metadata.generation > 2)].metadata.name}",
            "127.0.0.2",
        ),
        (
            "{.items[?(@.status.ready == true)].metadata.name}",
            "127.0.0.2",
        ),
        ("{.items[?(@.status.ready)].metadata.name}", "127.0.0.2"),
        (
            "{.users[0:1].name} {.users[1:].name} {.users[::2].name}",
            "myself e2e myself",
        ),
        ("{$.kind}{@.kind}", "ListList"),
        ("{.no.such.field}", ""),
        ("{.users[0].user}", "{}"),
        ("plain", "plain"),
    ] {
        let parsed = Template::parse(template).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(parsed.print(&list()), expected, "{template}");
    }
}

#[test]
fn what_cannot_be_read_is_told() {
    for (template, problem) in [
        ("{.a", "unclosed action"),
        ("{range .items[*]}{.a}", "unclosed range"),
        ("{end}", "not in range"),
        ("{.a[x]}", "invalid array index x"),
        ("{.a[?(@.b ~ 1)]}", "unrecognized filter operator"),
        ("{\"a}", "unterminated quoted string"),
        ("{%}", "unrecognized character"),
    ] {
        let error = Template::parse(template).unwrap_err().to_string();
        assert!(error.contains(problem), "{template}: {error}");
    }
    assert!(Template::parse(&"{range .a}".repeat(100_000)).is_err());
}

#[test]
fn a_path_alone_may_be_written_without_braces_and_dot() {
    for path in ["{.kind}", ".kind", "kind"] {
        let values: Vec<Value> = Template::parse_relaxed(path)
            .unwrap()
            .values(&list())
            .into_iter()
            .cloned()
            .collect();
        assert_eq!(values, [json!("List")], "{path}");
    }
}
