//! The injector's process dies under load and comes back, asked by `curl`. Run with `--features stranger-tests`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const NAME: &str = "istio-sidecar-injector.istio-system.svc";
/// Whoever asks, at a time: what an API server does while a large Deployment starts.
const CALLERS: usize = 4;
const LIMIT: Duration = Duration::from_secs(30);

fn certify(directory: &Path) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec![NAME.to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    std::fs::write(directory.join("tls.key"), key.serialize_pem()).unwrap();
    std::fs::write(directory.join("tls.crt"), certificate.pem()).unwrap();
}

struct Injector(Child);

impl Injector {
    fn start(directory: &Path, port: u16) -> Self {
        let file = |name: &str| directory.join(name).display().to_string();
        let child = Command::new(env!("CARGO_BIN_EXE_injector"))
            .arg(format!("--port={port}"))
            .arg("--monitoringAddr=127.0.0.1:0")
            .arg(format!("--tlsCertFile={}", file("tls.crt")))
            .arg(format!("--tlsKeyFile={}", file("tls.key")))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// SIGKILL.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Injector {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn review(uid: &str) -> String {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {"uid": uid, "namespace": "default", "kind": {"kind": "Pod"},
            "object": {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "a"}]}}},
    })
    .to_string()
}

/// What is answered, or none where no whole answer came: an API server then refuses the pod and its owner tries again.
fn ask(directory: &Path, port: u16, uid: &str) -> Option<Value> {
    let output = Command::new("curl")
        .args(["--silent", "--max-time", "10", "--cacert"])
        .arg(directory.join("tls.crt"))
        .args(["--resolve", &format!("{NAME}:{port}:127.0.0.1")])
        .args(["--header", "content-type: application/json"])
        .args(["--data", &review(uid)])
        .arg(format!("https://{NAME}:{port}/inject"))
        .output()
        .expect("this test needs curl");
    output
        .status
        .success()
        .then(|| serde_json::from_slice(&output.stdout).expect("a whole answer is JSON"))
}

fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "waited for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn every_answer_is_right_while_the_injector_is_killed_and_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    certify(directory.path());
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut injector = Injector::start(directory.path(), port);
    let (over, answered, refused) = (
        AtomicBool::new(false),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let count = || {
        (
            answered.load(Ordering::Relaxed),
            refused.load(Ordering::Relaxed),
        )
    };
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (over, answered, refused) = (&over, &answered, &refused);
            let path = directory.path();
            scope.spawn(move || {
                let mut n = 0;
                while !over.load(Ordering::Relaxed) {
                    n += 1;
                    let uid = format!("{caller}-{n}");
                    match ask(path, port, &uid) {
                        Some(answer) => {
                            let response = &answer["response"];
                            assert_eq!(response["uid"], uid, "{answer}");
                            assert_eq!(response["allowed"], true, "{answer}");
                            assert!(response["patch"].as_str().is_some_and(|p| p.len() > 100));
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        None => {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
        // Whatever fails below, the callers must end.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait("the first answers", || count().0 >= 20);
            for _ in 0..3 {
                let (_, before) = count();
                injector.kill();
                wait("callers to notice", || count().1 >= before + CALLERS);
                injector = Injector::start(directory.path(), port);
                let (before, _) = count();
                wait("answers again", || count().0 >= before + 20);
            }
            let (_, before) = count();
            let (seen, _) = count();
            wait("more answers", || count().0 >= seen + 40);
            assert_eq!(count().1, before, "nothing is refused once it is back");
        }));
        over.store(true, Ordering::Relaxed);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
}
