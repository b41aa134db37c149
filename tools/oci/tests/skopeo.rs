//! Debian's skopeo reads what we write.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::process::Command;

use oci::archive::Image;
use oci::write::{ImageSpec, image};

#[test]
fn skopeo_opens_the_archive_in_both_of_its_forms_with_our_digest() {
    let directory = tempfile::tempdir().unwrap();
    let tar = directory.path().join("ca.tar");
    let written = image(&ImageSpec {
        tag: "lateen/ca:dev".into(),
        files: [("/usr/local/bin/ca".into(), b"program".to_vec())].into(),
        entrypoint: vec!["/usr/local/bin/ca".into()],
        user: "65532:65532".into(),
        ..ImageSpec::default()
    })
    .unwrap();
    std::fs::write(&tar, written.archive).unwrap();

    let inspect = |transport: &str| {
        let output = Command::new("skopeo")
            .arg("--tmpdir")
            .arg(directory.path())
            .args(["inspect", &format!("{transport}:{}", tar.display())])
            .output()
            .expect("skopeo is needed: install Debian's package skopeo");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{transport}: {error}");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let oci = inspect("oci-archive");
    assert_eq!(oci["Digest"], written.digest.to_string());
    assert_eq!(oci["Architecture"], "amd64");
    assert_eq!(
        inspect("docker-archive")["Layers"]
            .as_array()
            .unwrap()
            .len(),
        2
    );

    // And the other way: what skopeo writes (gzip layers) reads back.
    let copied = directory.path().join("copied.tar");
    let status = Command::new("skopeo")
        .arg("--tmpdir")
        .arg(directory.path())
        .args(["--insecure-policy", "copy", "--quiet", "--dest-compress"])
        .arg(format!("docker-archive:{}", tar.display()))
        .arg(format!("oci-archive:{}:dev", copied.display()))
        .status()
        .unwrap();
    assert!(status.success());
    let root = Image::open(&copied)
        .unwrap()
        .unpack(directory.path())
        .unwrap();
    assert_eq!(
        std::fs::read(root.join("usr/local/bin/ca")).unwrap(),
        b"program"
    );
}
