#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;

use resources::problem::Severity;

use super::{Files, Reading};

fn pod(name: &str, label: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{l: {label}}}}}\n")
}

fn scan(files: &mut Files, found: &[(&str, &str)]) -> bool {
    let found: BTreeMap<_, _> = found
        .iter()
        .map(|(name, text)| ((*name).to_owned(), Reading::Text((*text).to_owned())))
        .collect();
    files.scanned(found)
}

/// `name=label` of every object in use.
fn in_use(files: &Files) -> Vec<String> {
    files
        .objects()
        .values()
        .map(|o| {
            let label = o.value["metadata"]["labels"]["l"].as_str().unwrap();
            format!("{}={label}", o.name)
        })
        .collect()
}

#[test]
fn a_half_written_file_keeps_the_last_good_objects() {
    let mut files = Files::new();
    let whole = format!("{}---\n{}", pod("a", "v1"), pod("b", "v1"));
    scan(
        &mut files,
        &[("x.yaml", &whole), ("y.yaml", &pod("c", "v1"))],
    );
    assert_eq!(in_use(&files), ["a=v1", "b=v1", "c=v1"]);
    assert_eq!(files.problems(), []);

    let half = format!(
        "{}---\napiVersion: v1\nkind: Pod\nmeta: {{na",
        pod("a", "v2")
    );
    assert!(scan(
        &mut files,
        &[("x.yaml", &half), ("y.yaml", &pod("c", "v2"))]
    ));
    assert_eq!(in_use(&files), ["a=v2", "b=v1", "c=v2"]);
    let problems = files.problems();
    assert!(
        problems
            .iter()
            .any(|p| p.severity == Severity::Error && p.source == "x.yaml")
    );
    let kept = problems
        .iter()
        .find(|p| p.object.as_deref() == Some("Pod default/b"));
    assert!(kept.unwrap().message.contains("last good form"));

    let mended = format!("{}---\n{}", pod("a", "v2"), pod("b", "v2"));
    scan(
        &mut files,
        &[("x.yaml", &mended), ("y.yaml", &pod("c", "v2"))],
    );
    assert_eq!(in_use(&files), ["a=v2", "b=v2", "c=v2"]);
    assert_eq!(files.problems(), []);
}

#[test]
fn objects_survive_several_broken_forms_in_a_row() {
    let mut files = Files::new();
    scan(&mut files, &[("x.yaml", &pod("a", "v1"))]);
    for broken in ["", "apiVersion: v1\nkind: Po", "{", "# nothing\n"] {
        scan(&mut files, &[("x.yaml", broken)]);
        assert_eq!(in_use(&files), ["a=v1"], "{broken:?}");
        assert!(!files.problems().is_empty(), "{broken:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_keeps_its_objects() {
    let mut files = Files::new();
    scan(&mut files, &[("x.yaml", &pod("a", "v1"))]);
    let unreadable = Reading::Unreadable("permission denied".to_owned());
    files.scanned(BTreeMap::from([("x.yaml".to_owned(), unreadable)]));
    assert_eq!(in_use(&files), ["a=v1"]);
    assert!(files.problems()[0].message.contains("permission denied"));
}

#[test]
fn a_removed_file_removes_its_objects_and_an_object_left_out_is_gone() {
    let mut files = Files::new();
    let both = format!("{}---\n{}", pod("a", "v1"), pod("b", "v1"));
    scan(
        &mut files,
        &[("x.yaml", &both), ("y.yaml", &pod("c", "v1"))],
    );
    scan(&mut files, &[("x.yaml", &pod("b", "v1"))]);
    assert_eq!(in_use(&files), ["b=v1"]);
}

#[test]
fn an_object_in_two_files_is_that_of_the_first_by_name() {
    let mut files = Files::new();
    scan(
        &mut files,
        &[
            ("b.yaml", &pod("a", "second")),
            ("a.yaml", &pod("a", "first")),
        ],
    );
    assert_eq!(in_use(&files), ["a=first"]);
    let problem = &files.problems()[0];
    assert_eq!(problem.source, "b.yaml");
    assert_eq!(problem.object.as_deref(), Some("Pod default/a"));
    assert!(problem.message.contains("a.yaml"), "{problem}");
    scan(&mut files, &[("b.yaml", &pod("a", "second"))]);
    assert_eq!(in_use(&files), ["a=second"]);
}

#[test]
fn an_unchanged_scan_changes_nothing() {
    let mut files = Files::new();
    assert!(scan(&mut files, &[("x.yaml", &pod("a", "v1"))]));
    assert!(!scan(&mut files, &[("x.yaml", &pod("a", "v1"))]));
    assert!(scan(&mut files, &[]));
}

#[test]
fn a_directory_that_cannot_be_listed_for_a_while_keeps_its_objects() {
    let mut files = Files::new();
    scan(
        &mut files,
        &[
            ("a.yaml", &pod("a", "v1")),
            ("sub/b.yaml", &pod("b", "v1")),
            ("submarine/c.yaml", &pod("c", "v1")),
        ],
    );
    let unlisted = Reading::Unreadable("too many open files".to_owned());
    let found = [
        ("a.yaml".to_owned(), Reading::Text(pod("a", "v2"))),
        ("sub".to_owned(), unlisted),
    ];
    assert!(files.scanned(found.into()));
    assert_eq!(in_use(&files), ["a=v2", "b=v1"]);
    assert!(files.problems().iter().any(|p| p.source == "sub"));
    scan(&mut files, &[("a.yaml", &pod("a", "v2"))]);
    assert_eq!(in_use(&files), ["a=v2"]);
}
