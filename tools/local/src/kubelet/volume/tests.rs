#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
use super::*;
use serde_json::json;

fn made(volume: &Value, view: &View) -> Result<Content, VolumeError> {
    process::crypto::install();
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default", "uid": "u", "labels": {"a": "1"}},
        "spec": {"serviceAccountName": "sa", "containers": [
            {"name": "c", "resources": {"limits": {"memory": "10Mi"}}}]}});
    let signer = Signer::generate().unwrap();
    content(
        volume,
        Sources {
            facts: Facts {
                pod: &pod,
                pod_ip: "10.244.0.5",
                host_ip: "10.0.0.1",
                node: "n",
            },
            view,
            signer: &signer,
            now: OffsetDateTime::now_utc(),
        },
    )
}

fn files(content: Content) -> BTreeMap<String, String> {
    let Content::Files(files) = content else {
        panic!("{content:?}")
    };
    files
        .into_iter()
        .map(|(path, file)| {
            (
                path.display().to_string(),
                String::from_utf8(file.bytes).unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_projected_token_is_a_jwt_and_is_renewed_at_four_fifths_of_its_life() {
    let volume = json!({"name": "istio-token", "projected": {"sources": [
        {"serviceAccountToken": {"audience": "istio-ca", "expirationSeconds": 43200, "path": "istio-token"}}]}});
    let files = files(made(&volume, &View::default()).unwrap());
    assert_eq!(files["istio-token"].split('.').count(), 3);
    assert_eq!(refresh_after(&volume), Some(34_560));
}

#[test]
fn a_missing_config_map_makes_the_pod_wait_unless_it_is_optional() {
    let required = json!({"name": "v", "configMap": {"name": "istio-ca-root-cert"}});
    let error = made(&required, &View::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains(r#"configmap "istio-ca-root-cert" not found"#)
    );
    let optional = json!({"name": "v", "configMap": {"name": "x", "optional": true}});
    assert!(files(made(&optional, &View::default()).unwrap()).is_empty());
}

#[test]
fn the_downward_api_writes_labels_and_limits() {
    let volume = json!({"name": "podinfo", "downwardAPI": {"items": [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "mem", "resourceFieldRef": {"containerName": "c", "resource": "limits.memory", "divisor": "1Mi"}}]}});
    let files = files(made(&volume, &View::default()).unwrap());
    assert_eq!(files["labels"], "a=\"1\"");
    assert_eq!(files["mem"], "10");
}

#[test]
fn a_host_path_stays_in_the_nodes_root() {
    let volume = |path: &str| json!({"name": "v", "hostPath": {"path": path}});
    assert_eq!(
        made(&volume("/var/lib/lateen/objects"), &View::default()),
        Ok(Content::Node {
            path: "var/lib/lateen/objects".into(),
            given: false
        })
    );
    assert!(made(&volume("/var/../../etc"), &View::default()).is_err());
}

#[test]
fn files_change_in_place_and_keys_that_are_gone_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    let volume = directory.path().join("v");
    let hold = |pairs: &[(&str, &str)]| {
        let files = pairs
            .iter()
            .map(|(path, text)| {
                let file = FileContent {
                    bytes: text.as_bytes().to_vec(),
                    mode: 0o600,
                };
                (PathBuf::from(path), file)
            })
            .collect();
        write(&Content::Files(files), &volume, directory.path(), None).unwrap();
    };
    hold(&[("a", "1"), ("b", "2")]);
    hold(&[("a", "3")]);
    assert_eq!(std::fs::read_to_string(volume.join("a")).unwrap(), "3");
    assert!(!volume.join("b").exists());
}

#[test]
fn a_volume_kind_that_is_not_supported_is_named() {
    let error = made(&json!({"name": "v", "nfs": {}}), &View::default()).unwrap_err();
    assert!(error.to_string().starts_with("volume \"v\": only emptyDir"));
}

#[test]
fn a_directory_of_the_node_that_a_pod_makes_may_be_written_by_its_group() {
    let root = tempfile::tempdir().unwrap();
    // The one group that every user may give a directory to.
    let group = Some(nix::unistd::getegid().as_raw());
    let volume =
        json!({"name": "v", "hostPath": {"path": "/var/lib/x", "type": "DirectoryOrCreate"}});
    let content = made(&volume, &View::default()).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let path = write(&content, Path::new("/unused"), root.path(), group).unwrap();
    assert_eq!(mode(&path), 0o2775);

    // One that is there belongs to somebody.
    let there = root.path().join("var/lib/y");
    std::fs::create_dir(&there).unwrap();
    std::fs::set_permissions(&there, std::fs::Permissions::from_mode(0o700)).unwrap();
    let volume =
        json!({"name": "v", "hostPath": {"path": "/var/lib/y", "type": "DirectoryOrCreate"}});
    let content = made(&volume, &View::default()).unwrap();
    write(&content, Path::new("/unused"), root.path(), group).unwrap();
    assert_eq!(mode(&there), 0o700);
}

fn config(items: &[(&str, &str, u32)]) -> Content {
    Content::Files(
        items
            .iter()
            .map(|(path, text, mode)| {
                let file = FileContent {
                    bytes: text.as_bytes().to_vec(),
                    mode: *mode,
                };
                (PathBuf::from(path), file)
            })
            .collect(),
    )
}

#[test]
fn files_that_are_gone_go_with_their_directories_and_a_new_mode_is_set() {
    let directory = tempfile::tempdir().unwrap();
    let volume = directory.path().join("v");
    let write = |content: &Content| write(content, &volume, directory.path(), None).unwrap();
    write(&config(&[
        ("a", "1", 0o644),
        ("below/deep/b", "2", 0o644),
        ("below/c", "3", 0o644),
    ]));
    write(&config(&[("a", "1", 0o400), ("below/c", "3", 0o644)]));
    assert!(!volume.join("below/deep").exists());
    assert_eq!(std::fs::read(volume.join("below/c")).unwrap(), b"3");
    let mode = std::fs::metadata(volume.join("a"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o400);
}

#[test]
fn a_sub_path_is_made_and_never_leaves_its_volume() {
    let directory = tempfile::tempdir().unwrap();
    let volume = directory.path().join("v");
    std::fs::create_dir(&volume).unwrap();
    std::fs::set_permissions(&volume, std::fs::Permissions::from_mode(0o777)).unwrap();
    let place = inside(&volume, Path::new("a/b")).unwrap();
    assert!(place.ends_with("v/a/b") && place.is_dir());
    let mode = std::fs::metadata(&place).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o777);
    std::os::unix::fs::symlink("/etc", volume.join("out")).unwrap();
    let error = inside(&volume, Path::new("out/passwd")).unwrap_err();
    assert!(error.contains("it leads out of the volume"), "{error}");
    assert_eq!(inside(&volume, Path::new("")).unwrap(), volume);
}
