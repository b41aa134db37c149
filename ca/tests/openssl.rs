//! Certificates judged by a stranger: the `openssl` command. Run with `--features stranger-tests`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use ca::authorize::Subject;
use ca::issue::{Issued, issue};
use ca::request;
use ca::root::Root;

/// Runs openssl and returns what it says, failing if it fails.
fn openssl(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("openssl")
        .current_dir(directory)
        .args(arguments)
        .output()
        .expect("this test needs the `openssl` command: apt-get install openssl");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "openssl {arguments:?}: {said}");
    said
}

/// A chain for a request that openssl made, written to `leaf.pem` and `root.pem`.
fn certify(directory: &Path) -> Issued {
    let now = SystemTime::now();
    let root = Root::open_or_create(directory, &"cluster.local".parse().unwrap(), now).unwrap();
    let key = request::parse(&fs::read_to_string(directory.join("csr.pem")).unwrap()).unwrap();
    let id = "spiffe://cluster.local/ns/default/sa/greeter"
        .parse()
        .unwrap();
    let subject = Subject {
        id,
        dns_names: vec!["istiod.istio-system.svc".to_owned()],
    };
    let issued = issue(&root, &key, &subject, Duration::from_secs(3600), now).unwrap();
    fs::write(directory.join("leaf.pem"), &issued.chain[0]).unwrap();
    fs::write(directory.join("root.pem"), &issued.chain[1]).unwrap();
    issued
}

#[test]
fn openssl_verifies_what_was_issued_for_its_own_requests() {
    for key in [
        &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"][..],
        &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
        &["rsa:2048"],
    ] {
        let directory = tempfile::tempdir().unwrap();
        let request = [
            &[
                "req", "-new", "-nodes", "-keyout", "key.pem", "-out", "csr.pem", "-subj",
                "/CN=evil", "-newkey",
            ],
            key,
        ];
        openssl(directory.path(), &request.concat());
        certify(directory.path());
        for purpose in ["sslserver", "sslclient"] {
            let verify = [
                "verify",
                "-x509_strict",
                "-purpose",
                purpose,
                "-CAfile",
                "root.pem",
                "leaf.pem",
            ];
            assert!(openssl(directory.path(), &verify).contains("leaf.pem: OK"));
        }
        let shown = openssl(
            directory.path(),
            &["x509", "-in", "leaf.pem", "-noout", "-text"],
        );
        assert!(
            shown.contains(
                "URI:spiffe://cluster.local/ns/default/sa/greeter, DNS:istiod.istio-system.svc"
            ),
            "{shown}"
        );
        assert!(
            shown.contains("CA:FALSE") && !shown.contains("evil"),
            "{shown}"
        );
    }
}

#[test]
fn openssl_reads_the_kept_root_and_its_key() {
    let directory = tempfile::tempdir().unwrap();
    Root::open_or_create(
        directory.path(),
        &"cluster.local".parse().unwrap(),
        SystemTime::now(),
    )
    .unwrap();
    let of_key = openssl(directory.path(), &["pkey", "-in", "ca-key.pem", "-pubout"]);
    let of_certificate = openssl(
        directory.path(),
        &["x509", "-in", "ca-cert.pem", "-noout", "-pubkey"],
    );
    assert_eq!(of_key, of_certificate);
    openssl(
        directory.path(),
        &[
            "verify",
            "-x509_strict",
            "-CAfile",
            "root-cert.pem",
            "ca-cert.pem",
        ],
    );
}
