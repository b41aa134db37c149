//! Istio's own configuration examples: what it takes is taken here, what it refuses is refused. They
//! are read from the folder that LATEEN_CONFORMANCE names.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::path::PathBuf;

use resources::object::Object;
use resources::yaml::{RawObject, load};
use translate::{Change, Settings, Snapshot, check};

fn folder(name: &str) -> PathBuf {
    let root = std::env::var_os("LATEEN_CONFORMANCE")
        .expect("LATEEN_CONFORMANCE must name the folder of Istio's test data");
    PathBuf::from(root).join(name)
}

fn read(path: &PathBuf) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn is_ours(raw: &RawObject) -> bool {
    ["VirtualService", "DestinationRule", "PeerAuthentication"].contains(&raw.kind.as_str())
}

#[test]
fn every_configuration_example_is_taken_and_only_a_field_that_istio_dropped_is_unknown() {
    let mut changes = Vec::new();
    let mut unknown = Vec::new();
    for entry in std::fs::read_dir(folder("config")).unwrap() {
        let path = entry.unwrap().path();
        let loaded = load(&read(&path), &path.display().to_string());
        assert_eq!(loaded.problems, [], "{}", path.display());
        for raw in loaded.objects.iter().filter(|raw| is_ours(raw)) {
            let (object, warnings) = Object::parse(raw).unwrap_or_else(|e| panic!("{e}"));
            unknown.extend(warnings.into_iter().filter_map(|w| w.field));
            changes.push(Change::Upsert(Box::new(object)));
        }
    }
    unknown.dedup();
    assert_eq!(unknown, ["spec.http[0].websocketUpgrade"]);
    assert!(changes.len() >= 19, "{}", changes.len());
    // Their hosts are of service entries, which are not read yet: each of them is named.
    let problems = check(&Snapshot::new(Settings::default()).with(&changes));
    assert!(
        problems
            .iter()
            .all(|p| p.object.is_some() && p.field.is_some()),
        "{problems:?}"
    );
}

#[test]
fn what_istio_accepts_is_accepted() {
    for name in ["destinationrule-valid.yaml", "peerauth-valid.yaml"] {
        let text = read(&folder("validation").join(name));
        for (n, document) in text.split("\n---").enumerate() {
            let loaded = load(document, name);
            let (_, warnings) =
                Object::parse(&loaded.objects[0]).unwrap_or_else(|e| panic!("{name} {n}: {e}"));
            assert_eq!(warnings, [], "{name} {n}");
        }
    }
}

#[test]
fn what_istio_refuses_is_refused() {
    for name in ["destinationrule-invalid.yaml", "peerauth-invalid.yaml"] {
        let text = read(&folder("validation").join(name));
        let mut refused = 0;
        for document in text.split("\n---") {
            let (expected, object): (Vec<&str>, Vec<&str>) =
                document.lines().partition(|l| l.starts_with("_err"));
            let loaded = load(&object.join("\n"), name);
            assert!(
                Object::parse(&loaded.objects[0]).is_err(),
                "{name}: {expected:?}"
            );
            refused += 1;
        }
        assert!(refused >= 3);
    }
}
