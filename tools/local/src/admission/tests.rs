//! Pods on their way past the real injector.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use injector::webhook::{Injector, Options};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::mesh::INJECTOR;
use crate::object::{list, text};
use crate::store::Store;

const SERVICE: &str = "istio-sidecar-injector.istio-system.svc";

/// The injector behind its webhooks.
struct Webhooks {
    store: Store,
    admission: Admission,
    /// Whether anything answers at the Service's address.
    up: Arc<AtomicBool>,
    _stop: tokio_util::sync::DropGuard,
}

impl Webhooks {
    async fn start() -> Self {
        process::crypto::install();
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        let certified = rcgen::generate_simple_self_signed([SERVICE.to_owned()]).unwrap();
        let pem = certified.cert.pem();
        std::fs::write(file("tls.crt"), &pem).unwrap();
        std::fs::write(file("tls.key"), certified.signing_key.serialize_pem()).unwrap();
        let options = <Options as clap::Parser>::parse_from([
            "injector".as_ref(),
            "--port=0".as_ref(),
            "--monitoringAddr=127.0.0.1:0".as_ref(),
            "--tlsCertFile".as_ref(),
            file("tls.crt").as_os_str(),
            "--tlsKeyFile".as_ref(),
            file("tls.key").as_os_str(),
        ]);
        let stop = CancellationToken::new();
        let injector = Injector::start(options, axum::Router::new(), stop.clone())
            .await
            .unwrap();
        let port = injector.address.port();
        let up = Arc::new(AtomicBool::new(true));
        let is_up = Arc::clone(&up);
        let dial: Dial = Arc::new(move |to: SocketAddr| {
            assert_eq!(to.to_string(), "10.96.0.7:443");
            let up = is_up.load(Ordering::Relaxed);
            Box::pin(async move {
                match up {
                    true => TcpStream::connect(("127.0.0.1", port)).await,
                    false => Err(std::io::ErrorKind::ConnectionRefused.into()),
                }
            })
        });
        Self {
            store: store(&pem),
            admission: Admission {
                caller: Arc::new(Caller::new(dial)),
            },
            up,
            _stop: stop.drop_guard(),
        }
    }

    async fn admit(&self, namespace: &str) -> Result<Admitted, String> {
        let pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "a", "namespace": namespace,
                "annotations": {"sidecar.istio.io/enableCoreDump": "true"}},
            "spec": {"containers": [{"name": "app", "image": "i", "fieldOfTomorrow": 1}]}});
        admit(&pod, &self.store.view(), "n", &self.admission).await
    }

    fn change(&self, patch: impl Fn(&mut Value)) {
        let key = Key::of_group(
            webhook::GROUP,
            webhook::MUTATING,
            "",
            "istio-sidecar-injector",
        );
        let mut webhooks = self.store.get(&key).unwrap()["webhooks"].clone();
        webhooks.as_array_mut().unwrap().iter_mut().for_each(patch);
        let patch = json!({"webhooks": webhooks});
        self.store.patch(&key, &patch).unwrap();
    }
}

/// What the mesh's own manifest says, and a namespace with sidecars beside one without.
fn store(roots: &str) -> Store {
    let store = Store::default();
    let mut manifests = crate::manifest::Manifests::default();
    manifests.add_text(INJECTOR, "injector.yaml");
    assert_eq!(manifests.warnings, Vec::<String>::new());
    for mut object in manifests.values() {
        match text(&object, "/kind") {
            "Service" => object["spec"]["clusterIP"] = json!("10.96.0.7"),
            "MutatingWebhookConfiguration" => {
                check(&object).unwrap();
                for webhook in object["webhooks"].as_array_mut().unwrap() {
                    webhook["clientConfig"]["caBundle"] = json!(STANDARD.encode(roots));
                }
            }
            _ => continue,
        }
        store.create(object).unwrap();
    }
    for (namespace, labels) in [
        ("with", json!({"istio-injection": "enabled"})),
        ("without", json!({})),
    ] {
        for object in [
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}),
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}}),
        ] {
            store.create(object).unwrap();
        }
    }
    store
}

fn has_sidecar(pod: &Value) -> bool {
    list(pod, "/spec/initContainers")
        .iter()
        .any(|container| text(container, "/name") == "istio-proxy")
}

#[tokio::test]
async fn pods_of_a_labelled_namespace_get_a_sidecar_and_others_are_not_even_shown() {
    let webhooks = Webhooks::start().await;
    let with = webhooks.admit("with").await.unwrap();
    assert!(has_sidecar(&with.pod));
    assert_eq!(text(&with.pod, "/spec/nodeName"), "n");
    // What this program has no type for survives.
    assert_eq!(with.pod["spec"]["containers"][0]["fieldOfTomorrow"], 1);
    assert!(
        with.warnings[0].contains("enableCoreDump"),
        "{:?}",
        with.warnings
    );
    webhooks.up.store(false, Ordering::Relaxed);
    let without = webhooks.admit("without").await.unwrap();
    assert!(!has_sidecar(&without.pod));
}

#[tokio::test]
async fn a_pod_whose_webhook_does_not_answer_is_refused_unless_failures_are_to_be_ignored() {
    let webhooks = Webhooks::start().await;
    webhooks.up.store(false, Ordering::Relaxed);
    let refused = webhooks.admit("with").await.unwrap_err();
    let expected = "Internal error occurred: failed calling webhook \"namespace.sidecar-injector.istio.io\": failed to call webhook: Post \"https://istio-sidecar-injector.istio-system.svc:443/inject?timeout=10s\": dial tcp 10.96.0.7:443: connect: connection refused";
    assert_eq!(refused, expected);
    webhooks.change(|webhook| webhook["failurePolicy"] = json!("Ignore"));
    assert!(!has_sidecar(&webhooks.admit("with").await.unwrap().pod));
    webhooks.up.store(true, Ordering::Relaxed);
    assert!(has_sidecar(&webhooks.admit("with").await.unwrap().pod));
}

#[tokio::test]
async fn a_webhook_that_cannot_prove_who_it_is_changes_nothing() {
    let webhooks = Webhooks::start().await;
    let other = rcgen::generate_simple_self_signed([SERVICE.to_owned()]).unwrap();
    for (roots, problem) in [
        (other.cert.pem(), "certificate"),
        (String::new(), "caBundle holds no certificate"),
    ] {
        webhooks.change(|webhook| {
            webhook["clientConfig"]["caBundle"] = json!(STANDARD.encode(&roots));
        });
        let refused = webhooks.admit("with").await.unwrap_err();
        assert!(refused.contains(problem), "{refused}");
    }
}

#[test]
fn a_configuration_that_asks_for_more_than_there_is_is_refused_by_field() {
    for (webhook, field) in [
        (
            json!({"clientConfig": {"url": "https://x"}}),
            "webhooks[0].clientConfig.service",
        ),
        (
            json!({"clientConfig": {"service": {"name": "s"}}, "matchConditions": [{}]}),
            "webhooks[0].matchConditions",
        ),
        (
            json!({"clientConfig": {"service": {"name": "s"}, "caBundle": "?"}}),
            "webhooks[0].clientConfig.caBundle",
        ),
        (
            json!({"clientConfig": {"service": {"name": "s"}},
                "objectSelector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}),
            "webhooks[0].objectSelector",
        ),
    ] {
        let object =
            json!({"kind": webhook::MUTATING, "metadata": {"name": "w"}, "webhooks": [webhook]});
        let refused = check(&object).unwrap_err();
        assert!(refused.contains(field), "{refused}");
    }
}
