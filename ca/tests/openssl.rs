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
use ca::root::{Renewal, Root, RootDirectory};

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

fn open(directory: &Path, now: SystemTime) -> Root {
    RootDirectory {
        path: directory.to_owned(),
        trust_domain: "cluster.local".parse().unwrap(),
        renewal: Renewal::default(),
    }
    .open(now)
    .unwrap()
}

/// A chain for a request that openssl made, written to `leaf.pem` and `root.pem`.
fn certify(directory: &Path) -> Issued {
    let now = SystemTime::now();
    let root = open(directory, now);
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
    open(directory.path(), SystemTime::now());
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

#[test]
fn openssl_verifies_by_either_root_what_was_issued_before_and_after_its_renewal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    // A root of another make, as an installation may have brought it, with a day of ten years left.
    openssl(
        path,
        &[
            "req",
            "-x509",
            "-nodes",
            "-newkey",
            "rsa:2048",
            "-keyout",
            "rsa.pem",
            "-out",
            "ca-cert.pem",
            "-days",
            "1",
            "-subj",
            "/O=cluster.local/CN=a root of another make",
            "-addext",
            "keyUsage=keyCertSign,cRLSign",
        ],
    );
    openssl(
        path,
        &[
            "pkcs8",
            "-topk8",
            "-nocrypt",
            "-in",
            "rsa.pem",
            "-out",
            "ca-key.pem",
        ],
    );
    openssl(
        path,
        &[
            "req", "-new", "-nodes", "-keyout", "key.pem", "-out", "csr.pem", "-subj", "/CN=w",
            "-newkey", "rsa:2048",
        ],
    );
    certify(path);
    fs::rename(path.join("root.pem"), path.join("old-root.pem")).unwrap();
    fs::rename(path.join("leaf.pem"), path.join("old-leaf.pem")).unwrap();
    // Most of that day later.
    let renewed = open(path, SystemTime::now() + Duration::from_secs(20 * 3600));
    fs::write(path.join("root.pem"), renewed.pem()).unwrap();
    assert_ne!(
        fs::read(path.join("root.pem")).unwrap(),
        fs::read(path.join("old-root.pem")).unwrap()
    );
    certify(path);
    let text = |file| {
        openssl(
            path,
            &[
                "x509",
                "-in",
                file,
                "-noout",
                "-subject",
                "-ext",
                "subjectKeyIdentifier",
            ],
        )
    };
    assert_eq!(text("root.pem"), text("old-root.pem"));
    // The renewed root is of tomorrow's clock.
    let tomorrow = (SystemTime::now() + Duration::from_secs(20 * 3600 + 60))
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    for root in ["old-root.pem", "root.pem"] {
        for leaf in ["old-leaf.pem", "leaf.pem"] {
            openssl(path, &["verify", "-no_check_time", "-CAfile", root, leaf]);
        }
    }
    let attime = tomorrow.as_secs().to_string();
    openssl(
        path,
        &[
            "verify", "-attime", &attime, "-CAfile", "root.pem", "root.pem",
        ],
    );
}
